"""The state machine: one rotation, from wanted to proved, whatever dies on the way.

Every password that may ever be set on a target is sealed and committed here before the call. No transaction is open
while a target is spoken to. After a lost answer the target is asked (probe, then decide), never guessed about, and the
same candidate is set again (`rotation.recovery`). Arrows between which nothing is said to the target share a commit.
See docs/rotation.md.
"""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from rotation import budget, failpoints, jobs, passwords, queue, recovery, verification, wake
from rotation.attempt import Attempt, OutOfTime, time_limit
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.departures import exposures
from rotation.jobs import Lease, Move
from rotation.models import RotationJob
from rotation.proof import Proof, prove
from rotation.states import JobState
from workspace import accounts, audit, statements
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db import unit_of_work
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Undecryptable
from workspace.models import Account, SecretVersion

logger = logging.getLogger(__name__)

ENGINE: Final = Actor.system("rotation engine")
DRAIN_SECONDS: Final = 4.0
OLD_AT_A_TIME: Final = 5
_DEAD: Final = "UPDATE workspace_secretversion SET proved_dead_at = %s WHERE id = ANY(%s)"
AGAIN: Final = "A password became known while the last one was changed"


class Credentials(NamedTuple):
    """As whom a password is set: as the admin account, or as the login itself with its present password."""

    current: Secret | None
    admin: Login | None


def work(*, worker: str) -> int:
    """Take the most urgent jobs one after the other, for some seconds; how many. What is left wakes another worker."""
    until, end, taken = time_limit(), time.monotonic() + DRAIN_SECONDS, 0
    while lease := queue.claim_next(worker=worker):
        taken += 1
        _pursue(lease, until)
        if time.monotonic() > end:
            wake.now([lease.job.pk])
            break
    return taken


def run(job_id: UUID, *, worker: str) -> None:
    """Take one job as far as it goes now. A job held by another worker, finished or not due is left alone."""
    lease = queue.claim(job_id, worker=worker)
    if lease is not None:
        _pursue(lease, time_limit())


def _pursue(lease: Lease, until: float) -> None:
    attempt = Attempt(lease, until)
    try:
        jobs.resume(lease)
        while step := STEPS.get(JobState(attempt.job.state)):
            take(step, attempt)
    except jobs.LeaseLost:
        logger.warning("Rotation %s is in other hands now; this worker lets go.", lease.job.pk)
    except OutOfTime:
        jobs.hand_back(lease)
    finally:
        attempt.close()


def take(step: Callable[[Attempt], None], attempt: Attempt) -> None:
    """One step, whatever it meets. Raises LeaseLost, OutOfTime, and what says that the database is away."""
    origin = JobState(attempt.job.state)
    failpoints.reach(f"before:{origin}")
    try:
        step(attempt)
    except (jobs.LeaseLost, OperationalError, InterfaceError):
        raise
    except OutOfTime:
        recovery.settle(attempt)
        raise
    except TargetError as error:
        recovery.after_failure(attempt, error)
    except budget.Spent as spent:
        recovery.after_budget(attempt, spent)
    except (Invalid, Undecryptable) as error:
        recovery.ask(attempt, error.code, error.detail)
    except Exception as error:
        logger.exception("Rotation %s met something unforeseen", attempt.job.pk)
        recovery.after_unforeseen(attempt, error)
    failpoints.reach(f"after:{attempt.job.state}")


def _prepare(attempt: Attempt) -> None:
    """QUEUED: seal a candidate and commit it; with it the intent to set it, unless something stands against that. A
    target that only people can change goes to a person."""
    account, capabilities = attempt.account, attempt.connector.capabilities
    if not (capabilities.self_change or capabilities.admin_reset):
        raise TargetError(FailureKind.HUMAN, f"{account} is changed by hand. Change it and enter the new one.")
    attempt.mind_time()
    policy = attempt.policy
    with atomic():
        accounts.lock(account)
        known = accounts.versions(account)
        new = passwords.fresh(policy, _opened(known))
        candidate = accounts.next_version(account, new, after=known)
        unit_of_work.append(candidate)
        moves, replaced = [Move(JobState.PREPARED, f"version {candidate.number}")], attempt.replaced_of(known)
        with suppress(TargetError, Undecryptable):  # then the next step says so
            credentials = _credentials(attempt, replaced)
            moves.append(_intent(credentials))
        jobs.move_through(attempt.lease, *moves, candidate=candidate)
    if attempt.job.state == JobState.APPLYING:
        _set(attempt, replaced, credentials)


def _opened(versions: Iterable[SecretVersion]) -> set[Secret]:
    """These passwords, as far as the keys of today open them."""
    found = set()
    for version in versions:
        with suppress(Undecryptable):
            found.add(accounts.open_version(version))
    return found


def _apply(attempt: Attempt) -> None:
    """PREPARED, found so: write the intent, then set the candidate on the target, and go on to prove it."""
    replaced = attempt.replaced
    credentials = _credentials(attempt, replaced)
    attempt.new  # opened before anything is written: what cannot be opened is never sent  # noqa: B018
    attempt.mind_time()
    jobs.move_through(attempt.lease, _intent(credentials))
    _set(attempt, replaced, credentials)


def _credentials(attempt: Attempt, replaced: SecretVersion | None) -> Credentials:
    """What the candidate can be set with. Raises TargetError AUTHENTICATION, Undecryptable."""
    current = accounts.open_version(replaced) if replaced else None
    if attempt.admin is None and current is None:
        raise TargetError(FailureKind.AUTHENTICATION, "Neither the present password nor an admin account is known.")
    return Credentials(current, attempt.admin)


def _intent(credentials: Credentials) -> Move:
    return Move(JobState.APPLYING, f"as {credentials.admin.username if credentials.admin else 'itself'}")


def _set(attempt: Attempt, replaced: SecretVersion | None, credentials: Credentials) -> None:
    """APPLYING, with the candidate and the intent committed."""
    failpoints.reach("after:applying")
    try:
        attempt.change(credentials.current, credentials.admin)
    except TargetError as error:
        recovery.after_refusal(attempt, error)
        return
    attempt.applied = True
    failpoints.reach("target:changed")
    _prove_new(attempt, replaced)


def _interrupted(attempt: Attempt) -> None:
    """APPLYING, found so: a worker died in the call, and nobody knows whether it took effect."""
    jobs.move(attempt.lease, JobState.UNKNOWN, note="the worker that was setting it did not come back")


def _verify_new(attempt: Attempt) -> None:
    """APPLIED, or accepted a moment ago."""
    _prove_new(attempt, attempt.replaced)


def _prove_new(attempt: Attempt, replaced: SecretVersion | None) -> None:
    """Fresh logins prove the candidate, and the version that it replaced to be dead."""
    proof = prove(attempt, [replaced] if replaced and not attempt.connector.capabilities.two_passwords else [])
    if proof is None:
        recovery.set_but_rejected(attempt)
    else:
        accept(attempt, proof)


def _probe(attempt: Attempt) -> None:
    """UNKNOWN: ask the target which password is in force, then decide (docs/rotation.md, recovery table)."""
    if attempt.accepts(attempt.new):
        _verify_new(attempt)
    else:
        recovery.not_in_force(attempt)


def accept(attempt: Attempt, proof: Proof) -> None:
    """NEW_OK, and on: from now on people are shown the new password. What the proof found dead is dead."""
    moves = [Move(JobState.APPLIED)] if attempt.job.state == JobState.APPLYING else []
    moves.append(Move(JobState.NEW_OK, facts=proof.facts(attempt.candidate)))
    with atomic():
        accounts.lock(attempt.account)
        if _superseded(attempt):
            jobs.move_through(attempt.lease, *moves, failures=0, **proof.columns())
            return  # the next step says so
        _promote_candidate(attempt)
        moves.append(Move(JobState.PROMOTED))
        _mark_dead(proof.rejected)
        if not attempt.older():
            moves.append(Move(JobState.OLD_DEAD, f"{len(proof.rejected)} rejected", proof.facts(attempt.candidate)))
        jobs.move_through(attempt.lease, *moves, failures=0, **proof.columns())


def _promote(attempt: Attempt) -> None:
    """NEW_OK, found so: the new password is proved and nobody is shown it yet."""
    with atomic():
        accounts.lock(attempt.account)
        if _superseded(attempt):
            raise Invalid(f"Somebody entered another password for {attempt.account} meanwhile. Which one is in force?")
        _promote_candidate(attempt)
        jobs.move(attempt.lease, JobState.PROMOTED)


def _prove_old_dead(attempt: Attempt) -> None:
    """PROMOTED: end the old password where two are valid, then see every older one rejected, some at a time.

    What was proved of some is committed before the next are asked about, so that no number of them is too many.
    """
    older = attempt.older()
    if attempt.connector.capabilities.two_passwords:
        for old in older:
            attempt.retire(old, attempt.admin)
    proof = prove(attempt, older[:OLD_AT_A_TIME])
    if proof is None:
        recovery.new_rejected(attempt)
        return
    with atomic():
        _mark_dead(proof.rejected)
        if not attempt.older():
            note = f"{len(proof.rejected)} rejected"
            jobs.move(
                attempt.lease, JobState.OLD_DEAD, note=note, failures=0, facts=proof.facts(attempt.candidate),
                **proof.columns(),
            )  # fmt: skip
    if proof.alive:
        recovery.old_alive(attempt, proof.alive)


def _pointed_by_a_leaver(account: Account) -> list[str]:
    """Their departure does not undo where they sent passwords to: only people can tell whether it is right."""
    who = account.pointed_by
    if who is None or who.is_active:
        return []
    return [f"{who.user_name}, who left, entered the address of {account}. See that it leads to your own server."]


def _close_sessions(attempt: Attempt) -> None:
    """OLD_DEAD: sessions outlive a password change; end them, and name what cannot be ended."""
    closed = attempt.close_sessions(attempt.admin)
    told = [*closed.follow_ups, *_pointed_by_a_leaver(attempt.account)]
    follow_ups = [*attempt.job.follow_ups, *(text for text in told if text not in attempt.job.follow_ups)]
    if not attempt.connector.capabilities.closes_sessions:
        move = Move(JobState.SESSIONS_CLOSED, "this target has no sessions that could be closed")
        _finish(attempt, move, follow_ups=follow_ups)
        return
    _finish(
        attempt, Move(JobState.SESSIONS_CLOSED, f"{closed.sessions} closed", {"sessions": closed.sessions}),
        sessions_closed=closed.sessions, follow_ups=follow_ups, sessions_closed_at=timezone.now(),
    )  # fmt: skip


def _closed_already(attempt: Attempt) -> None:
    """SESSIONS_CLOSED, found so."""
    _finish(attempt)


def _finish(attempt: Attempt, *moves: Move, **changes: object) -> None:
    """Close the exposures this proves dead, and go round again for those opened meanwhile."""
    account = attempt.account
    with atomic():
        jobs.finish(attempt.lease, *moves, Move(JobState.DONE), **changes)
        closed = _close_exposures(attempt.job)
        audit.record(
            attempt.job.workspace, Verb.ROTATION_DONE, attempt.job, actor=ENGINE, account=str(account.pk),
            version=attempt.candidate.number, exposures_closed=closed,
        )  # fmt: skip
        if exposures.is_exposed(account):
            jobs.request(account.workspace, [account], cause=AGAIN)


def _close_exposures(job: RotationJob) -> int:
    """Those that a proof ends; where there is none, those that a person let end on the target's word."""
    if job.new_accepted_at is None:
        return exposures.close_on_targets_word(job, actor=ENGINE)
    verification.proved(job.account)
    return exposures.close_proved(job, actor=ENGINE)


def _superseded(attempt: Attempt) -> bool:
    """Whether somebody stored another password meanwhile, which must not be hidden by ours."""
    current = accounts.current_version(attempt.account)
    return current is not None and current.number > attempt.candidate.number


def _promote_candidate(attempt: Attempt) -> None:
    accounts.make_current(attempt.candidate, at=timezone.now())


def _mark_dead(versions: list[SecretVersion]) -> None:
    dead = [version.pk for version in versions]
    if dead:
        statements.run(_DEAD, [timezone.now(), dead])


STEPS: Final = {
    JobState.QUEUED: _prepare,
    JobState.PREPARED: _apply,
    JobState.APPLYING: _interrupted,
    JobState.APPLIED: _verify_new,
    JobState.UNKNOWN: _probe,
    JobState.NEW_OK: _promote,
    JobState.PROMOTED: _prove_old_dead,
    JobState.OLD_DEAD: _close_sessions,
    JobState.SESSIONS_CLOSED: _closed_already,
}
