"""Verbs on rotation jobs: request, claim, move, retry, resolve. The table is the queue; the broker only wakes.

The worker is woken by task *name*, so that tasks → engine → jobs is no circle.
"""

import logging
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import KombuError

from rotation.models import RotationJob, RotationStep
from rotation.states import FINISHED, MOVES, JobState
from workspace import audit
from workspace.audit import Actor
from workspace.errors import Refused
from workspace.models import Account, Workspace

logger = logging.getLogger(__name__)

TASK: Final = "rotation.rotate"
WAKE_AT_ONCE: Final = 100
PRIVILEGED, ORDINARY = 0, 1


class LeaseLost(Exception):
    """Another worker holds the job now; whatever this one was doing, it changes nothing more."""


@dataclass
class Lease:
    """A job held by this worker, and the fence that proves it."""

    job: RotationJob
    fence: int


def request(workspace: Workspace, accounts: Iterable[Account], *, cause: str) -> list[UUID]:
    """Want these accounts rotated: the ids of their live jobs, old or new. Wakes the workers on commit.

    A fixed number of statements whatever the number of accounts.
    """
    wanted = list(accounts)
    with transaction.atomic():
        RotationJob.objects.bulk_create(
            (
                RotationJob(
                    workspace=workspace, account=account, cause=cause[:200],
                    priority=PRIVILEGED if account.is_privileged else ORDINARY,
                )
                for account in wanted
            ),
            ignore_conflicts=True,
        )  # fmt: skip
        live = RotationJob.objects.live().filter(account_id__in=[account.id for account in wanted])
        ids = list(live.order_by("priority", "requested_at").values_list("id", flat=True))
        wake_on_commit(ids)
    return ids


def wake_on_commit(job_ids: Iterable[UUID]) -> None:
    """Tell the workers once the transaction is through. What is not told here, the sweep tells."""
    first = list(job_ids)[:WAKE_AT_ONCE]
    if first:
        transaction.on_commit(lambda: _messenger().submit(_wake, first), robust=True)


def announce_due(*, limit: int = 500) -> int:
    """Wake the workers for every job that is due and that nobody was told of lately; how many."""
    now = timezone.now()
    quiet = Q(woken_at=None) | Q(woken_at__lt=now - timedelta(seconds=settings.WAKE_AGAIN_SECONDS))
    quiet |= Q(woken_at__lt=F("next_attempt_at"))
    with transaction.atomic():
        due = _due(now).filter(quiet).order_by("priority", "next_attempt_at")
        ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit])
        RotationJob.objects.filter(id__in=ids).update(woken_at=now)
    _wake(ids)
    return len(ids)


def claim(job_id: UUID, *, worker: str) -> Lease | None:
    """Hold a due job for this worker; None when it is finished, held by another, or not due."""
    now = timezone.now()
    claimed = _due(now).filter(pk=job_id).update(
        fence=F("fence") + 1, lease_until=_lease_end(now), leased_by=worker[:120], woken_at=now
    )  # fmt: skip
    if not claimed:
        return None
    job = RotationJob.objects.select_related("account__workspace", "account__admin_account", "candidate").get(
        pk=job_id
    )
    return Lease(job, job.fence)


@transaction.atomic
def move(lease: Lease, to: JobState, *, note: str = "", facts: dict[str, Any] | None = None, **changes: Any) -> None:
    """Put the job into its next state, if this worker still holds it. Raises LeaseLost.

    `facts` go into the step: see RotationStep. Whatever else belongs to the move is in the caller's transaction.
    """
    job, now = lease.job, timezone.now()
    _check_move(job.state, to)
    values = {"state": to, "lease_until": _lease_end(now), **changes}
    if not RotationJob.objects.filter(pk=job.pk, fence=lease.fence, state=job.state).update(**values):
        raise LeaseLost(f"{job.pk} fence {lease.fence}")
    _append(job, lease.fence, to, note, now, facts)
    for name, value in values.items():
        setattr(job, name, value)


def seize(job: RotationJob) -> Lease:
    """Take a job out of any worker's hands, for a person; the caller has locked its row."""
    fence = job.fence + 1
    RotationJob.objects.filter(pk=job.pk).update(fence=fence, next_attempt_at=timezone.now(), woken_at=None)
    job.fence = fence
    return Lease(job, fence)


def finish(lease: Lease, *, note: str = "", **changes: Any) -> None:
    """The job is done; its account may be rotated again."""
    move(
        lease, JobState.DONE, note=note, lease_until=None, finished_at=timezone.now(), failure_code="",
        failure_detail="", **changes,
    )  # fmt: skip


def resume(lease: Lease) -> None:
    """Take a job that waited back to where it stopped."""
    if lease.job.state == JobState.WAITING:
        move(lease, JobState(lease.job.resume_state), note="another attempt")


def wait(lease: Lease, *, code: str, detail: str, resume: JobState, at_least: float = 0) -> None:
    """Give the job back until its next attempt: full jitter, growing to 15 minutes, hourly after a day."""
    job = lease.job
    seconds = max(at_least, _delay(job.failures, timezone.now() - job.requested_at))
    move(
        lease, JobState.WAITING, note=f"{code}: {detail}", resume_state=resume, failures=job.failures + 1,
        failure_code=code, failure_detail=detail[:500], lease_until=None, leased_by="",
        next_attempt_at=timezone.now() + timedelta(seconds=seconds),
    )  # fmt: skip


def ask_human(lease: Lease, *, code: str, detail: str, resume: JobState) -> None:
    """Stop and put the job on a person's list. It stays live, since its candidate may be in force."""
    move(
        lease, JobState.NEEDS_HUMAN, note=f"{code}: {detail}", resume_state=resume, failure_code=code,
        failure_detail=detail[:500], lease_until=None, leased_by="",
    )  # fmt: skip


@transaction.atomic
def retry(job: RotationJob, *, actor: Actor) -> RotationJob:
    """Try again now. Raises Refused for a job that is finished or being worked on."""
    job = RotationJob.objects.select_for_update().select_related("account").get(pk=job.pk)
    now = timezone.now()
    if job.state not in {JobState.WAITING, JobState.NEEDS_HUMAN}:
        raise Refused(f"{job} is {job.get_state_display().lower()}; there is nothing to try again.")
    resume = job.resume_state or JobState.QUEUED
    RotationJob.objects.filter(pk=job.pk).update(
        state=JobState.WAITING, resume_state=resume, next_attempt_at=now, woken_at=None, failures=0
    )
    if job.state != JobState.WAITING:
        _append(job, job.fence, JobState.WAITING, "a person asked for another attempt", now)
    audit.record(job.workspace, "rotation.retried", job, actor=actor, account=str(job.account_id))
    wake_on_commit([job.pk])
    job.refresh_from_db()
    return job


def _due(now: datetime) -> Any:
    """Jobs a worker may take: live, on nobody's list, their time come, and held by nobody."""
    return RotationJob.objects.exclude(state__in=(*FINISHED, JobState.NEEDS_HUMAN)).filter(
        Q(lease_until=None) | Q(lease_until__lt=now), next_attempt_at__lte=now
    )


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)


def _check_move(origin: str, to: JobState) -> None:
    if to not in MOVES[JobState(origin)]:
        raise ValueError(f"A rotation never goes from {origin} to {to}.")


def _append(
    job: RotationJob, fence: int, to: JobState, note: str, now: datetime, facts: dict[str, Any] | None = None
) -> None:
    RotationStep.objects.create(
        workspace_id=job.workspace_id, job=job, fence=fence, from_state=job.state, to_state=to,
        note=note[:500], at=now, facts=facts or {},
    )  # fmt: skip


def _delay(failures: int, age: timedelta) -> float:
    """Seconds until the next attempt. Full jitter keeps many accounts of one target from coming back at once."""
    ceiling = 3600.0 if age > timedelta(days=1) else min(900.0, 5.0 * 2 ** min(failures, 10))
    return random.uniform(0, ceiling)  # noqa: S311  # spreads load, keeps no secret


@cache
def _messenger() -> ThreadPoolExecutor:
    """One thread beside the request, so that a broker that is slow or gone delays no answer."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="wake")


def _wake(job_ids: list[UUID]) -> None:
    try:
        for job_id in job_ids:
            current_app.send_task(TASK, args=[str(job_id)], retry=False)
    except (KombuError, OSError) as error:
        logger.warning("The broker did not take a wake-up; the sweep will repeat it: %s", type(error).__name__)
