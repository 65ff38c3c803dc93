"""Accounts and grants: an account is added, shared, given another role, and its access ended."""

from playwright.sync_api import expect

from tests.companies import Company
from tests.e2e.journeys.console import Console
from workspace import accounts
from workspace.models import Account, Grant, GrantRole


def test_an_account_is_added_with_its_settings_and_shared(acme: Company, console: Console) -> None:
    page = console.page
    console.menu("Accounts")
    console.add()
    host = page.locator("[name=postgres__host]")
    expect(host).to_be_hidden()
    console.content.get_by_label("How the password is changed").select_option("postgres")
    expect(host).to_be_visible()
    console.fill("Name", "Reporting")
    console.fill("User name", "report")
    host.fill("db.acme.example")
    console.press("Add account")
    console.fill("Password", "typed-into-the-browser")
    console.press("Seal password")
    account = Account.objects.get(workspace=acme.workspace, name="Reporting")
    version = accounts.current_version(account)
    assert version is not None
    assert accounts.open_version(version).reveal() == "typed-into-the-browser"
    assert (account.connector, account.target["host"]) == ("postgres", "db.acme.example")

    console.act("Grant access")
    console.choose("Team", "oper", "Operations")
    console.press("Grant access")
    expect(console.section("Who can use it")).to_contain_text("Operations")
    assert "typed-into-the-browser" not in page.content()
    console.act("Grant access")
    console.choose("Or a person", "owner", "owner@acme.example")
    console.content.get_by_label("Role").select_option("owner")
    console.press("Grant access")
    given = set(account.grants.filter(ended_at=None).values_list("team", "user", "role"))
    assert given == {
        (acme.team.pk, None, GrantRole.COLLABORATOR.value), (None, acme.owner.pk, GrantRole.OWNER.value)
    }  # fmt: skip


def test_a_grant_gets_another_role_and_ends(acme: Company, console: Console) -> None:
    console.menu("Grants")
    console.open("Operations")
    console.act("Change role")
    console.content.get_by_label("Role").select_option("manager")
    console.press("Change role")
    expect(console.content.locator(".console-facts")).to_contain_text("Manager")
    console.go(f"/admin/workspace/account/{acme.account.pk}/change/")
    console.follow(console.section("Who can use it").get_by_role("link", name="End"))
    console.fill("Reason", "The project is over")
    console.press("End access")
    console.heading("Ended")
    console.says("The project is over")
    console.menu("Grants")
    console.filter("state", "Live")
    expect(console.rows).to_have_count(0)
    former, last = Grant.objects.for_workspace(acme.workspace).order_by("granted_at")
    assert former.ended_at is not None
    assert (last.role, last.end_reason) == (GrantRole.MANAGER, "The project is over")
    assert last.ended_at is not None
