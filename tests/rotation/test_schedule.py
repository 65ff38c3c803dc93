"""Rotations on a schedule: the age of a password, and the hours in which they may begin."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation import jobs, schedule, wanted
from rotation.models import RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.rotation.model_target import Server
from tests.rotation.running import run
from tests.workspace.test_admin_acts import page, post
from workspace import accounts, tenancy
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, AuditEvent, SecretVersion, Workspace

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
    assert (job.cause, job.priority) == ("Its password reached its age", wanted.ROUTINE)
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


def test_privileged_accounts_follow_the_workspace_where_they_say_nothing_themselves(
    acme: Company, rival: Company
) -> None:
    """Router is privileged, the newsletter is not, and the safe has an interval of its own."""
    for name, own, privileged in (("Newsletter", None, False), ("Safe", 365, True), ("Never", 0, True)):
        account = accounts.create(
            acme.workspace, name, actor=TESTS, password=Secret("x"), is_privileged=privileged
        )
        every(account, own, aged=91)
    for company in (acme, rival):
        every(company.account, None, aged=91)
    assert schedule.begin_due() == 0
    Workspace.objects.filter(pk=acme.workspace.pk).update(rotate_every_days=90)
    assert schedule.begin_due() == 1
    assert RotationJob.objects.get().account == acme.account


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "America"])
def test_a_zone_that_nobody_knows_stops_no_schedule(acme: Company, rival: Company, zone: str) -> None:
    Workspace.objects.filter(pk=acme.workspace.pk).update(time_zone=zone)
    for company in (acme, rival):
        every(company.account, 1, aged=9)
    assert schedule.begin_due() == 2


# What an Owner sets

WANTED = {
    "time_zone": "Asia/Kolkata", "rotation_window_from": 22, "rotation_window_until": 4, "rotate_every_days": 90,
    "verify_every_hours": 12,
}  # fmt: skip


def test_an_owner_sets_the_schedule(acme: Company, rival: Company) -> None:
    shown = post(acme.browser(), page(acme.workspace, "schedule"), **WANTED)
    assert "privileged accounts every 90 days, from 22:00 to 4:00, Asia/Kolkata" in shown
    acme.workspace.refresh_from_db()
    assert {name: getattr(acme.workspace, name) for name in WANTED} == WANTED
    assert AuditEvent.objects.get(verb="workspace.configured").detail == WANTED
    post(acme.browser(), page(acme.workspace, "schedule"), **{**WANTED, "rotate_every_days": ""})
    assert Workspace.objects.get(pk=acme.workspace.pk).rotate_every_days is None
    assert Workspace.objects.get(pk=rival.workspace.pk).time_zone == "UTC"


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"}, {"time_zone": ""}, {"rotation_window_from": 24}, {"rotation_window_until": -1},
        {"rotate_every_days": 0}, {"verify_every_hours": -1},
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_refused_by_the_page_and_by_the_verb(
    acme: Company, wrong: dict[str, Any]
) -> None:
    post(acme.browser(), page(acme.workspace, "schedule"), **{**WANTED, **wrong})
    with pytest.raises(Invalid):
        tenancy.schedule(acme.workspace, actor=TESTS, **{**WANTED, **wrong})
    assert Workspace.objects.get(pk=acme.workspace.pk).time_zone == "UTC"


def test_a_stored_zone_that_nobody_knows_is_said_and_mended(acme: Company) -> None:
    Workspace.objects.filter(pk=acme.workspace.pk).update(time_zone="Mars/Olympus")
    assert "“Mars/Olympus” is not known here" in text_of(acme.browser(), page(acme.workspace))
    post(acme.browser(), page(acme.workspace, "schedule"), **WANTED)
    assert "Mars/Olympus” is not known" not in text_of(acme.browser(), page(acme.workspace))
