"""Connect Okta: the checklist ticks itself while Okta's own requests arrive."""

from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from demo.okta import Group, OktaTenant, Person
from scim.models import ProvisioningEvent, ScimToken
from tests.companies import PASSWORD, Company
from tests.e2e.journeys.console import Console
from workspace.models import Team, User


def test_the_checklist_ticks_itself_from_the_token_to_the_first_group(
    acme: Company, console: Console, live_server: LiveServer
) -> None:
    ScimToken.objects.for_workspace(acme.workspace).delete()
    User.objects.filter(workspace=acme.workspace).update(provisioned_at=None)
    page = console.page
    page.clock.install()
    console.menu("Connect Okta")
    done = console.content.locator("#connect-progress > p:first-child > strong")
    expect(done).to_have_text("0 of 5 done.")
    expect(console.content.get_by_label("SCIM connector base URL")).to_have_value("http://127.0.0.1:8000/scim/v2/")
    console.follow(console.content.get_by_role("link", name="Issue a token"))
    console.fill("Label", "Okta production")
    console.fill("Your password", PASSWORD)
    console.press("Issue token")
    secret = console.content.get_by_label("API token").input_value()
    console.menu("Connect Okta")
    expect(done).to_have_text("1 of 5 done.")
    expect(console.content.get_by_role("link", name="Issue another")).to_be_visible()

    ada = Person("ada@acme.example", "Ada", "Pushed")
    with OktaTenant(f"{live_server.url}/scim/v2/", secret) as okta:
        for act, number in (
            (okta.connection_test, 3),
            (lambda: okta.assign(ada), 4),
            (lambda: okta.push_group(Group("Engineering", [ada])), 5),
        ):
            act()
            page.clock.run_for(6_000)
            expect(done).to_have_text(f"{number} of 5 done.")
    console.says("Okta is connected.")
    expect(console.content.get_by_role("link", name="open an account")).to_be_visible()
    expect(console.content.get_by_role("link", name="Engineering")).to_be_visible()
    assert User.objects.get(workspace=acme.workspace, user_name="ada@acme.example").provisioned_at is not None
    team = Team.objects.get(workspace=acme.workspace, display_name="Engineering")
    assert [row.user_id for row in team.memberships.filter(left_at=None)] == [
        User.objects.get(user_name="ada@acme.example").pk
    ]
    assert ProvisioningEvent.objects.for_workspace(acme.workspace).filter(status__lt=400).count() == 3
