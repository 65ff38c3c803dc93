"""A removal of many people is held back, and answered: meant, or called off with everybody in again."""

from playwright.sync_api import expect

from demo.okta import OktaTenant, Person
from rotation.models import Decision, MassRemoval, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.e2e.journeys.console import Console
from workspace import access
from workspace.models import Account, User, Workspace

PEOPLE = 3


def removed(acme: Company, okta: OktaTenant) -> list[Person]:
    """So many people of Okta's, each with the Router, deactivated one after the other by a rule that was wrong."""
    Workspace.objects.filter(pk=acme.workspace.pk).update(mass_removal_people=PEOPLE, mass_removal_percent=20)
    gone = [Person(f"p{number}@acme.example", f"P{number}", "Pushed") for number in range(PEOPLE)]
    for person in gone:
        okta.assign(person)
        access.grant(acme.account, User.objects.get(pk=person.scim_id), actor=TESTS)
    for person in gone:
        okta.deactivate(person)
    return gone


def opened(console: Console) -> None:
    console.home()
    console.follow(console.figure("Removals of many people: answer"))
    console.follow(console.rows.first.get_by_role("link").first)
    console.heading("Waits for an answer")
    expect(console.section("People").locator("tbody tr")).to_have_count(PEOPLE)


def test_a_removal_that_was_a_mistake_is_called_off_and_everybody_is_in_again(
    acme: Company, console: Console, okta: OktaTenant
) -> None:
    gone = removed(acme, okta)
    opened(console)
    assert RotationJob.objects.get(account=acme.account).held_until is not None
    console.act("It was a mistake")
    console.press("Call it off")
    console.says("known to people who have not got these accounts back")
    console.act("Let them in again")
    boxes = console.content.get_by_role("checkbox")
    expect(boxes).to_have_count(PEOPLE)
    console.content.get_by_role("link", name="none", exact=True).click()
    console.says(f"0 of {PEOPLE} are ticked.")
    console.content.get_by_role("link", name="all", exact=True).click()
    console.says(f"{PEOPLE} of {PEOPLE} are ticked.")
    assert "tick=" not in console.page.url
    console.press("Let in")
    expect(console.section("People").get_by_role("link", name="in again")).to_have_count(PEOPLE)
    assert MassRemoval.objects.get(workspace=acme.workspace).decision == Decision.CANCELLED
    assert RotationJob.objects.get(account=acme.account).state == JobState.CANCELLED
    for person in gone:
        user = User.objects.get(pk=person.scim_id)
        assert list(access.reachable_accounts(user)) == [Account.objects.get(pk=acme.account.pk)]


def test_a_removal_that_was_meant_goes_on(acme: Company, console: Console, okta: OktaTenant) -> None:
    removed(acme, okta)
    opened(console)
    console.act("They were meant to leave")
    console.press("Rotate now")
    expect(console.page.get_by_role("link", name="It was a mistake")).to_have_count(0)
    assert MassRemoval.objects.get(workspace=acme.workspace).decision == Decision.CONFIRMED
    assert RotationJob.objects.get(account=acme.account).held_until is None
