"""Teams: made here with their members, and those of Okta, which are only looked at."""

from playwright.sync_api import expect

from demo.okta import Group, OktaTenant, Person
from tests.companies import Company
from tests.e2e.journeys.console import Console
from workspace.models import Team, TeamMembership


def test_a_team_made_here_gets_and_loses_a_member(acme: Company, console: Console) -> None:
    console.menu("Teams")
    console.add()
    console.fill("Name", "Night shift")
    console.press("Add team")
    console.open("Night shift")
    console.act("Add member")
    console.choose("Person", "member", "member@acme.example")
    console.press("Add")
    expect(console.section("Members")).to_contain_text("member@acme.example")
    team = Team.objects.get(workspace=acme.workspace, display_name="Night shift")
    assert [row.user_id for row in team.memberships.filter(left_at=None)] == [acme.member.pk]

    console.follow(console.section("Members").get_by_role("link", name="Remove"))
    expect(console.content.get_by_label("Person")).to_have_value(str(acme.member.pk))
    console.press("Remove")
    expect(console.section("Members")).to_contain_text("Nobody is in this team.")
    console.act("Rename")
    console.fill("Name", "Day shift")
    console.press("Rename")
    console.heading("Day shift")
    team.refresh_from_db()
    assert team.display_name == "Day shift"
    assert TeamMembership.objects.get(team=team).left_at is not None


def test_a_team_of_oktas_is_looked_at_and_not_changed(acme: Company, console: Console, okta: OktaTenant) -> None:
    ada = Person("ada@acme.example", "Ada", "Pushed")
    okta.assign(ada)
    okta.push_group(Group("Engineering", [ada]))
    console.menu("Teams")
    console.filter("source", "Identity provider")
    expect(console.rows).to_have_count(1)
    console.open("Engineering")
    console.says("Okta manages this team.")
    expect(console.section("Members")).to_contain_text("ada@acme.example")
    expect(console.page.get_by_role("link", name="Rename", exact=True)).to_have_count(0)
    team = Team.objects.get(workspace=acme.workspace, display_name="Engineering")
    console.go(f"/admin/workspace/team/{team.pk}/rename/")
    console.says("Okta manages this team; change the group there.")
    expect(console.content.get_by_role("button", name="Rename")).to_have_count(0)
