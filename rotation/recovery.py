"""What becomes of a rotation when a call failed or its answer was lost: the recovery table and the kinds of retry.

| candidate | current | |
|---|---|---|
| accepted | rejected | applied: go on |
| rejected | accepted | not applied: the same candidate again |
| accepted | accepted | two passwords, a lagging replica, or a target that takes anything: canary, wait, flag |
| rejected | rejected | the previous one; then reset to the same candidate by the admin account; else a person |
| unreachable | | again later; never guess |
"""

from typing import Final

from rotation import jobs, targets
from rotation.attempt import AdminRejected, Attempt
from rotation.budget import Spent
from rotation.connectors.base import FailureKind, TargetError, unforeseen
from rotation.states import STOPPED, JobState
from workspace import accounts
from workspace.models import SecretVersion

POLICY_REFUSALS: Final = 3
UNFORESEEN_UNTIL_ASKED: Final = 3
CONTRADICTIONS_UNTIL_ASKED: Final = 5
NEW_REJECTED_UNTIL_PROBED: Final = 3
PROBED_VERSIONS: Final = 3
"""How many older versions a probe tries, newest first: the one in use, the one before, and one more."""
LOCKED_SECONDS: Final = 900.0


def settle(attempt: Attempt) -> None:
    """Write down that the target took the candidate, if this worker was told and did not come to it."""
    if attempt.applied and attempt.job.state == JobState.APPLYING:
        jobs.move(attempt.lease, JobState.APPLIED)


def resume_state(attempt: Attempt) -> JobState:
    """Where a stopped job goes on. In doubt about the target, by asking it."""
    state = JobState(attempt.job.state)
    return JobState.UNKNOWN if state is JobState.APPLYING else state


def ask(attempt: Attempt, code: str, detail: str) -> None:
    settle(attempt)
    jobs.ask_human(attempt.lease, code=code, detail=detail, resume=resume_state(attempt))


def wait(attempt: Attempt, code: str, detail: str, *, at_least: float = 0) -> None:
    settle(attempt)
    jobs.wait(attempt.lease, code=code, detail=detail, resume=resume_state(attempt), at_least=at_least)


def not_in_force(attempt: Attempt) -> None:
    """The candidate was rejected: find out what is accepted, and set the same candidate again as whoever that lets in.

    Raises TargetError AUTHENTICATION where nothing known is accepted and no admin account could reset it.
    """
    tried = _probed(attempt)
    attempt.in_force = next((old for old in tried if attempt.accepts(accounts.open_version(old))), None)
    if attempt.in_force is None and attempt.admin is None:
        numbers = ", ".join(str(old.number) for old in [attempt.candidate, *tried])
        raise TargetError(
            FailureKind.AUTHENTICATION,
            f"The target accepts none of the passwords known for this account (versions {numbers}); or the login is"
            " locked, which many targets answer alike. Nothing more is tried, so that nothing is locked by it.",
        )
    found = f"version {attempt.in_force.number}" if attempt.in_force else "none of the known passwords"
    if attempt.probed:
        _contradicts(attempt, "not_applied", f"The target took the change, and {found} is still in force.")
        return
    attempt.probed = True
    jobs.move(attempt.lease, JobState.PREPARED, note=f"not applied: {found} is in force")


def set_but_rejected(attempt: Attempt) -> None:
    """The target said that it set the candidate, or accepted it a moment ago, and rejects it now."""
    settle(attempt)
    if attempt.job.state == JobState.UNKNOWN:
        _contradicts(attempt, "new_rejected", "The target accepted the new password and rejected it right after.")
    else:
        jobs.move(attempt.lease, JobState.UNKNOWN, note="set, but a login with it was rejected")


def new_rejected(attempt: Attempt) -> None:
    """PROMOTED, and the password in use is rejected: a lock, a replica that lags, or a change that was lost."""
    if attempt.job.failures < NEW_REJECTED_UNTIL_PROBED:
        wait(attempt, "new_rejected", "The target rejects the new password as well. Is the login locked?")
    else:
        jobs.move(attempt.lease, JobState.UNKNOWN, note="the password in use is rejected", failures=0)


def old_alive(attempt: Attempt, alive: list[SecretVersion]) -> None:
    """PROMOTED, and an older password is accepted beside the new one."""
    numbers = ", ".join(str(version.number) for version in alive)
    wait(attempt, "old_alive", f"The target still accepts version {numbers}.")


def after_refusal(attempt: Attempt, error: TargetError) -> None:
    """The change itself failed: a policy's no wants another candidate, a lost answer wants a probe."""
    refusals = attempt.job.policy_refusals + 1
    if error.kind is FailureKind.POLICY and refusals < POLICY_REFUSALS:
        note = f"policy: {error.detail}"
        attempt.forget_candidate(error)
        jobs.move(attempt.lease, JobState.QUEUED, note=note, candidate=None, policy_refusals=refusals)
    elif error.kind is FailureKind.POLICY:
        attempt.forget_candidate(error)
        jobs.ask_human(
            attempt.lease, code=error.code, detail=error.detail, resume=JobState.QUEUED, candidate=None,
            policy_refusals=0,
        )  # fmt: skip
    elif error.kind is FailureKind.AUTHENTICATION and not isinstance(error, AdminRejected):
        _present_password_rejected(attempt, error)
    elif error.kind is FailureKind.UNREACHABLE:
        _count_outage(attempt, error)
        jobs.move(attempt.lease, JobState.UNKNOWN, note=f"{error.kind}: {error.detail}")
    else:
        after_failure(attempt, error)


def after_failure(attempt: Attempt, error: TargetError) -> None:
    """Unreachable and locked are tried again without end; everything else is a person's to decide."""
    if isinstance(error, AdminRejected):
        _admin_rejected(attempt, error)
    elif error.kind is FailureKind.UNREACHABLE:
        _count_outage(attempt, error)
        wait(attempt, error.code, error.detail, at_least=error.retry_after or 0)
    elif error.kind is FailureKind.LOCKED:
        wait(attempt, error.code, error.detail, at_least=error.retry_after or LOCKED_SECONDS)
    else:
        ask(attempt, error.code, error.detail)


def after_budget(attempt: Attempt, spent: Spent) -> None:
    """One more failed login might lock the account."""
    detail = "No more failed logins for now, so that the target does not lock the account."
    settle(attempt)
    jobs.wait(attempt.lease, code="lockout_budget", detail=detail, resume=resume_state(attempt), until=spent.until)


def after_unforeseen(attempt: Attempt, error: Exception) -> None:
    """A defect of ours or of a library: tried again a few times, since the world may have been at fault."""
    detail = unforeseen(error)
    jobs.reload(attempt.lease)
    if attempt.job.state in STOPPED:  # it struck after the commit of the last thing there was to do
        return
    if attempt.job.failures < UNFORESEEN_UNTIL_ASKED:
        wait(attempt, "unforeseen", detail)
    else:
        ask(attempt, "unforeseen", detail)


def _probed(attempt: Attempt) -> list[SecretVersion]:
    """The versions that a probe tries: the one in use first. No more than the lock-out budget has."""
    current, older = accounts.current_version(attempt.account), attempt.older()
    found = [old for old in older if old == current] + [old for old in older if old != current]
    return found[:PROBED_VERSIONS]


def _present_password_rejected(attempt: Attempt, error: TargetError) -> None:
    """The account's own login, by which it changes itself, was rejected."""
    if attempt.probed:
        _contradicts(attempt, error.code, f"{error.detail} A moment ago it was accepted.")
    else:
        jobs.move(attempt.lease, JobState.UNKNOWN, note=f"{error.kind}: {error.detail}")


def _contradicts(attempt: Attempt, code: str, detail: str) -> None:
    """The target's answers do not go together, as with replicas that lag: ask again later, a person in the end."""
    if attempt.job.failures < CONTRADICTIONS_UNTIL_ASKED:
        jobs.wait(attempt.lease, code=code, detail=detail, resume=JobState.UNKNOWN)
    else:
        jobs.ask_human(attempt.lease, code=code, detail=detail, resume=JobState.UNKNOWN)


def _admin_rejected(attempt: Attempt, error: TargetError) -> None:
    """A person's to mend, in the admin account; once that has another password, the job resumes by itself."""
    if attempt.is_admin_changing:
        wait(attempt, "admin_changing", error.detail)
        return
    settle(attempt)
    jobs.ask_human(
        attempt.lease, code=jobs.ADMIN_REJECTED, detail=error.detail, resume=resume_state(attempt),
        admin_version=attempt.admin_version,
    )  # fmt: skip


def _count_outage(attempt: Attempt, error: TargetError) -> None:
    """Once an attempt: the change and the question after it fail for one reason."""
    if not attempt.counted_outage:
        attempt.counted_outage = True
        attempt.health = targets.failed(attempt.job.workspace, attempt.job.target, error)
