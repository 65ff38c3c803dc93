"""Who works on what: the order of the due jobs, the lease on one, and how many may run on a target at a time.

Most exposed first: privileged accounts, then those that more people could have known, then what was wanted first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from rotation import targets
from rotation.models import RotationJob, RotationJobQuerySet, TargetHealth
from rotation.states import FINISHED, JobState
from workspace import statements
from workspace.db.unit_of_work import atomic, roll_back
from workspace.models import Account, SecretVersion, Workspace

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
    """A job held by this worker, and the fence that proves it. `health` is how its target fared lately, if known."""

    job: RotationJob
    fence: int
    health: TargetHealth | None = None


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


# The most urgent of `free`, or one of them by its id, with what a worker reads of it.
_READ: Final = (
    statements.columns(RotationJob), statements.columns(Account, "account"), statements.columns(Workspace, "workspace"),
    statements.columns(Account, "admin"), statements.columns(SecretVersion, "candidate"),
    statements.columns(TargetHealth, "health"),
)  # fmt: skip
_NEXT: Final = f"""
SELECT {", ".join(columns.sql for columns in _READ)} FROM (
    SELECT * FROM rotation_rotationjob j
     WHERE NOT (j.state IN ('done', 'cancelled', 'needs_human')) AND j.next_attempt_at <= %(now)s
       AND (j.lease_until IS NULL OR j.lease_until < %(now)s) AND (j.held_until IS NULL OR j.held_until <= %(now)s)
       AND (%(job)s::uuid IS NULL OR j.id = %(job)s)
       AND (j.workspace_id, j.target) NOT IN ({_CLOSED})
     ORDER BY j.priority, j.exposures DESC, j.requested_at LIMIT 1 FOR UPDATE SKIP LOCKED) t
  JOIN workspace_account account ON account.id = t.account_id
  JOIN workspace_workspace workspace ON workspace.id = t.workspace_id
  LEFT JOIN workspace_account admin ON admin.id = account.admin_account_id
  LEFT JOIN workspace_secretversion candidate ON candidate.id = t.candidate_id
  LEFT JOIN rotation_targethealth health ON health.workspace_id = t.workspace_id AND health.key = t.target
"""  # noqa: S608  # constants

# Of a job whose row is locked. Whether one more may run is asked in the same statement.
_LEASE: Final = """
UPDATE rotation_rotationjob j SET fence = %(fence)s, lease_until = %(until)s, leased_by = %(worker)s, woken_at = %(now)s
 WHERE j.id = %(job)s
   AND (%(target)s = '' OR %(limit)s > (
        SELECT count(*) FROM rotation_rotationjob r
         WHERE r.workspace_id = %(workspace)s AND r.target = %(target)s AND r.lease_until >= %(now)s))
"""


def _claim(wanted: UUID | None, worker: str) -> Lease | None:
    for _ in range(TRIES):
        now = timezone.now()
        values = {"now": now, "job": wanted, "limit": settings.TARGET_CONCURRENCY}
        with atomic():
            read = statements.joined(_NEXT, values, *_READ)
            if read is None:
                return None
            lease = _lease(*read, now=now, worker=worker)
        if lease is not None:
            return lease
    return None


def _lease(
    job: RotationJob, account: Account, workspace: Workspace, admin: Account | None, candidate: SecretVersion | None,
    health: TargetHealth | None, *, now: datetime, worker: str,
) -> Lease | None:  # fmt: skip
    """Hold a job that was read and locked, unless its target is full by now. Claims on one target take turns until
    their end.

    An account may have been pointed elsewhere since the job was wanted; then it is looked at anew under its new key.
    """
    account.workspace = job.workspace = workspace
    account.admin_account, job.account, job.candidate = admin, account, candidate
    if admin is not None:
        admin.workspace = workspace
    key = targets.key_of(account)
    if key != job.target:
        RotationJob.objects.filter(pk=job.pk).update(target=key)
        return None
    if key:
        statements.run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{workspace.pk}/{key}"])
    fence, until, worker = job.fence + 1, lease_end(now), worker[:120]
    values = {
        "job": job.pk, "workspace": workspace.pk, "target": key, "limit": settings.TARGET_CONCURRENCY, "fence": fence,
        "until": until, "worker": worker, "now": now,
    }  # fmt: skip
    if not (statements.run(_LEASE, values).rowcount and _may_try(health, now)):
        roll_back()
        return None
    job.fence, job.lease_until, job.leased_by, job.woken_at = fence, until, worker, now
    return Lease(job, fence, health)


def _may_try(health: TargetHealth | None, now: datetime) -> bool:
    """With the breaker open one job may try; for as long as its lease lasts no other does."""
    if health is None or health.opened_at is None:
        return True
    due = TargetHealth.objects.filter(Q(opened_at=None) | Q(probe_at__lte=now), pk=health.pk)
    return bool(due.update(probe_at=lease_end(now)))
