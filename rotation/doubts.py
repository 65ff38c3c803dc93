"""When the password that people are shown may not be in force: another one is being set, or the target rejected it."""

from typing import Final

from django.db.models import Exists, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from rotation.models import RotationJob, RotationStep, Verification
from rotation.states import JobState
from workspace.doubts import Doubt, doubts
from workspace.models import Account, SecretVersion

MAY_BE_SET: Final = (JobState.APPLYING, JobState.APPLIED, JobState.UNKNOWN, JobState.NEW_OK)
"""From the intent to set a candidate until people are shown it."""
_STOPPED: Final = Q(state__in=(JobState.WAITING, JobState.NEEDS_HUMAN))


@doubts
def being_changed(account: Account) -> Doubt | None:
    """The target may have taken a new password that is not proved yet."""
    setting = RotationStep.objects.filter(job=OuterRef("pk"), to_state=JobState.APPLYING)
    of_candidate = setting.filter(at__gte=OuterRef("candidate__created_at")).order_by().values("job")
    began = Subquery(of_candidate.annotate(first=Min("at")).values("first"))
    under_way = Q(state__in=MAY_BE_SET) | _STOPPED & Q(resume_state__in=MAY_BE_SET)
    jobs = RotationJob.objects.live().filter(under_way, account=account)
    since = jobs.values_list(Coalesce(began, "candidate__created_at", "requested_at"), flat=True).first()
    if since is None:
        return None
    return Doubt(since, "This password is being changed since", "; this one may not work any more.")


@doubts
def suggested(account: Account) -> Doubt | None:
    """Somebody was shown a password to set on the target by hand, and has not said yet that they did."""
    asked = RotationJob.objects.live().filter(account=OuterRef("account"), requested_at__lte=OuterRef("created_at"))
    seen = SecretVersion.objects.candidates().filter(
        Exists(asked.filter(_STOPPED)), account=account, reveals__isnull=False
    )
    since = seen.order_by("created_at").values_list("created_at", flat=True).first()
    if since is None:
        return None
    return Doubt(since, "Somebody changes this password by hand since", "; this one may not work any more.")


@doubts
def drifted(account: Account) -> Doubt | None:
    """The regular check found it rejected."""
    found = Verification.objects.filter(account=account, drifted_at__isnull=False)
    since = found.values_list("drifted_at", flat=True).first()
    return Doubt(since, "The target rejects this password, seen", ".") if since else None
