"""People: found, looked at, downloaded, invited, signed out, and back after they left."""

import csv

from playwright.sync_api import expect

from demo.okta import OktaTenant, Person
from rotation.departures import offboarding
from tests.companies import PASSWORD, TESTS, Company
from tests.e2e.journeys.conftest import OpenPage
from tests.e2e.journeys.console import Console
from workspace import access
from workspace.audit import Actor
from workspace.models import AuditEvent, Grant, Session, User


def test_an_owner_finds_people_by_state_and_reads_a_persons_page(
    acme: Company, console: Console, okta: OktaTenant
) -> None:
    offboarding.offboard(acme.person("leaver"), actor=TESTS, cause="left")
    User.objects.filter(workspace=acme.workspace).update(provisioned_at=None)
    okta.assign(Person("ada@acme.example", "Ada", "Pushed"))
    access.reveal(acme.account, acme.member, actor=Actor.person(acme.member))

    console.menu("People")
    expect(console.rows).to_have_count(4)
    expect(console.row("rival")).to_have_count(0)
    console.filter("state", "Disabled")
    expect(console.rows).to_have_count(1)
    expect(console.row("leaver@acme.example")).to_be_visible()
    console.menu("People")
    console.filter("source", "Identity provider")
    expect(console.rows).to_have_count(1)
    console.open("ada@acme.example")
    console.says("Okta manages this profile.")
    expect(console.page.get_by_role("link", name="Edit", exact=True)).to_have_count(0)

    console.menu("People")
    console.search("member@")
    console.open("member@acme.example")
    expect(console.section("Accounts they can use")).to_contain_text("team Operations")
    expect(console.section("Passwords they looked at")).to_contain_text("Router")


def test_the_list_of_people_downloads_as_it_is_filtered_and_that_is_recorded(acme: Company, console: Console) -> None:
    offboarding.offboard(acme.person("leaver"), actor=TESTS, cause="left")
    console.menu("People")
    console.filter("state", "Disabled")
    expect(console.rows).to_have_count(1)
    file = console.download(console.page.get_by_role("link", name="CSV"))
    with file.open(newline="", encoding="utf-8-sig") as lines:
        names = [row["userName"] for row in csv.DictReader(lines)]
    assert names == ["leaver@acme.example"]
    exported = AuditEvent.objects.get(workspace=acme.workspace, verb="list.exported")
    assert (exported.actor_id, exported.detail) == (acme.owner.pk, {"list": "user", "narrowed": True})


def test_an_invited_person_chooses_a_password_and_signs_in(
    acme: Company, console: Console, as_person: OpenPage
) -> None:
    console.menu("People")
    console.add()
    console.fill("userName", "grace@acme.example")
    console.fill("E-mail", "grace@acme.example")
    console.press("Add person")
    console.open("grace@acme.example")
    console.act("Invitation link")
    console.press("Create link")
    console.says("This field is required.")  # nobody invites from a browser that was left open
    console.fill("Your password", PASSWORD)
    console.press("Create link")
    link = console.content.get_by_label("Invitation link").input_value()

    guest = as_person(None)
    guest.go("/invitation/" + link.partition("/invitation/")[2])
    for label in ("New password", "New password again"):
        guest.page.get_by_label(label, exact=True).fill("four words that do not belong")
    guest.follow(guest.page.get_by_role("button", name="Set password"))
    guest.page.get_by_label("E-mail").fill("grace@acme.example")
    guest.page.get_by_label("Password").fill("four words that do not belong")
    guest.follow(guest.page.get_by_role("button", name="Sign in"))
    expect(guest.page.get_by_role("heading", name="No accounts yet")).to_be_visible()
    grace = User.objects.get(workspace=acme.workspace, user_name="grace@acme.example")
    assert grace.check_password("four words that do not belong")
    assert not grace.check_password(PASSWORD)
    assert Session.objects.filter(user=grace).count() == 1


def test_an_owner_ends_somebodys_sessions_and_they_are_out(
    acme: Company, console: Console, as_person: OpenPage
) -> None:
    theirs = as_person(acme.member)
    theirs.go("/")
    expect(theirs.page.get_by_role("heading", name="Accounts")).to_be_visible()
    console.menu("People")
    console.open("member@acme.example")
    console.follow(console.section("Devices and sessions").get_by_role("link", name="End").first)
    console.content.get_by_label("Session").select_option(label="All sessions")
    console.press("End")
    expect(console.section("Devices and sessions")).to_contain_text("signed in nowhere")
    assert not Session.objects.filter(user=acme.member).exists()
    theirs.page.reload()
    expect(theirs.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_rehired_person_gets_back_what_an_owner_ticks(acme: Company, console: Console, okta: OktaTenant) -> None:
    ada = Person("ada@acme.example", "Ada", "Pushed")
    okta.assign(ada)
    person = User.objects.get(workspace=acme.workspace, pk=ada.scim_id)
    access.grant(acme.account, person, actor=TESTS)
    okta.deactivate(ada)

    console.go("/admin/workspace/user/?state=disabled")
    console.open("ada@acme.example")
    console.says("Okta (SCIM token)")
    expect(console.page.get_by_role("link", name="Give access back")).to_have_count(0)
    okta.reactivate(ada)
    console.page.reload()
    console.act("Give access back")
    expect(console.content.get_by_label("Router: Collaborator, privileged")).to_be_checked()
    console.press("Give back")
    expect(console.section("Accounts they can use")).to_contain_text("Router")
    grants = Grant.objects.filter(user=person).order_by("granted_at")
    assert [grant.ended_at is None for grant in grants] == [False, True]
