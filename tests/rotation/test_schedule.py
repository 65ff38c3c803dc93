"""Rotations on a schedule: the age of a password, and the hours in which they may begin."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from rotation import jobs, schedule
from rotation.models import RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import Server
from tests.rotation.running import run
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import Account, SecretVersion, Workspace

pytestmark = pytest.mark.django_db


def every(account: Account, days: int | None, *, aged: float) -> None:
    """An account on a schedule whose password is `aged` days old."""
    Account.objects.filter(pk=account.pk).update(rotate_every_days=days)
    at = timezone.now() - timedelta(days=aged)
    SecretVersion.objects.current().filter(account=account).update(visible_from=at)


@pytest.mark.parametrize(("days", "aged", "begun"), [(30, 30.1, 1), (30, 29.9, 0), (None, 400, 0), (1, 400, 1)])
def test_a_password_is_changed_when_it_is_old_enough(
    acme: Company, rival: Company, server: Server, days: int | None, aged: float, begun: int
) -> None:
    every(acme.account, days, aged=aged)
    every(rival.account, None, aged=aged)
    assert schedule.begin_due() == begun
    assert RotationJob.objects.count() == begun


def test_a_scheduled_rotation_is_begun_once_and_starts_the_age_anew(acme: Company, server: Server) -> None:
    every(acme.account, 30, aged=31)
    assert (schedule.begin_due(), schedule.begin_due()) == (1, 0)
    job = RotationJob.objects.get()
    assert (job.cause, job.priority) == ("Its password reached its age", jobs.ROUTINE)
    assert run(job).state == JobState.DONE
    assert schedule.begin_due() == 0


def test_an_archived_account_and_one_without_a_password_are_left_alone(acme: Company) -> None:
    every(acme.account, 1, aged=9)
    Account.objects.filter(pk=acme.account.pk).update(archived_at=timezone.now())
    accounts.create(acme.workspace, "Empty", actor=TESTS, rotate_every_days=1)
    assert schedule.begin_due() == 0


@pytest.mark.parametrize(
    ("first", "last", "zone", "hour", "is_open"),
    [
        (0, 0, "UTC", 13, True), (2, 5, "UTC", 2, True), (2, 5, "UTC", 5, False), (2, 5, "UTC", 1, False),
        (22, 4, "UTC", 23, True), (22, 4, "UTC", 3, True), (22, 4, "UTC", 4, False), (22, 4, "UTC", 12, False),
        (2, 5, "America/New_York", 8, True), (2, 5, "America/New_York", 3, False), (8, 9, "Asia/Kolkata", 3, True),
    ],
)  # fmt: skip
def test_a_window_is_hours_of_the_workspaces_own_time(
    first: int, last: int, zone: str, hour: int, is_open: bool
) -> None:
    workspace = Workspace(time_zone=zone, rotation_window_from=first, rotation_window_until=last)
    assert schedule.is_open(workspace, datetime(2026, 1, 15, hour, 10, tzinfo=UTC)) is is_open


def test_outside_its_window_nothing_begins(acme: Company, rival: Company) -> None:
    hour = timezone.now().hour
    for company in (acme, rival):
        every(company.account, 1, aged=9)
    acme.workspace.rotation_window_from, acme.workspace.rotation_window_until = (hour + 2) % 24, (hour + 4) % 24
    acme.workspace.save()
    assert schedule.begin_due() == 1
    assert RotationJob.objects.get().account == rival.account


def test_many_are_begun_some_at_a_time(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "AT_ONCE", 2)
    for number in range(3):
        every(accounts.create(acme.workspace, f"A{number}", actor=TESTS, password=Secret("x")), 1, aged=2)
    assert (schedule.begin_due(), schedule.begin_due(), schedule.begin_due()) == (2, 1, 0)


def test_on_demand_is_asked_for_once(acme: Company, server: Server) -> None:
    first = jobs.on_demand(acme.account, actor=TESTS, cause="A person asked for it")
    again = jobs.on_demand(acme.account, actor=TESTS, cause="A person asked for it")
    assert first == again
    assert run(first).state == JobState.DONE
