"""Offboard: what would happen, the typed name, the passwords dying on a real server, and what an auditor is given."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from cerby.engines import Addresses
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome
from tests.companies import TESTS, Company
from tests.e2e.browsers import carry_session
from tests.e2e.journeys.console import Console
from tests.e2e.processes import SWEEP, WORKER, running
from tests.e2e.targets import Login, postgres_login
from workspace import access, accounts
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import User


@pytest.fixture
def login(acme: Company, addresses: Addresses) -> Login:
    """A role on a real PostgreSQL, which the member was given and looked at."""
    login = postgres_login(acme, acme.member, addresses, "reports")
    access.reveal(login.account, acme.member, actor=Actor.person(acme.member))
    return login


@pytest.fixture
def workers(log: Path, acme: Company) -> Iterator[None]:
    with running(WORKER, log), running(SWEEP, log):
        yield


@pytest.fixture
def busy_console(page: Page, acme: Company, live_server: LiveServer) -> Console:
    """Acme's Owner while the workers run, who also see to rival."""
    carry_session(page, live_server.url, acme)
    return Console(page, live_server.url)


def test_a_departure_is_foreseen_confirmed_watched_and_certified(
    acme: Company, login: Login, busy_console: Console, workers: None, tmp_path: Path
) -> None:
    console = busy_console
    accounts.create(acme.workspace, "Somebody else's", actor=TESTS, password=Secret("x" * 20), is_privileged=True)
    console.menu("People")
    console.open("member@acme.example")
    console.act("Offboard")
    foreseen = console.section("Passwords they could have known")
    expect(foreseen).to_contain_text("Changed by itself")
    expect(foreseen).to_contain_text("Needs a person")
    expect(foreseen).not_to_contain_text("Somebody else's")
    console.says("Waiting for a person: 1.")
    console.says("Take the app away there as well")
    console.fill("Type the userName to confirm", "somebody")
    console.press("Offboard")
    console.says("That is not this person's userName.")
    assert User.objects.get(pk=acme.member.pk).is_active
    console.fill("Type the userName to confirm", acme.member.user_name)
    console.fill("Cause", "Notice given on Friday")
    console.press("Offboard")
    console.heading("Offboarding of Member Person")

    rows = console.section("Passwords they could have known").locator("tbody tr")
    mine = rows.filter(has_text=login.account.name)
    expect(mine).to_contain_text("Password proved dead")
    console.says("1 of 2 passwords are dealt with.")
    assert not login.accepts(login.first)
    current = accounts.current_version(login.account)
    assert current is not None
    assert login.accepts(accounts.open_version(current))

    router = rows.filter(has_text="Router")
    expect(router).to_contain_text("Needs a person")
    console.follow(router.get_by_role("link").last)
    console.act("I changed it")
    console.fill("The password that is in force now", "changed-on-the-router-1")
    console.press("Use this password")
    console.menu("Offboardings")
    console.open("Member Person")
    console.heading("Closed with exceptions")
    console.says("1 changed and proved, 1 changed on a person's word")
    done = Offboarding.objects.get(workspace=acme.workspace)
    assert (done.cause, done.completed_at is not None) == ("Notice given on Friday", True)
    outcomes = Exposure.objects.filter(offboarding=done).values_list("account__name", "outcome")
    assert dict(outcomes) == {login.account.name: Outcome.PROVED_DEAD, "Router": Outcome.CHANGED_BY_HAND}

    console.act("Certificate")
    for words in ("Notice given on Friday", login.account.name, "rejected by the target", "On the word of"):
        console.says(words)
    console.page.go_back()
    file = console.download(console.page.get_by_role("link", name="Download certificate"))
    certificate = tmp_path / "member.certificate.json"
    certificate.write_bytes(file.read_bytes())
    said = io.StringIO()
    call_command("verify_certificate", str(certificate), "--format", "json", stdout=said)
    checked = json.loads(said.getvalue())
    assert (checked["valid"], checked["person"], checked["accounts"]) == (True, "member@acme.example", 2)


def test_somebody_is_offboarded_with_the_keyboard_alone_in_the_dark(acme: Company, console: Console) -> None:
    page = console.page
    page.emulate_media(color_scheme="dark")
    console.go("/admin/workspace/user/")
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Apply Filters")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Apply Filters")).to_be_hidden()
    reach(page, "Member Person")
    page.keyboard.press("Enter")
    expect(page.locator(".console-heading")).to_contain_text("Member Person")
    reach(page, "Offboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Offboard Member Person")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    reach(page, "Type the userName to confirm")
    page.keyboard.type(acme.member.user_name)
    page.keyboard.press("Tab")
    page.keyboard.type("By keyboard")
    reach(page, "Offboard")
    page.keyboard.press("Enter")
    console.heading("Offboarding of Member Person")
    done = Offboarding.objects.get(workspace=acme.workspace)
    assert (done.user_id, done.cause) == (acme.member.pk, "By keyboard")


def test_nobody_offboards_themselves_and_who_is_out_is_not_offboarded_twice(acme: Company, console: Console) -> None:
    console.go(f"/admin/workspace/user/{acme.owner.pk}/offboard/")
    console.says("You cannot offboard yourself. Ask another Owner.")
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    console.go(f"/admin/workspace/user/{acme.member.pk}/offboard/")
    console.says("This person is disabled already.")
    expect(console.content.get_by_role("button", name="Offboard")).to_have_count(0)
    assert Offboarding.objects.filter(workspace=acme.workspace).count() == 1


FOCUSED = """() => {
  const at = document.activeElement;
  return at.labels?.[0]?.innerText ?? at.getAttribute("aria-label") ?? at.innerText ?? "";
}"""


def reach(page: Page, words: str, *, within: int = 80) -> None:
    """Press Tab until what has the focus says these words, and shows that it has it."""
    for _ in range(within):
        page.keyboard.press("Tab")
        if words in [line.strip(" *") for line in str(page.evaluate(FOCUSED)).splitlines()]:
            ring = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert ring != "none", f"“{words}” does not show that it has the focus"
            return
    raise AssertionError(f"“{words}” is not reached by Tab")
