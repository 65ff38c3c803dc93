"""The state machine: one rotation, from wanted to proved, whatever dies on the way.

Every password that may ever be set on a target is sealed and committed before the call. No transaction is open
while a target is spoken to. After a lost answer the target is asked (probe, then decide), never guessed about,
and the same candidate is set again. See docs/rotation.md.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from rotation import connectors, exposures, failpoints, jobs, passwords
from rotation.connectors.base import Connector, FailureKind, Login, TargetError
from rotation.jobs import Lease
from rotation.models import RotationJob
from rotation.passwords import Policy
from rotation.states import JobState
from workspace import accounts, audit
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, Undecryptable
from workspace.models import Account, SecretVersion

logger = logging.getLogger(__name__)

ENGINE = Actor.system("rotation engine")
POLICY_REFUSALS = 3
OLD_VERSIONS_TRIED = 5


@dataclass
class Attempt:
    """One worker's hold on one job, with what it takes to speak to the target."""

    lease: Lease
    in_force: SecretVersion | None = None
    """The version that a probe found to be accepted; until one asked, the current one is taken to be."""
    probed: bool = False
    admin_version: SecretVersion | None = None
    """The version of the admin account's password that was used last."""

    @property
    def job(self) -> RotationJob:
        return self.lease.job

    @property
    def account(self) -> Account:
        return self.job.account

    @cached_property
    def connector(self) -> Connector:
        return connectors.of(self.account, timeout=settings.CALL_TIMEOUT_SECONDS)

    @property
    def candidate(self) -> SecretVersion:
        if self.job.candidate is None:
            raise Invalid(f"{self.job} has no candidate in state {self.job.state}.")
        return self.job.candidate

    @property
    def new(self) -> Secret:
        return accounts.open_version(self.candidate)

    @property
    def admin(self) -> Login | None:
        """The login that may reset this one, where the account names one and its password is known."""
        admin = self.account.admin_account
        version = accounts.current_version(admin) if admin and self.connector.capabilities.admin_reset else None
        self.admin_version = version
        return Login(admin.username, accounts.open_version(version)) if admin and version else None

    @property
    def is_admin_changing(self) -> bool:
        """Whether the admin account's own password is being changed, or was since it was used: both departures of
        one day may reach the same target, and then its login is rejected for a moment only."""
        admin, used = self.account.admin_account, self.admin_version
        if admin is None or used is None:
            return False
        live = RotationJob.objects.live().filter(account=admin).exclude(state=JobState.NEEDS_HUMAN)
        return live.exists() or accounts.current_version(admin) != used

    def older(self) -> list[SecretVersion]:
        """Versions before the candidate that may still be alive, newest first."""
        versions = SecretVersion.objects.possibly_alive().filter(account=self.account)
        return list(versions.filter(number__lt=self.candidate.number).order_by("-number")[:OLD_VERSIONS_TRIED])

    @cached_property
    def accepts_anything(self) -> bool:
        """The canary: a target that takes a random password proves nothing by taking ours, or by refusing one."""
        return self.connector.verify(passwords.generate(Policy(32, ("lower", "upper", "digit"))))


def run(job_id: UUID, *, worker: str) -> None:
    """Take a job as far as it goes now. A job held by another worker, finished or not due is left alone."""
    lease = jobs.claim(job_id, worker=worker)
    if lease is None:
        return
    attempt = Attempt(lease)
    try:
        jobs.resume(lease)
        while step := STEPS.get(JobState(attempt.job.state)):
            _take(step, attempt)
    except jobs.LeaseLost:
        logger.warning("Rotation %s is in other hands now; this worker lets go.", job_id)


def _take(step: Callable[[Attempt], None], attempt: Attempt) -> None:
    origin = JobState(attempt.job.state)
    failpoints.reach(f"before:{origin}")
    try:
        step(attempt)
    except TargetError as error:
        _after_failure(attempt, error)
    except (Invalid, Undecryptable) as error:
        jobs.ask_human(attempt.lease, code=error.code, detail=error.detail, resume=_resume(attempt))
    except (jobs.LeaseLost, DatabaseError):
        raise
    except Exception as error:
        logger.exception("Rotation %s met something unforeseen", attempt.job.pk)
        detail = f"Cerby met something unforeseen ({type(error).__name__}). Its log says what."
        jobs.ask_human(attempt.lease, code="unforeseen", detail=detail, resume=_resume(attempt))
    failpoints.reach(f"after:{attempt.job.state}")


def _prepare(attempt: Attempt) -> None:
    """QUEUED: seal a candidate and commit it. A target that only people can change goes to a person."""
    capabilities = attempt.connector.capabilities
    if not (capabilities.self_change or capabilities.admin_reset):
        raise TargetError(FailureKind.HUMAN, f"{attempt.account} is changed by hand. Change it and enter the new one.")
    password = passwords.generate(Policy.of(attempt.account))
    with transaction.atomic():
        candidate = accounts.add_candidate(attempt.account, password)
        jobs.move(attempt.lease, JobState.PREPARED, note=f"version {candidate.number}", candidate=candidate)


def _apply(attempt: Attempt) -> None:
    """PREPARED: write the intent, then set the candidate on the target."""
    admin, current = attempt.admin, _current_password(attempt)
    if admin is None and current is None:
        raise TargetError(FailureKind.AUTHENTICATION, "Neither the present password nor an admin account is known.")
    jobs.move(attempt.lease, JobState.APPLYING, note=f"as {admin.username if admin else 'itself'}")
    failpoints.reach("after:applying")
    try:
        attempt.connector.change(attempt.new, current=current, admin=admin)
    except TargetError as error:
        _after_refusal(attempt, error)
        return
    failpoints.reach("target:changed")
    jobs.move(attempt.lease, JobState.APPLIED)


def _interrupted(attempt: Attempt) -> None:
    """APPLYING, found so: a worker died in the call, and nobody knows whether it took effect."""
    jobs.move(attempt.lease, JobState.UNKNOWN, note="the worker that was setting it did not come back")


def _verify_new(attempt: Attempt) -> None:
    """APPLIED: the target said so; a fresh login proves it."""
    if not attempt.connector.verify(attempt.new):
        jobs.move(attempt.lease, JobState.UNKNOWN, note="set, but a login with it was rejected")
        return
    _accept_new(attempt)


def _probe(attempt: Attempt) -> None:
    """UNKNOWN: ask the target which password is in force, then decide (docs/rotation.md, recovery table)."""
    if attempt.connector.verify(attempt.new):
        _accept_new(attempt)
        return
    attempt.in_force = next(
        (old for old in attempt.older() if attempt.connector.verify(accounts.open_version(old))), None
    )
    if attempt.in_force is None and attempt.admin is None:
        raise TargetError(
            FailureKind.AUTHENTICATION, "The target accepts none of the passwords known for this account."
        )
    found = f"version {attempt.in_force.number}" if attempt.in_force else "none of the known passwords"
    if attempt.probed:
        detail = f"The change did not take effect: {found} is still in force."
        jobs.wait(attempt.lease, code="not_applied", detail=detail, resume=JobState.PREPARED)
    else:
        attempt.probed = True
        jobs.move(attempt.lease, JobState.PREPARED, note=f"not applied: {found} is in force")


def _accept_new(attempt: Attempt) -> None:
    if attempt.accepts_anything:
        jobs.ask_human(
            attempt.lease, code="accepts_anything", resume=JobState.UNKNOWN,
            detail="The target accepts a random password, so nothing can be proved. Is its login check switched off?",
        )  # fmt: skip
        return
    now = timezone.now()
    jobs.move(
        attempt.lease, JobState.NEW_OK, failures=0, new_accepted_at=now, canary_rejected_at=now,
        facts={"accepted": [attempt.candidate.number], "canary": "rejected"},
    )  # fmt: skip


def _promote(attempt: Attempt) -> None:
    """NEW_OK: from now on people are shown the new password."""
    with transaction.atomic():
        accounts.lock(attempt.account)
        current = accounts.current_version(attempt.account)
        if current is not None and current.number > attempt.candidate.number:
            raise Invalid(f"Somebody entered another password for {attempt.account} meanwhile. Which one is in force?")
        accounts.make_current(attempt.candidate, at=timezone.now())
        jobs.move(attempt.lease, JobState.PROMOTED)


def _prove_old_dead(attempt: Attempt) -> None:
    """PROMOTED: end the old password where two are valid, then see every older one rejected."""
    older = attempt.older()
    for old in older:
        attempt.connector.retire(accounts.open_version(old), new=attempt.new, admin=attempt.admin)
    if older and attempt.accepts_anything:
        raise TargetError(FailureKind.PERMISSION, "The target accepts a random password, so nothing can be proved.")
    alive = [old.number for old in older if attempt.connector.verify(accounts.open_version(old))]
    if alive:
        detail = f"The target still accepts version {', '.join(map(str, alive))}."
        jobs.wait(attempt.lease, code="old_alive", detail=detail, resume=JobState.PROMOTED)
        return
    if older and not attempt.connector.verify(attempt.new):  # a target that rejects everybody proves nothing either
        detail = "The target rejects the new password as well. Is the login locked?"
        jobs.wait(attempt.lease, code="new_rejected", detail=detail, resume=JobState.PROMOTED)
        return
    with transaction.atomic():
        SecretVersion.objects.filter(pk__in=[old.pk for old in older]).update(proved_dead_at=timezone.now())
        numbers = [old.number for old in older]
        facts = {"rejected": numbers, "accepted": [attempt.candidate.number], "canary": "rejected"}
        jobs.move(
            attempt.lease, JobState.OLD_DEAD, note=f"{len(older)} rejected", failures=0, facts=facts,
            old_rejected_at=timezone.now(),
        )  # fmt: skip


def _close_sessions(attempt: Attempt) -> None:
    """OLD_DEAD: sessions outlive a password change; end them, and name what cannot be ended."""
    if not attempt.connector.capabilities.closes_sessions:
        jobs.move(attempt.lease, JobState.SESSIONS_CLOSED, note="this target has no sessions that could be closed")
        return
    closed = attempt.connector.close_sessions(new=attempt.new, admin=attempt.admin)
    jobs.move(
        attempt.lease, JobState.SESSIONS_CLOSED, note=f"{closed.sessions} closed",
        sessions_closed=closed.sessions, follow_ups=list(closed.follow_ups), sessions_closed_at=timezone.now(),
        facts={"sessions": closed.sessions},
    )  # fmt: skip


def _finish(attempt: Attempt) -> None:
    """SESSIONS_CLOSED: close the exposures this proves dead, and go round again for those opened meanwhile."""
    account = attempt.account
    with transaction.atomic():
        jobs.finish(attempt.lease)
        closed = exposures.close_proved(attempt.job, actor=ENGINE)
        audit.record(
            attempt.job.workspace, "rotation.done", attempt.job, actor=ENGINE, account=str(account.pk),
            version=attempt.candidate.number, exposures_closed=closed,
        )  # fmt: skip
        if account.exposures.open().exists():
            jobs.request(account.workspace, [account], cause="A password became known while the last one was changed")


STEPS = {
    JobState.QUEUED: _prepare,
    JobState.PREPARED: _apply,
    JobState.APPLYING: _interrupted,
    JobState.APPLIED: _verify_new,
    JobState.UNKNOWN: _probe,
    JobState.NEW_OK: _promote,
    JobState.PROMOTED: _prove_old_dead,
    JobState.OLD_DEAD: _close_sessions,
    JobState.SESSIONS_CLOSED: _finish,
}


def _current_password(attempt: Attempt) -> Secret | None:
    version = attempt.in_force or accounts.current_version(attempt.account)
    return accounts.open_version(version) if version else None


def _resume(attempt: Attempt) -> JobState:
    """Where a stopped job goes on. In doubt about the target, by asking it."""
    state = JobState(attempt.job.state)
    return JobState.UNKNOWN if state is JobState.APPLYING else state


def _after_refusal(attempt: Attempt, error: TargetError) -> None:
    """The change itself failed: a policy's no wants another candidate, a lost answer wants a probe."""
    refusals = attempt.job.policy_refusals + 1
    own_password_wrong = error.kind is FailureKind.AUTHENTICATION and attempt.admin is None and not attempt.probed
    if error.kind is FailureKind.POLICY and refusals < POLICY_REFUSALS:
        note = f"policy: {error.detail}"
        jobs.move(attempt.lease, JobState.QUEUED, note=note, candidate=None, policy_refusals=refusals)
    elif error.kind in {FailureKind.UNREACHABLE, FailureKind.LOCKED} or own_password_wrong:
        jobs.move(attempt.lease, JobState.UNKNOWN, note=f"{error.kind}: {error.detail}")
    elif error.kind is FailureKind.AUTHENTICATION and attempt.is_admin_changing:
        _wait_for_admin(attempt, error)
    else:
        resume = JobState.QUEUED if error.kind is FailureKind.POLICY else JobState.UNKNOWN
        jobs.ask_human(attempt.lease, code=error.kind, detail=error.detail, resume=resume)


def _after_failure(attempt: Attempt, error: TargetError) -> None:
    """Unreachable is tried again without end; everything else is a person's to decide."""
    if error.kind in {FailureKind.UNREACHABLE, FailureKind.LOCKED}:
        jobs.wait(
            attempt.lease, code=error.kind, detail=error.detail, resume=_resume(attempt),
            at_least=error.retry_after or 0,
        )  # fmt: skip
    elif error.kind is FailureKind.AUTHENTICATION and attempt.is_admin_changing:
        _wait_for_admin(attempt, error)
    else:
        jobs.ask_human(attempt.lease, code=error.kind, detail=error.detail, resume=_resume(attempt))


def _wait_for_admin(attempt: Attempt, error: TargetError) -> None:
    jobs.wait(attempt.lease, code="admin_changing", detail=error.detail, resume=_resume(attempt))
