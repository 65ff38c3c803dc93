"""A person's answer to a rotation that waits for one: “I changed it: verify this password”, “use the admin account”,
“take the target's word”.

"Accept the risk until…" is `rotation.risk`.
"""

from typing import Final

from django.utils import timezone

from rotation import connectors, jobs, wake
from rotation.departures import exposures
from rotation.jobs import Move
from rotation.models import RotationJob
from rotation.states import JobState
from workspace import accounts, audit
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import Account, SecretVersion

KNOWN_BEFORE: Final = 20
ON_ITS_WORD: Final = "on the target's word"


@atomic()
def changed_by_hand(job: RotationJob, password: Secret, *, actor: Actor) -> RotationJob:
    """Take a password that a person says they set on the target.

    Where the connector can verify, the engine asks the target and goes on to prove the old one dead; elsewhere the
    person's word closes the exposures, and says so. Raises Refused for a job that waits for nobody, or for a person who
    acts and has no access any more.
    """
    accounts.lock_with_people(job.account, actor=actor)
    job = RotationJob.objects.select_for_update(of=("self",)).select_related("account__workspace").get(pk=job.pk)
    if job.state not in {JobState.NEEDS_HUMAN, JobState.WAITING}:
        raise Refused(f"{job} does not wait for a person.")
    if not password.reveal() or "\x00" in password.reveal():
        raise Invalid("A password must not be empty or contain a NUL character.", field="password")
    _refuse_known(job, password)
    candidate = _suggested(job, password) or accounts.add_candidate(job.account, password)
    accounts.note_known(candidate, actor=actor)
    verifies = connectors.of(job.account, timeout=1).capabilities.can_verify
    audit.record(
        job.workspace, Verb.ROTATION_CHANGED_BY_HAND, job, actor=actor, account=str(job.account_id),
        version=candidate.number, verified_by_us=verifies,
    )  # fmt: skip
    lease = jobs.seize(job)
    if verifies:
        jobs.move(lease, JobState.UNKNOWN, note="a person entered a password", candidate=candidate, lease_until=None)
        wake.on_commit([job.pk])
    else:
        accounts.make_current(candidate, at=timezone.now())
        jobs.finish(
            lease, Move(JobState.DONE, "a person changed it by hand"), candidate=candidate,
            follow_ups=[*job.follow_ups, _left_open(job)],
        )  # fmt: skip
        exposures.close_changed_by_hand(job, candidate, actor=actor)
    return job


@atomic()
def use_admin(job: RotationJob, admin: Account, *, actor: Actor) -> RotationJob:
    """Name the account whose password may reset this one, and go on with it.

    Raises Refused for a job that waits for nobody, Invalid for an account that cannot be the admin: of another
    workspace, itself, without a stored password, or where the connector knows no reset by another login.
    """
    account = job.account
    if not connectors.of(account, timeout=1).capabilities.admin_reset:
        raise Invalid("No other login can reset this one on such a target.", field="admin_account")
    if accounts.current_version(admin) is None and admin.workspace_id == account.workspace_id:
        raise Invalid(f"No password is stored for {admin}. Enter it there first.", field="admin_account")
    accounts.update(account, actor=actor, admin_account=admin)
    return jobs.retry(job, actor=actor)


@atomic()
def take_targets_word(job: RotationJob, *, reason: str, actor: Actor) -> RotationJob:
    """Go on with a rotation whose target said that it took the new password and cannot be asked which one is in force.

    People are shown it from now on. Its exposures close when the sessions are closed, which the engine does, or at once
    where it cannot. What a departure's certificate says of it then is an exception, with who accepted it and why.
    Raises Refused where the target gave no such answer or can be asked, Invalid without a reason.
    """
    accounts.lock_with_people(job.account, actor=actor)
    job = RotationJob.objects.select_for_update(of=("self",)).select_related("account__workspace").get(pk=job.pk)
    if no := why_not_targets_word(job):
        raise Refused(no)
    if not reason.strip():
        raise Invalid("Say why the target's word is enough: it is shown to auditors.", field="reason")
    candidate = job.candidate
    assert candidate is not None
    audit.record(
        job.workspace, Verb.ROTATION_TARGETS_WORD_TAKEN, job, actor=actor, account=str(job.account_id),
        version=candidate.number, reason=reason.strip(),
    )  # fmt: skip
    accounts.make_current(candidate, at=timezone.now())
    lease, facts = jobs.seize(job), {"word": {"by": actor.to_json(), "reason": reason.strip()}}
    if connectors.of(job.account, timeout=1).capabilities.closes_sessions:
        jobs.move(lease, JobState.OLD_DEAD, note=ON_ITS_WORD, facts=facts, lease_until=None)
        wake.on_commit([job.pk])
    else:
        jobs.finish(lease, Move(JobState.DONE, ON_ITS_WORD, facts), follow_ups=[*job.follow_ups, _left_open(job)])
        exposures.close_on_targets_word(job, actor=actor, word=facts["word"])
    return job


def why_not_targets_word(job: RotationJob) -> str:
    """Why the target's word cannot be taken; empty when it can."""
    if job.state not in {JobState.NEEDS_HUMAN, JobState.WAITING}:
        return f"{job} does not wait for a person."
    if job.candidate is None or job.resume_state != JobState.APPLIED:
        return "The target did not say that it took a new password."
    try:
        asks = connectors.of(job.account, timeout=1).capabilities.can_verify
    except Invalid as error:
        return error.detail
    current = accounts.current_version(job.account)
    if current is not None and current.number > job.candidate.number:
        return f"Somebody entered another password for {job.account} meanwhile."
    return "This target can be asked which password is in force: try again." if asks else ""


def _left_open(job: RotationJob) -> str:
    return f"Sessions of {job.account.username or job.account} were not ended: end them on the target."


def _suggested(job: RotationJob, password: Secret) -> SecretVersion | None:
    """The version in which this very password was sealed when it was suggested (`rotation.manual`).

    Stored a second time, it would be an older password of the account that is still alive.
    """
    seen = SecretVersion.objects.candidates().filter(
        account=job.account, reveals__isnull=False, created_at__gte=job.requested_at
    )
    return next((version for version in seen.distinct() if accounts.open_version(version) == password), None)


def _refuse_known(job: RotationJob, password: Secret) -> None:
    """Raises Invalid for a password that people were shown before: that one is what has to go."""
    shown = SecretVersion.objects.filter(account=job.account, visible_from__isnull=False).order_by("-number")
    if any(accounts.open_version(version) == password for version in shown[:KNOWN_BEFORE]):
        raise Invalid("This account had that password before. Change it on the target first.", field="password")
