"""Rotations that wait for a person: looked at, tried again, and answered with the password that was set by hand."""

from datetime import timedelta

import psycopg
from django.utils import timezone
from playwright.sync_api import expect
from psycopg import sql

from cerby.engines import Addresses
from rotation import verification
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import Company
from tests.console_world import needs_person
from tests.e2e.journeys.console import Console
from tests.e2e.targets import postgres_login
from tests.rotation.leaving import leave
from workspace import accounts
from workspace.models import RotationPolicy, Workspace


def test_a_rotation_is_tried_again_and_then_answered_by_hand(acme: Company, console: Console) -> None:
    leave(acme.member)
    job = needs_person(acme)
    console.home()
    console.follow(console.figure("Need a person"))
    console.open("Router")
    console.heading("Needs a person")
    console.says("This login is changed by hand.")
    expect(console.section("Steps").locator("tbody tr")).to_have_count(job.steps.count())
    console.act("Try again")
    console.press("Try again")
    console.heading("Waiting to try again")
    job.refresh_from_db()
    assert (job.state, job.next_attempt_at <= timezone.now()) == (JobState.WAITING, True)

    needs_person(acme)
    console.page.reload()
    console.act("I changed it")
    console.fill("The password that is in force now", acme.account_password.reveal())
    console.press("Use this password")
    console.says("This account had that password before.")
    console.fill("The password that is in force now", "set-on-the-router-1")
    console.press("Use this password")
    console.heading("Done")
    assert "set-on-the-router-1" not in console.page.content()
    current = accounts.current_version(acme.account)
    assert current is not None
    assert accounts.open_version(current).reveal() == "set-on-the-router-1"
    exposure = Exposure.objects.get(offboarding__user=acme.member)
    assert (exposure.outcome, exposure.closed_by_id) == (Outcome.CHANGED_BY_HAND, job.pk)


def test_a_workspace_that_rotates_nothing_on_a_departure_says_so_before_and_after(
    acme: Company, console: Console
) -> None:
    console.menu("Workspace")
    console.open("Acme")
    console.act("Settings")
    console.content.get_by_label("A departure rotates").select_option(RotationPolicy.NONE.value)
    console.press("Save")
    assert Workspace.objects.get(pk=acme.workspace.pk).rotation_policy == RotationPolicy.NONE
    console.go(f"/admin/workspace/user/{acme.member.pk}/offboard/")
    console.says("Stays: workspace policy")
    console.fill("Type the userName to confirm", acme.member.user_name)
    console.press("Offboard")
    console.heading("Closed with exceptions")
    console.says("none changed, 1 left as it is")
    assert Offboarding.objects.get(workspace=acme.workspace).completed_at is not None
    assert not RotationJob.objects.for_workspace(acme.workspace).exists()


def test_a_risk_is_accepted_until_a_day_and_taken_back(acme: Company, console: Console) -> None:
    leave(acme.member)
    job = needs_person(acme)
    console.go(f"/admin/rotation/rotationjob/{job.pk}/change/")
    console.act("Accept the risk")
    last = timezone.now() + timedelta(days=30)
    console.fill("Accepted until the end of", last.strftime("%Y-%m-%d"))
    console.fill("Reason", "The router is replaced in spring")
    console.fill("Type the account's name to confirm", "Switch")
    console.press("Accept the risk")
    console.says("Type “Router” to confirm.")
    exposure = Exposure.objects.get(offboarding__user=acme.member)
    assert exposure.closed_at is None
    console.fill("Type the account's name to confirm", "Router")
    console.press("Accept the risk")
    console.says("The router is replaced in spring")
    exposure.refresh_from_db()
    assert (exposure.outcome, exposure.accepted_reason) == (
        Outcome.RISK_ACCEPTED, "The router is replaced in spring"
    )  # fmt: skip
    console.act("Withdraw acceptance")
    console.press("Withdraw")
    exposure.refresh_from_db()
    assert exposure.closed_at is None
    console.menu("Exposures")
    console.filter("state", "Open")
    expect(console.row("Member Person")).to_have_count(1)


def test_a_password_is_changed_now_and_one_that_somebody_changed_is_adopted(
    acme: Company, console: Console, addresses: Addresses
) -> None:
    login = postgres_login(acme, acme.member, addresses, "drifting")
    console.menu("Accounts")
    console.open(login.account.name)
    console.act("Check now")
    console.press("Check now")
    assert verification.check(login.account).drifted_at is None
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as server:
        changed = sql.SQL("ALTER ROLE {} PASSWORD {}")
        server.execute(changed.format(sql.Identifier(login.account.username), "changed-behind-our-back-1"))
    assert verification.check(login.account).drifted_at is not None
    console.page.reload()
    console.says(verification.DRIFTED)
    console.act("Adopt")
    console.fill("The password that is in force", "changed-behind-our-back-1")
    console.press("Adopt")
    assert verification.check(login.account).drifted_at is None
    current = accounts.current_version(login.account)
    assert current is not None
    assert accounts.open_version(current).reveal() == "changed-behind-our-back-1"

    console.act("Rotate now")
    console.fill("Reason", "Seen on a whiteboard")
    console.press("Rotate now")
    console.heading("Rotation of")
    assert RotationJob.objects.get(account=login.account).cause == "On demand: Seen on a whiteboard"
