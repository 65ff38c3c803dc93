"""Who works on what: the order of the due jobs, the lease on one, and how many may run on a target at a time.

Most exposed first: privileged accounts, then those that more people could have known, then what was wanted first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from rotation import targets
from rotation.models import RotationJob, RotationJobQuerySet, TargetHealth
from rotation.states import FINISHED, JobState
from workspace import statements
from workspace.models import Account, SecretVersion, Workspace

Row = TypeVar("Row", bound=models.Model)

ORDER: Final = ("priority", "-exposures", "requested_at")
TRIES: Final = 5

# Targets on which as many jobs run as may, and those whose breaker is open and not to be tried yet.
_CLOSED: Final = """
SELECT workspace_id, target FROM rotation_rotationjob
 WHERE lease_until >= %(now)s AND target <> '' GROUP BY workspace_id, target HAVING count(*) >= %(limit)s
UNION
SELECT workspace_id, key FROM rotation_targethealth WHERE opened_at IS NOT NULL AND probe_at > %(now)s
"""


_RUNNING: Final = """
SELECT count(*) FROM rotation_rotationjob WHERE workspace_id = %s AND target = %s AND lease_until >= %s
"""
_BREAKER: Final = "SELECT 1 FROM rotation_targethealth WHERE workspace_id = %s AND key = %s AND opened_at IS NOT NULL"


@dataclass
class Lease:
    """A job held by this worker, and the fence that proves it."""

    job: RotationJob
    fence: int


def claim(job_id: UUID, *, worker: str) -> Lease | None:
    """Hold a due job for this worker; None when it is finished, held by another, not due, or its target is not free."""
    return _claim(job_id, worker)


def claim_next(*, worker: str) -> Lease | None:
    """Hold the most urgent due job whose target is free; None when there is none."""
    return _claim(None, worker)


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


# The most urgent of `free`, or one of them by its id.
_NEXT: Final = f"""
WHERE NOT (t.state IN ('done', 'cancelled', 'needs_human')) AND t.next_attempt_at <= %(now)s
  AND (t.lease_until IS NULL OR t.lease_until < %(now)s) AND (t.held_until IS NULL OR t.held_until <= %(now)s)
  AND (%(job)s::uuid IS NULL OR t.id = %(job)s)
  AND (t.workspace_id, t.target) NOT IN ({_CLOSED})
ORDER BY t.priority, t.exposures DESC, t.requested_at LIMIT 1 FOR UPDATE OF t SKIP LOCKED
"""  # constants


def _claim(wanted: UUID | None, worker: str) -> Lease | None:
    for _ in range(TRIES):
        now = timezone.now()
        values = {"now": now, "job": wanted, "limit": settings.TARGET_CONCURRENCY}
        with transaction.atomic():
            job = statements.one(RotationJob, _NEXT, values)
            if job is None:
                return None
            _complete(job)
            if _admitted(job, now):
                return _lease(job, now, worker)
    return None


def _complete(job: RotationJob) -> None:
    """Put on a job what a worker reads of its rows."""
    account = _row(Account, job.account_id)
    workspace = _row(Workspace, job.workspace_id)
    account.workspace = job.workspace = workspace
    account.admin_account = _row(Account, account.admin_account_id) if account.admin_account_id else None
    if account.admin_account is not None:
        account.admin_account.workspace = workspace
    job.account = account
    job.candidate = _row(SecretVersion, job.candidate_id) if job.candidate_id else None


def _row(model: type[Row], pk: UUID) -> Row:
    found = statements.one(model, "WHERE t.id = %s", [pk])
    if found is None:
        raise ObjectDoesNotExist(f"{model.__name__} {pk}")
    return found


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
    statements.run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{job.workspace_id}/{key}"])
    running = statements.first(_RUNNING, [job.workspace_id, key, now])
    if running is not None and running[0] >= settings.TARGET_CONCURRENCY:
        return False
    return _may_probe(job, key, now)


def _may_probe(job: RotationJob, key: str, now: datetime) -> bool:
    """With the breaker open one job may try; for as long as its lease lasts no other does."""
    if statements.first(_BREAKER, [job.workspace_id, key]) is None:
        return True
    open_breaker = TargetHealth.objects.filter(workspace_id=job.workspace_id, key=key, opened_at__isnull=False)
    return bool(open_breaker.filter(probe_at__lte=now).update(probe_at=lease_end(now)))


def _lease(job: RotationJob, now: datetime, worker: str) -> Lease:
    job.fence, job.lease_until, job.leased_by, job.woken_at = job.fence + 1, lease_end(now), worker[:120], now
    statements.update(job, "fence", "lease_until", "leased_by", "woken_at")
    return Lease(job, job.fence)
