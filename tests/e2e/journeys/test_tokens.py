"""SCIM tokens: issued with a proof, copied, regenerated with an overlap, revoked; each tried over SCIM itself."""

import re
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from demo.okta import OktaTenant, Person
from demo.scim_client import OktaError
from scim import switch_off
from scim.models import ScimToken, Scope, SwitchOff, TokenClaim
from tests.companies import PASSWORD, Company
from tests.e2e.journeys.console import Console
from tests.terminal import run
from workspace.models import User


def works(live_server: LiveServer, secret: str) -> bool:
    """Whether Okta's connection test passes with this token."""
    try:
        with OktaTenant(f"{live_server.url}/scim/v2/", secret) as okta:
            okta.connection_test()
    except OktaError as error:
        if error.status != HTTPStatus.UNAUTHORIZED:
            raise
        return False
    return True


def copied(console: Console) -> str:
    """What the button puts on the clipboard, which is what the page shows."""
    console.content.get_by_role("button", name="Copy").click()
    expect(console.content.get_by_role("button", name="Copied")).to_be_visible()
    text: str = console.page.evaluate("navigator.clipboard.readText()")
    assert text == console.content.get_by_label("API token").input_value()
    return text


def test_a_token_is_issued_copied_renewed_and_revoked(acme: Company, console: Console, live_server: LiveServer) -> None:
    page = console.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    console.menu("SCIM tokens")
    console.add()
    console.fill("Label", "Okta production")
    console.press("Issue token")
    console.says("This field is required.")  # nobody issues a token from a browser that was left open
    console.fill("Your password", "a wrong guess")
    console.press("Issue token")
    console.says("This is not your password.")
    assert not ScimToken.objects.filter(label="Okta production").exists()
    console.fill("Your password", PASSWORD)
    console.press("Issue token")
    first = copied(console)
    assert re.fullmatch(r"cerby_scim_\w{48}", first)
    assert works(live_server, first)

    console.follow(console.content.get_by_role("link", name="Done"))
    assert first not in page.content()
    console.act("Regenerate")
    console.fill("The old token works for", "2")
    console.press("Regenerate token")
    second = copied(console)
    assert works(live_server, first)
    assert works(live_server, second)
    old, new = ScimToken.objects.filter(label="Okta production").order_by("created_at")
    assert (old.replaced_by, new.revoked_at) == (new, None)
    assert timedelta(hours=1, minutes=50) < old.expires_at - timezone.now() <= timedelta(hours=2)

    for token, name in ((old, "Ending, replaced"), (new, "Valid")):
        console.go(f"/admin/scim/scimtoken/{token.pk}/change/")
        console.heading(name)
        console.act("Revoke")
        console.press("Revoke token")
        console.heading("Revoked")
    assert not works(live_server, first)
    assert not works(live_server, second)
    assert not ScimToken.objects.filter(label="Okta production", revoked_at=None).exists()
    assert works(live_server, acme.scim_token)


def test_a_leaked_token_is_replaced_at_once(acme: Company, console: Console, live_server: LiveServer) -> None:
    console.menu("SCIM tokens")
    console.open("Okta")
    console.act("Regenerate")
    console.fill("The old token works for", "0")
    console.fill("Your password", PASSWORD)
    console.press("Regenerate token")
    console.says("The old token works no more.")
    assert works(live_server, console.content.get_by_label("API token").input_value())
    assert not works(live_server, acme.scim_token)
    old, new = ScimToken.objects.for_workspace(acme.workspace).order_by("created_at")
    assert (old.is_valid, new.is_valid) == (False, True)


def test_an_owner_takes_the_token_that_support_prepared(
    acme: Company, console: Console, live_server: LiveServer
) -> None:
    page = console.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    ask = ("regenerate_scim_token", "acme", "Okta", "--owner", acme.owner.email)
    assert run(*ask).data["done"] == "code mailed"
    told = re.search(r"(\d{4}) (\d{4})", str(mail.outbox[-1].body))
    assert told is not None
    done = run(*ask, "--code", told[0], "--overlap-hours", "3")
    link = str(done.data["claim_at"])
    assert link in str(mail.outbox[-1].body)

    console.go(link[link.index("/admin/") :])
    console.says("The old one works for 3 more hours.")
    console.fill("Your password", PASSWORD)
    console.press("Show the new token")
    secret = copied(console)
    assert secret not in done.out
    assert works(live_server, secret)
    assert works(live_server, acme.scim_token)
    assert TokenClaim.objects.get().claimed_at is not None


def test_provisioning_is_switched_off_and_the_people_go_on_as_local(
    acme: Company, console: Console, okta: OktaTenant, live_server: LiveServer
) -> None:
    okta.assign(Person("ada@acme.example", "Ada", "Byron"))
    console.menu("SCIM tokens")
    console.act("Switch provisioning off")
    console.page.get_by_label("What becomes of the people").select_option("convert")
    console.fill("Type the workspace's name", "Rival")
    console.fill("Your password", PASSWORD)
    console.press("Switch provisioning off")
    console.says("That is not this workspace's name.")
    assert works(live_server, acme.scim_token)
    console.fill("Type the workspace's name", "Acme")
    console.press("Switch provisioning off")
    console.heading("Under way")
    assert not works(live_server, acme.scim_token)
    switch_off.work(SwitchOff.objects.get(workspace=acme.workspace).pk)
    console.heading("Done")  # by itself
    person = User.objects.get(workspace=acme.workspace, user_name="ada@acme.example")
    assert (person.is_active, person.provisioned_at) == (True, None)
    console.go(f"/admin/workspace/user/{person.pk}/change/")
    console.act("Edit")


def test_a_token_for_looking_only_reads_and_is_refused_a_change_in_words_that_help(
    acme: Company, console: Console, live_server: LiveServer
) -> None:
    console.menu("SCIM tokens")
    console.add()
    console.fill("Label", "Audit tool")
    console.content.get_by_label("Scope").select_option(Scope.READ)
    console.fill("Your password", PASSWORD)
    console.press("Issue token")
    secret = console.content.get_by_label("API token").input_value()
    assert works(live_server, secret)
    with OktaTenant(f"{live_server.url}/scim/v2/", secret) as okta, pytest.raises(OktaError) as refused:
        okta.assign(Person("ada@acme.example", "Ada", "Pushed"))
    assert refused.value.status == HTTPStatus.FORBIDDEN
    assert not User.objects.filter(user_name="ada@acme.example").exists()
    console.home()
    console.follow(console.figure("Refused in 14 days"))
    console.open("Refused")
    console.says(refused.value.detail)
