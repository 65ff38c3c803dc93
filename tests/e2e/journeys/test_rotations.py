"""Rotations that wait for a person: looked at, tried again, and answered with the password that was set by hand."""

from django.utils import timezone
from playwright.sync_api import expect

from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import Company
from tests.console_world import needs_person
from tests.e2e.journeys.console import Console
from tests.rotation.departures import leave
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
    console.heading("Complete")
    assert Offboarding.objects.get(workspace=acme.workspace).completed_at is not None
    assert not RotationJob.objects.for_workspace(acme.workspace).exists()
