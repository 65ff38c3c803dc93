"""Verbs on rotation jobs: request, move, wait, ask, finish, retry. The table is the queue; the broker only wakes."""

import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from rotation import failpoints, queue, wake, wanted
from rotation.models import Exposure, MassRemoval, RotationJob, RotationStep, Verification
from rotation.queue import Lease, claim, claim_next
from rotation.states import MOVES, JobState
from workspace import audit, notices, statements
from workspace.audit import Actor, Verb
from workspace.db import unit_of_work
from workspace.db.unit_of_work import atomic
from workspace.errors import Refused
from workspace.models import Account, Notice, SecretVersion, Workspace

__all__ = ["Lease", "LeaseLost", "Move", "claim", "claim_next"]

LONGEST_WAIT: Final = 3600.0
FAILURES_UNTIL_ASKED: Final = 8
ADMIN_REJECTED: Final = "admin_rejected"
RISK_ACCEPTED: Final = "risk_accepted"
DEPARTURE: Final = "Offboarding: "
"""How the cause of a job begins that a departure set off."""


class LeaseLost(Exception):
    """Another worker holds the job now; whatever this one was doing, it changes nothing more."""


@dataclass(frozen=True)
class Move:
    """One arrow of the state machine; `facts` go into its step."""

    to: JobState
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@atomic()
def request(
    workspace: Workspace, accounts: Iterable[Account], *, cause: str, routine: bool = False,
    hold: MassRemoval | None = None,
) -> list[UUID]:  # fmt: skip
    """Want these accounts rotated: the ids of their live jobs, old or new, most urgent first. See `want`."""
    ids = [account.pk for account in accounts]
    want(workspace, ids, cause=cause, routine=routine, hold=hold)
    live = RotationJob.objects.live().filter(account_id__in=ids)
    return list(live.order_by(*queue.ORDER).values_list("id", flat=True))


@atomic()
def want(
    workspace: Workspace, account_ids: Collection[UUID], *, cause: str, routine: bool = False,
    hold: MassRemoval | None = None,
) -> None:  # fmt: skip
    """Want these accounts rotated. Wakes the workers on commit.

    Accounts with open exposures come first, and a job that is under way already becomes as urgent; `routine` is for
    what may wait for all others. New jobs of a removal of many people wait with it; who wants one of these accounts
    rotated for another reason ends that. A fixed number of statements whatever the number of accounts.
    """
    written = wanted.write(workspace, account_ids, cause=cause, routine=routine, hold=hold)
    if not written.are_new:
        _end_rests(account_ids)
    wake.on_commit(written.to_wake)


# Asked without the exposures: with 10,000 just written, and statistics from before, a join of both takes seconds.
_RESTING: Final = """
SELECT id FROM rotation_rotationjob
 WHERE account_id = ANY(%(accounts)s) AND state = 'needs_human' AND failure_code = %(code)s
"""


def _end_rests(account_ids: Collection[UUID]) -> None:
    """A job whose risk was accepted rests until its date; that somebody else left in between ends the rest."""
    resting = [row[0] for row in statements.rows(_RESTING, {"accounts": list(account_ids), "code": RISK_ACCEPTED})]
    if not resting:
        return
    for job in RotationJob.objects.filter(
        Exists(Exposure.objects.open().filter(account=OuterRef("account"))), pk__in=resting
    ):
        _again(job, "somebody's exposure is open again")


@atomic()
def on_demand(account: Account, *, actor: Actor, cause: str) -> RotationJob:
    """A person wants an account rotated; one that is wanted already is left as it is. Raises Refused for a rotation
    that waits for a person."""
    (job_id,) = request(account.workspace, [account], cause=cause)
    job = RotationJob.objects.select_related("account", "workspace").get(pk=job_id)
    if job.state in {JobState.NEEDS_HUMAN, JobState.WAITING}:
        raise Refused(f"{job} waits already: “{job.failure_code}”. Go on there.")
    audit.record(account.workspace, Verb.ROTATION_REQUESTED, job, actor=actor, account=str(account.pk))
    return job


def announce_due(*, limit: int = wake.AT_ONCE) -> int:
    """Wake the workers for jobs that are due and free and that nobody was told of lately; how many."""
    now = timezone.now()
    quiet = Q(woken_at=None) | Q(woken_at__lt=now - timedelta(seconds=settings.WAKE_AGAIN_SECONDS))
    quiet |= Q(woken_at__lt=F("next_attempt_at"))
    with atomic():
        due = queue.free(now).filter(quiet).order_by(*queue.ORDER)
        ids = list(due.select_for_update(skip_locked=True).values_list("id", flat=True)[:limit])
        RotationJob.objects.filter(id__in=ids).update(woken_at=now)
    wake.now(ids)
    return len(ids)


def move(lease: Lease, to: JobState, *, note: str = "", facts: Mapping[str, Any] | None = None, **changes: Any) -> None:
    """Put the job into its next state, if this worker still holds it. Raises LeaseLost.

    `facts` go into the step: see RotationStep. Whatever else belongs to the move is in the caller's transaction.
    """
    move_through(lease, Move(to, note, facts or {}), **changes)


@atomic()
def move_through(lease: Lease, *moves: Move, **changes: Any) -> None:
    """Put the job through several states at once, for arrows between which nothing is said to the target."""
    job, now = lease.job, timezone.now()
    origin, steps = JobState(job.state), []
    for number, arrow in enumerate(moves):
        _check_move(origin, arrow.to)
        at = now + timedelta(microseconds=number)
        steps.append(_step(job, lease.fence, origin, arrow.to, arrow.note, at, arrow.facts))
        origin = arrow.to
    values = {"state": origin, "lease_until": queue.lease_end(now), **changes}
    if not _write(job, lease.fence, values):
        raise LeaseLost(f"{job.pk} fence {lease.fence}")
    for step in steps:
        unit_of_work.append(step)
        failpoints.reach(f"{step.from_state}>{step.to_state}:before")
        failpoints.reach_after_commit(f"{step.from_state}>{step.to_state}:after")
    for name, value in values.items():
        setattr(job, name, value)


def _write(job: RotationJob, fence: int, values: Mapping[str, Any]) -> bool:
    """Write these fields of a job that is still in the state and under the fence known; whether it was."""
    fields: list[Any] = [RotationJob._meta.get_field(name) for name in values]
    prepared = [
        field.get_db_prep_save(getattr(value, "pk", value), connection)
        for field, value in zip(fields, values.values(), strict=True)
    ]
    found = statements.run(_update(tuple(field.column for field in fields)), [*prepared, job.pk, fence, job.state])
    return bool(found.rowcount)


@cache
def _update(columns: tuple[str, ...]) -> str:
    changes = ", ".join(f'"{column}" = %s' for column in columns)
    return f"UPDATE rotation_rotationjob SET {changes} WHERE id = %s AND fence = %s AND state = %s"  # noqa: S608  # constants


def seize(job: RotationJob) -> Lease:
    """Take a job out of any worker's hands, for a person; the caller has locked its row."""
    fence = job.fence + 1
    RotationJob.objects.filter(pk=job.pk).update(
        fence=fence, next_attempt_at=timezone.now(), woken_at=None, failures=0, asked_at=None
    )
    job.fence, job.failures = fence, 0
    notices.resolve(job.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, job)
    return Lease(job, fence)


def reload(lease: Lease) -> None:
    """Read a job's row anew, after something left it unclear what was written. Raises LeaseLost."""
    try:
        lease.job.refresh_from_db(from_queryset=RotationJob.objects.filter(fence=lease.fence))
    except RotationJob.DoesNotExist:
        raise LeaseLost(f"{lease.job.pk} fence {lease.fence}") from None


def hand_back(lease: Lease) -> None:
    """Let go of a job as it stands; whoever takes it next goes on from there."""
    held = RotationJob.objects.filter(pk=lease.job.pk, fence=lease.fence)
    if held.update(lease_until=None, leased_by="", woken_at=None):
        wake.now([lease.job.pk])


def finish(lease: Lease, *moves: Move, **changes: Any) -> None:
    """The job is done, after the `moves` given; its account may be rotated again."""
    job = lease.job
    was_asked = job.asked_at is not None
    move_through(
        lease, *moves, lease_until=None, finished_at=timezone.now(), failure_code="", failure_detail="", asked_at=None,
        **changes,
    )  # fmt: skip
    if was_asked:
        notices.resolve(job.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, job)


def resume(lease: Lease) -> None:
    """Take a job that waited back to where it stopped."""
    if lease.job.state == JobState.WAITING:
        move(lease, JobState(lease.job.resume_state), note="another attempt")


@atomic()
def wait(
    lease: Lease, *, code: str, detail: str, resume: JobState, at_least: float = 0, until: datetime | None = None
) -> None:
    """Give the job back until its next attempt: full jitter, growing to 15 minutes, hourly after a day.

    It goes on without end, and after some failures a person is asked beside that. `at_least` is in seconds, an hour
    at most; `until` says when instead.
    """
    job, now = lease.job, timezone.now()
    seconds = max(min(at_least, LONGEST_WAIT), _delay(job.failures, now - job.requested_at))
    move(
        lease, JobState.WAITING, note=f"{code}: {detail}", resume_state=resume, failures=job.failures + 1,
        failure_code=code, failure_detail=detail[:500], lease_until=None, leased_by="",
        next_attempt_at=until or now + timedelta(seconds=seconds),
    )  # fmt: skip
    if job.failures >= FAILURES_UNTIL_ASKED and job.asked_at is None:
        _ask(job, f"The rotation of {job.account} does not get on. It is tried again without end; please look.")


@atomic()
def ask_human(lease: Lease, *, code: str, detail: str, resume: JobState, **changes: Any) -> None:
    """Stop and put the job on a person's list. It stays live, since its candidate may be in force."""
    move(
        lease, JobState.NEEDS_HUMAN, note=f"{code}: {detail}", resume_state=resume, failure_code=code,
        failure_detail=detail[:500], lease_until=None, leased_by="", **changes,
    )  # fmt: skip
    _ask(lease.job, f"The rotation of {lease.job.account} needs a person.")


@atomic()
def retry(job: RotationJob, *, actor: Actor) -> RotationJob:
    """Try again now. Raises Refused for a job that is finished or being worked on."""
    job = RotationJob.objects.select_for_update(of=("self",)).select_related("account", "workspace").get(pk=job.pk)
    if job.state not in {JobState.WAITING, JobState.NEEDS_HUMAN}:
        raise Refused(f"{job} is {job.get_state_display().lower()}; there is nothing to try again.")
    _again(job, "a person asked for another attempt")
    audit.record(job.workspace, Verb.ROTATION_RETRIED, job, actor=actor, account=str(job.account_id))
    job.refresh_from_db()
    return job


def resume_after_admin() -> int:
    """Go on with the jobs that a rejected admin login stopped, once the account has another admin password or another
    admin account, or the rejected one was seen accepted again; how many."""
    versions = SecretVersion.objects.current().filter(account=OuterRef("account__admin_account"))
    stopped = RotationJob.objects.filter(state=JobState.NEEDS_HUMAN, failure_code=ADMIN_REJECTED)
    stopped = stopped.annotate(known=Subquery(versions.values("pk")))
    accepted = Verification.objects.filter(
        account=OuterRef("account__admin_account"), verified_at__gt=OuterRef("asked_at")
    )
    mended = stopped.filter(~Q(known=F("admin_version")) | Q(known=None) | Q(Exists(accepted)))
    with atomic():
        jobs = list(mended.select_related("account", "workspace").select_for_update(skip_locked=True, of=("self",)))
        for job in jobs:
            _again(job, "the admin account has another password now")
    return len(jobs)


def park(job: RotationJob, *, until: datetime) -> None:
    """Let a job whose row the caller holds rest: nothing is open that it would end, until that date."""
    now, detail = timezone.now(), f"The risk is accepted until {until:%Y-%m-%d %H:%M} UTC."
    _step(job, job.fence + 1, JobState(job.state), JobState.NEEDS_HUMAN, f"{RISK_ACCEPTED}: {detail}", now).save()
    RotationJob.objects.filter(pk=job.pk).update(
        state=JobState.NEEDS_HUMAN, resume_state=job.resume_state or JobState.QUEUED, failure_code=RISK_ACCEPTED,
        failure_detail=detail, fence=F("fence") + 1, lease_until=None, asked_at=None,
    )  # fmt: skip
    notices.resolve(job.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, job)


def _again(job: RotationJob, note: str) -> None:
    """Another attempt now, of a job whose row the caller holds."""
    now = timezone.now()
    RotationJob.objects.filter(pk=job.pk).update(
        state=JobState.WAITING, resume_state=job.resume_state or JobState.QUEUED, next_attempt_at=now, woken_at=None,
        failures=0, asked_at=None,
    )  # fmt: skip
    if job.state != JobState.WAITING:
        _step(job, job.fence, JobState(job.state), JobState.WAITING, note, now).save()
    notices.resolve(job.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, job)
    wake.on_commit([job.pk])


def _ask(job: RotationJob, summary: str) -> None:
    """Tell the Owners, and remember that they were told."""
    job.asked_at = timezone.now()
    RotationJob.objects.filter(pk=job.pk).update(asked_at=job.asked_at)
    notices.tell(
        job.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, job, summary=summary, account=job.account_id,
        code=job.failure_code,
    )  # fmt: skip


def _check_move(origin: JobState, to: JobState) -> None:
    if to not in MOVES[origin]:
        raise ValueError(f"A rotation never goes from {origin} to {to}.")


def _step(
    job: RotationJob, fence: int, origin: JobState, to: JobState, note: str, at: datetime,
    facts: Mapping[str, Any] | None = None,
) -> RotationStep:  # fmt: skip
    return RotationStep(
        workspace_id=job.workspace_id, job=job, fence=fence, from_state=origin, to_state=to, note=note[:500], at=at,
        facts=dict(facts or {}),
    )  # fmt: skip


def _delay(failures: int, age: timedelta) -> float:
    """Seconds until the next attempt. Full jitter keeps many accounts of one target from coming back at once."""
    ceiling = 3600.0 if age > timedelta(days=1) else min(900.0, 5.0 * 2 ** min(failures, 10))
    return random.uniform(0, ceiling)  # noqa: S311  # spreads load, keeps no secret
