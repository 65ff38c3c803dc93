"""An Owner's day in the console, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from rotation.models import Offboarding
from scim.models import ScimToken
from tests.companies import Company
from tests.e2e.browsers import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

def test_an_owner_offboards_somebody_and_issues_and_revokes_a_token(
    acme: Company, rival: Company, live_server: LiveServer, browser_page: Page
) -> None:
    page = browser_page
    sign_in(page, live_server.url)
    expect(page.get_by_role("heading", name="Departures").first).to_be_visible()
    offboard(page, acme)
    token_issued_and_revoked(page)


def offboard(page: Page, acme: Company) -> None:
    page.get_by_role("link", name="People", exact=False).first.click()
    expect(page.locator("#result_list")).to_contain_text("member@acme.example")
    expect(page.locator("#result_list")).not_to_contain_text("rival")
    page.get_by_role("link", name=re.compile("^Member Person")).click()
    page.locator("a[href$='/offboard/']").click()
    expect(page.locator("#content-main")).to_contain_text("Router")

    page.get_by_label("Type the userName to confirm").fill("somebody")
    page.get_by_role("button", name="Offboard").click()
    expect(page.locator("#content-main")).to_contain_text("not this person's userName")
    page.get_by_label("Type the userName to confirm").fill(acme.member.user_name)
    page.get_by_role("button", name="Offboard").click()

    expect(page.locator(".console-heading")).to_contain_text("Offboarding of Member Person")
    expect(page.locator("#content-main")).to_contain_text("Router")
    assert Offboarding.objects.get().user_id == acme.member.pk


def token_issued_and_revoked(page: Page) -> None:
    page.get_by_role("link", name="SCIM tokens").click()
    page.locator("a.addlink").click()
    page.get_by_label("Label").fill("Okta production")
    page.get_by_role("button", name="Issue token").click()
    secret = page.get_by_label("API token").input_value()
    assert re.fullmatch(r"cerby_scim_\w{48}", secret)

    page.get_by_role("link", name="Done").click()
    assert secret not in page.content()
    page.get_by_role("link", name="Regenerate").click()
    page.get_by_label("The old token works for").fill("2")
    page.get_by_role("button", name="Regenerate token").click()
    assert page.get_by_label("API token").input_value() != secret
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.locator(".console-heading")).to_contain_text("Revoked")
    former = ScimToken.objects.get(label="Okta production", replaced_by__isnull=False)
    assert (former.is_valid, former.replaced_by and former.replaced_by.revoked_at is not None) == (True, True)


def test_choosing_a_connector_shows_its_settings_and_a_search_finds_a_team(
    acme: Company, live_server: LiveServer, browser_page: Page
) -> None:
    page = browser_page
    sign_in(page, live_server.url)
    page.goto(f"{live_server.url}/admin/workspace/account/add/")
    host = page.locator("[name=postgres__host]")
    expect(host).to_be_hidden()
    page.get_by_label("How the password is changed").select_option("postgres")
    expect(host).to_be_visible()
    page.get_by_label("Name", exact=False).first.fill("Reporting")
    page.get_by_label("User name").fill("report")
    host.fill("db.acme.example")
    page.get_by_role("button", name="Add account").click()
    page.get_by_label("Password").first.fill("typed-into-the-browser")
    page.get_by_role("button", name="Seal password").click()

    page.get_by_role("link", name="Grant access").click()
    page.locator(".select2-container").first.click()
    page.locator(".select2-search__field").fill("oper")
    page.get_by_role("option", name="Operations").click()
    page.get_by_role("button", name="Grant access").click()
    expect(page.locator("#content-main")).to_contain_text("Operations")
    assert "typed-into-the-browser" not in page.content()
    assert acme.team.grants.filter(account__name="Reporting", ended_at=None).count() == 1
