"""Rotations that wait for a person, as the account's item Owners see them: what is asked, a suggestion, the answer.

A suggested password is sealed and committed before it is shown, like every password that may come to be set; so a lost
page loses none. It counts as known to whoever saw it.
"""

from uuid import UUID

from rotation import connectors, jobs, passwords, resolution
from rotation.models import RotationJob, RotationJobQuerySet
from rotation.passwords import Policy
from rotation.states import JobState
from workspace import accounts, audit
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, NotFound
from workspace.models import GrantRole, SecretVersion, User
from workspace.vault import ledger


def waiting_for(user: User) -> RotationJobQuerySet:
    """The rotations in need of a person whose account this person owns, directly or through a team; oldest first. Not
    those that rest because a risk was accepted."""
    if user.workspace_id is None:
        return RotationJob.objects.none()
    owned = ledger.holdings_of(user).reaching().filter(role=GrantRole.OWNER)
    found: RotationJobQuerySet = RotationJob.objects.filter(
        workspace_id=user.workspace_id, state=JobState.NEEDS_HUMAN,
        account_id__in=owned.values("account_id"),
    )  # fmt: skip
    found = found.exclude(failure_code=jobs.RISK_ACCEPTED)
    return found.select_related("account__workspace", "workspace").order_by("requested_at")


def find(user: User, job_id: UUID) -> RotationJob:
    """Raises NotFound for a rotation that does not wait for this person."""
    job = waiting_for(user).filter(pk=job_id).first()
    if job is None:
        raise NotFound("No such task waits for you.")
    return job


@atomic()
def suggest(job: RotationJob, user: User) -> Secret:
    """A new password by the account's policy, sealed before it is handed out, for the person to set on the target.

    Holds the person's row against a departure that runs beside it. Raises NotFound, Invalid for a policy nothing fits.
    """
    account = accounts.lock(job.account)
    user, actor = User.objects.select_for_update(no_key=True).get(pk=user.pk), Actor.person(user)
    job = find(user, job.pk)
    rules = connectors.of(account, timeout=1).capabilities.password_rules
    password = passwords.generate(Policy.of(account, target_rules=rules))
    version = accounts.add_candidate(account, password)
    accounts.note_known(version, actor=actor)
    audit.record(
        job.workspace, Verb.ROTATION_SUGGESTED, job, actor=actor, account=str(account.pk), version=version.number
    )
    return password


def suggestion(job: RotationJob, user: User) -> SecretVersion | None:
    """What this person was last suggested for this rotation, if nothing came of it yet."""
    seen = SecretVersion.objects.candidates().filter(
        account_id=job.account_id, reveals__user=user, created_at__gte=job.requested_at
    )
    untried = seen if job.candidate_id is None else seen.exclude(pk=job.candidate_id)
    return untried.order_by("-number").first()


def answer(job: RotationJob, user: User, password: Secret | None) -> RotationJob:
    """The person says that they set this password; None: the suggested one.

    Raises NotFound for a rotation that does not wait for them, Invalid without a suggestion or for a password that
    cannot be taken, Refused when somebody else answered meanwhile.
    """
    job = find(user, job.pk)
    if password is None:
        suggested = suggestion(job, user)
        if suggested is None:
            raise Invalid("No password was suggested to you yet.")
        password = accounts.open_version(suggested)
    return resolution.changed_by_hand(job, password, actor=Actor.person(user))
