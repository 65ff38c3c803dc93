"""When the password that people are shown may not be in force: another one is being set, or the target rejected it."""

from typing import Any, Final

from django.db.models import Exists, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from rotation.models import RotationJob, RotationStep, Verification
from rotation.states import JobState
from workspace.doubts import Reason, register
from workspace.models import SecretVersion

MAY_BE_SET: Final = (JobState.APPLYING, JobState.APPLIED, JobState.UNKNOWN, JobState.NEW_OK)
"""From the intent to set a candidate until people are shown it."""
_STOPPED: Final = Q(state__in=(JobState.WAITING, JobState.NEEDS_HUMAN))


def _being_changed() -> QuerySet[Any, Any]:
    """The target may have taken a new password that is not proved yet."""
    setting = RotationStep.objects.filter(job=OuterRef("pk"), to_state=JobState.APPLYING)
    of_candidate = setting.filter(at__gte=OuterRef("candidate__created_at")).order_by().values("job")
    began = Subquery(of_candidate.annotate(first=Min("at")).values("first"))
    under_way = Q(state__in=MAY_BE_SET) | _STOPPED & Q(resume_state__in=MAY_BE_SET)
    jobs = RotationJob.objects.live().filter(under_way, account=OuterRef("pk"))
    return jobs.annotate(since=Coalesce(began, "candidate__created_at", "requested_at")).values("since")


def _suggested() -> QuerySet[Any, Any]:
    """Somebody was shown a password to set on the target by hand, and has not said yet that they did."""
    asked = RotationJob.objects.live().filter(account=OuterRef("account"), requested_at__lte=OuterRef("created_at"))
    seen = SecretVersion.objects.candidates().filter(
        Exists(asked.filter(_STOPPED)), account=OuterRef("pk"), reveals__isnull=False
    )
    return seen.order_by("created_at").values("created_at")


def _rejected() -> QuerySet[Any, Any]:
    """The regular check found it so."""
    found = Verification.objects.filter(account=OuterRef("pk"), drifted_at__isnull=False)
    return found.values("drifted_at")


NO_MORE: Final = "; this one may not work any more."
register(
    Reason(Subquery(_being_changed()[:1]), "This password is being changed since", NO_MORE),
    Reason(Subquery(_suggested()[:1]), "Somebody changes this password by hand since", NO_MORE),
    Reason(Subquery(_rejected()[:1]), "The target rejects this password, seen", "."),
)
