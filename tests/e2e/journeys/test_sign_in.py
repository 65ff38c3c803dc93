"""The door: the second factor set up and asked for, a recovery code in its place, and sessions one ends oneself."""

import re

from playwright.sync_api import expect

from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, Company
from tests.e2e.browsers import sign_in
from tests.e2e.journeys.conftest import OpenPage
from tests.e2e.journeys.console import Console
from workspace.models import AuditEvent, RecoveryCode, Session, TotpDevice


def test_an_owner_sets_up_a_second_factor_and_gets_in_by_code_and_by_recovery_code(
    acme: Company, console: Console, as_person: OpenPage
) -> None:
    page = console.page
    console.home()
    console.follow(page.get_by_role("link", name="Set it up now"))
    page.get_by_label("Your password").fill(PASSWORD)
    console.follow(page.get_by_role("button", name="Set up"))
    expect(page.get_by_role("img", name="QR code of the key below")).to_be_visible()
    app = Authenticator(page.locator("#key").inner_text())
    page.get_by_label("Code that the app shows").fill(app.wrong())
    console.follow(page.get_by_role("button", name="Confirm"))
    assert not TotpDevice.objects.filter(user=acme.owner, confirmed=True).exists()
    forget_used(acme.owner)
    page.get_by_label("Code that the app shows").fill(app.code())
    console.follow(page.get_by_role("button", name="Confirm"))
    codes = re.findall(r"\b[a-z2-9]{4}(?:-[a-z2-9]{4}){3}\b", page.locator("#codes").inner_text())
    assert len(codes) == RecoveryCode.objects.filter(user=acme.owner).count() == 10
    assert TotpDevice.objects.filter(user=acme.owner, confirmed=True).exists()
    forget_used(acme.owner)

    for code in (app.code(), codes[0]):
        again = as_person(None)
        sign_in(again.page, again.base)
        expect(again.page.get_by_role("heading", name="Enter your code")).to_be_visible()
        again.go("/admin/")
        expect(again.page.get_by_role("link", name="People", exact=True)).to_have_count(0)
        sign_in(again.page, again.base)
        again.page.get_by_label("Code").fill(code)
        again.follow(again.page.get_by_role("button", name="Sign in"))
        expect(again.page.get_by_role("link", name="People", exact=True)).to_be_visible()
    assert RecoveryCode.objects.filter(user=acme.owner, used_at=None).count() == 9

    spent = as_person(None)
    sign_in(spent.page, spent.base)
    spent.page.get_by_label("Code").fill(codes[0])
    spent.follow(spent.page.get_by_role("button", name="Sign in"))
    expect(spent.page.get_by_text("This code does not fit")).to_be_visible()


def test_a_person_ends_their_other_sessions(acme: Company, as_person: OpenPage) -> None:
    windows = [as_person(None), as_person(None)]
    for window in windows:
        sign_in(window.page, window.base)
        expect(window.page.get_by_role("link", name="People", exact=True)).to_be_visible()
    here, there = windows
    here.go("/profile/")
    here.follow(here.page.get_by_role("button", name="End all others"))
    expect(here.page.get_by_text("1 session has ended.")).to_be_visible()
    there.page.reload()
    expect(there.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert Session.objects.filter(user=acme.owner).count() == 1
    assert AuditEvent.objects.filter(workspace=acme.workspace, verb="session.ended").count() == 1


def test_a_wrong_password_and_a_stranger_are_told_the_same(acme: Company, as_person: OpenPage) -> None:
    told = []
    for email in (acme.owner.email, "nobody@acme.example"):
        window = as_person(None)
        sign_in(window.page, window.base, email, "not the password")
        told.append(window.page.get_by_role("alert").inner_text())
    assert told[0] == told[1] != ""
    assert not Session.objects.filter(user=acme.owner).exists()
