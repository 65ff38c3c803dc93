"""When a rotation that waits is tried again, when its target is, and when a person is told."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from rotation import jobs, targets
from rotation.models import RotationJob, TargetHealth
from rotation.states import JobState
from tests.companies import Company
from tests.rotation.model_target import Server
from tests.rotation.running import assert_proved, current_password, run, run_when_due
from workspace.models import Notice

pytestmark = pytest.mark.django_db


def notices_of(job: RotationJob) -> int:
    return Notice.objects.open().filter(kind=Notice.Kind.ROTATION_NEEDS_HUMAN, subject_id=job.pk).count()


def test_a_locked_login_is_left_alone_for_a_while(acme: Company, server: Server, job: RotationJob) -> None:
    server.locked = server.says_locked = True
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "locked")
    assert job.next_attempt_at > timezone.now() + timedelta(minutes=10)
    server.locked = False
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


def test_how_long_a_busy_target_asks_for_is_waited(acme: Company, server: Server, job: RotationJob) -> None:
    server.down, server.retry_after, begun = True, 700, timezone.now()
    run(job)
    assert timedelta(seconds=700) <= job.next_attempt_at - begun
    assert job.next_attempt_at - timezone.now() < timedelta(seconds=900)
    server.retry_after = 10_000_000
    RotationJob.objects.filter(pk=job.pk).update(failures=0)
    TargetHealth.objects.all().delete()
    run_when_due(job)
    assert job.next_attempt_at - timezone.now() <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("failures", "age", "longest"),
    [(0, 0, 5), (1, 0, 10), (2, 0, 20), (7, 0, 640), (8, 0, 900), (5000, 23, 900), (0, 25, 3600), (5000, 25, 3600)],
)
def test_the_next_attempt_is_at_any_time_within_what_grows_to_15_minutes_and_an_hour_after_a_day(
    server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch, failures: int, age: int, longest: float
) -> None:
    """Full jitter: accounts that failed together do not come back together."""
    monkeypatch.setattr(targets, "OPENS_AFTER", 10_000)
    server.down, waited, now = True, [], timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for part in (0.0, 0.25, 1.0):
        monkeypatch.setattr(random, "uniform", lambda low, high, part=part: low + (high - low) * part)
        wanted = timezone.now() - timedelta(hours=age)
        RotationJob.objects.filter(pk=job.pk).update(failures=failures, requested_at=wanted)
        assert run_when_due(job).state == JobState.WAITING
        waited.append((job.next_attempt_at - job.steps.latest("at").at).total_seconds())
    assert waited == pytest.approx([0, longest / 4, longest], abs=1)


@pytest.mark.parametrize(("hours", "longest"), [(0, 60), (23, 60), (25, 900)])
def test_a_target_that_is_away_is_tried_each_minute_and_after_a_day_each_quarter_of_an_hour(
    acme: Company, server: Server, job: RotationJob, hours: int, longest: float
) -> None:
    server.down = True
    TargetHealth.objects.create(
        workspace=acme.workspace, key=job.target, failures=9, opened_at=timezone.now() - timedelta(hours=hours),
        probe_at=(begun := timezone.now()),
    )  # fmt: skip
    run(job)
    probe_at = TargetHealth.objects.get().probe_at
    assert probe_at is not None
    assert begun + timedelta(seconds=longest / 2) <= probe_at <= timezone.now() + timedelta(seconds=longest)


def test_a_person_is_asked_beside_retries_that_go_on(acme: Company, server: Server, job: RotationJob) -> None:
    server.keeps_old = True
    for _ in range(jobs.FAILURES_UNTIL_ASKED):
        assert run_when_due(job).state == JobState.WAITING
        assert job.asked_at is None or job.failures == jobs.FAILURES_UNTIL_ASKED
    assert notices_of(job) == 1
    server.accepted = {current_password(acme.account)}
    assert run_when_due(job).state == JobState.DONE
    assert notices_of(job) == 0
