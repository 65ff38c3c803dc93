"""Who works on what: the order of the due jobs, the lease on one, and how many may run on a target at a time.

Most exposed first: privileged accounts, then those that more people could have known, then what was wanted first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from rotation import targets
from rotation.models import RotationJob, RotationJobQuerySet, TargetHealth
from rotation.states import FINISHED, JobState

ORDER: Final = ("priority", "-exposures", "requested_at")
TRIES: Final = 5

# Targets on which as many jobs run as may, and those whose breaker is open and not to be tried yet.
_CLOSED: Final = """
SELECT workspace_id, target FROM rotation_rotationjob
 WHERE lease_until >= %(now)s AND target <> '' GROUP BY workspace_id, target HAVING count(*) >= %(limit)s
UNION
SELECT workspace_id, key FROM rotation_targethealth WHERE opened_at IS NOT NULL AND probe_at > %(now)s
"""


@dataclass
class Lease:
    """A job held by this worker, and the fence that proves it."""

    job: RotationJob
    fence: int


def claim(job_id: UUID, *, worker: str) -> Lease | None:
    """Hold a due job for this worker; None when it is finished, held by another, not due, or its target is not free."""
    return _claim(Q(pk=job_id), worker)


def claim_next(*, worker: str) -> Lease | None:
    """Hold the most urgent due job whose target is free; None when there is none."""
    return _claim(Q(), worker)


def due(now: datetime) -> RotationJobQuerySet:
    """Jobs a worker may take: live, on nobody's list, their time come, and held by nobody."""
    return RotationJob.objects.exclude(state__in=(*FINISHED, JobState.NEEDS_HUMAN)).filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        Q(held_until=None) | Q(held_until__lte=now),
        next_attempt_at__lte=now,
    )


def free(now: datetime) -> RotationJobQuerySet:
    """Those of the due jobs whose targets are free."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSED, {"now": now, "limit": settings.TARGET_CONCURRENCY})
        closed = cursor.fetchall()
    found = due(now)
    for workspace, target in closed:
        found = found.exclude(workspace_id=workspace, target=target)
    return found


def lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)


def _claim(wanted: Q, worker: str) -> Lease | None:
    for _ in range(TRIES):
        now = timezone.now()
        with transaction.atomic():
            rows = free(now).filter(wanted).order_by(*ORDER).select_for_update(skip_locked=True, of=("self",))
            job = rows.select_related("account__workspace", "account__admin_account", "candidate").first()
            if job is None:
                return None
            if _admitted(job, now):
                return _lease(job, now, worker)
    return None


def _admitted(job: RotationJob, now: datetime) -> bool:
    """Whether one more may run on the job's target. Claims on one target take turns until their end.

    An account may have been pointed elsewhere since the job was wanted; then it is looked at anew under its new key.
    """
    key = targets.key_of(job.account)
    if key != job.target:
        RotationJob.objects.filter(pk=job.pk).update(target=key)
        return False
    if not key:
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{job.workspace_id}/{key}"])
    running = RotationJob.objects.filter(workspace_id=job.workspace_id, target=key, lease_until__gte=now)
    if running.count() >= settings.TARGET_CONCURRENCY:
        return False
    return _may_probe(job, key, now)


def _may_probe(job: RotationJob, key: str, now: datetime) -> bool:
    """With the breaker open one job may try; for as long as its lease lasts no other does."""
    open_breaker = TargetHealth.objects.filter(workspace_id=job.workspace_id, key=key, opened_at__isnull=False)
    if not open_breaker.exists():
        return True
    return bool(open_breaker.filter(probe_at__lte=now).update(probe_at=lease_end(now)))


def _lease(job: RotationJob, now: datetime, worker: str) -> Lease:
    job.fence, job.lease_until, job.leased_by, job.woken_at = job.fence + 1, lease_end(now), worker[:120], now
    RotationJob.objects.filter(pk=job.pk).update(
        fence=F("fence") + 1, lease_until=job.lease_until, leased_by=job.leased_by, woken_at=now
    )
    return Lease(job, job.fence)
