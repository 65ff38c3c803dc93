"""Accepting a risk until a date: what stays open is closed on a person's word, and opens again when the date passes."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from rotation import jobs
from rotation.departures import exposures
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import Account, Workspace

LONGEST: Final = timedelta(days=366)
REOPENER: Final = Actor.system("risk acceptance")


@atomic()
def accept(job: RotationJob, *, until: datetime, reason: str, actor: Actor) -> int:
    """Close the open exposures of the job's account until a date, and let the job rest so long; how many.

    Raises Refused for a job that waits for nobody or an account without open exposures, Invalid for the date or an
    empty reason.
    """
    job = RotationJob.objects.select_for_update(of=("self",)).select_related("account", "workspace").get(pk=job.pk)
    if job.state not in {JobState.NEEDS_HUMAN, JobState.WAITING}:
        raise Refused(f"{job} does not wait for a person.")
    now = timezone.now()
    if not now < until <= now + LONGEST:
        raise Invalid("A risk is accepted until a day to come, within a year.", field="until")
    if not reason.strip():
        raise Invalid("Say why the risk is accepted: it is shown to auditors.", field="reason")
    accepted = exposures.close_accepted(job, until=until, reason=reason.strip(), actor=actor)
    if not accepted:
        raise Refused(f"Nothing of {job.account} is open that could be accepted.")
    jobs.park(job, until=until)
    audit.record(
        job.workspace, Verb.EXPOSURE_RISK_ACCEPTED, job, actor=actor, account=str(job.account_id), exposures=accepted,
        until=until.isoformat(), reason=reason.strip(),
    )  # fmt: skip
    return accepted


@atomic()
def withdraw(job: RotationJob, *, actor: Actor) -> int:
    """Open again what was accepted for the job's account, and go on with its rotation now; how many exposures.

    Raises Refused where nothing is accepted.
    """
    opened = _reopen(accepted_for(job.account), cause="An accepted risk was withdrawn", actor=actor)
    if not opened:
        raise Refused(f"No risk of {job.account} is accepted.")
    return opened


def reopen_due() -> int:
    """Open again what was accepted until now, and go on with its rotations; how many exposures."""
    over = Exposure.objects.filter(outcome=Outcome.RISK_ACCEPTED, accepted_until__lte=timezone.now())
    with atomic():
        return _reopen(over, cause="The risk was accepted until now", actor=REOPENER)


def accepted_for(account: Account) -> QuerySet[Exposure]:
    """The exposures of an account that are closed for a time on somebody's word."""
    return Exposure.objects.filter(account=account, outcome=Outcome.RISK_ACCEPTED)


def _reopen(accepted: QuerySet[Exposure], *, cause: str, actor: Actor) -> int:
    """Locks as a worker does: the rotations, their exposures, the offboardings."""
    resting = RotationJob.objects.live().filter(account__in=accepted.order_by().values("account"))
    list(resting.select_for_update(no_key=True).order_by("account").values_list("pk"))
    rows = list(accepted.select_for_update(of=("self",)).select_related("account__workspace").order_by("pk"))
    Exposure.objects.filter(pk__in=[row.pk for row in rows]).update(closed_at=None, outcome="", closed_by=None)
    again = Offboarding.objects.filter(pk__in={row.offboarding_id for row in rows if row.offboarding_id})
    list(again.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    again.update(completed_at=None)
    wanted: dict[Workspace, set[Account]] = {}
    for row in rows:
        wanted.setdefault(row.account.workspace, set()).add(row.account)
    for workspace, accounts in wanted.items():
        for account in accounts:
            audit.record(workspace, Verb.EXPOSURE_REOPENED, account, actor=actor, cause=cause)
        jobs.want(workspace, [account.pk for account in accounts], cause=cause)
    return len(rows)
