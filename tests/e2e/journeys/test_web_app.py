"""The web app: a member finds a shared account, looks at its password, and that is written down."""

from playwright.sync_api import expect

from tests.companies import TESTS, Company
from tests.e2e.browsers import sign_in
from tests.e2e.journeys.conftest import OpenPage
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.models import AuditEvent, Reveal


def test_a_member_finds_an_account_and_reveals_its_password(
    acme: Company, rival_as_it_was: None, as_person: OpenPage
) -> None:
    other = accounts.create(acme.workspace, "Instagram", actor=TESTS, password=Secret("of-instagram-1"))
    access.grant(other, acme.member, actor=TESTS)
    accounts.create(acme.workspace, "Payroll", actor=TESTS, password=Secret("of-payroll-1"))
    window = as_person(None)
    page = window.page
    page.goto(f"{window.base}/")
    sign_in(page, window.base, acme.member.email)
    window.go("/")
    expect(page.locator("#accounts li")).to_have_count(2)
    page.get_by_label("Search by name or username").type("rout")
    expect(page.locator("#accounts li")).to_have_count(1)
    page.get_by_role("link", name="Router").click()
    assert acme.account_password.reveal() not in page.content()
    page.clock.install()
    page.get_by_role("button", name="Show password").click()
    expect(page.locator("#password")).to_have_text(acme.account_password.reveal())
    reveal = Reveal.objects.get(user=acme.member)
    assert (reveal.account_id, reveal.version.number) == (acme.account.pk, 1)
    assert AuditEvent.objects.filter(verb="account.revealed", actor_id=acme.member.pk).count() == 1

    page.clock.run_for(61_000)
    expect(page.get_by_role("button", name="Show password")).to_be_visible()
    assert acme.account_password.reveal() not in page.content()
    window.go("/admin/")
    expect(page.get_by_text("who may not open that page")).to_be_visible()
