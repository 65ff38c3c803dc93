"""What is looked for about once a minute, beside the sweep: notices that time makes, and those that are settled.

A floor above adds its own with `errand`, so that this one needs to know nothing of it. Each errand is cheap when there
is nothing to do, and doing it twice is doing it once.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from rotation.models import AccessLoss, Exposure, Offboarding, RotationJob
from rotation.states import JobState
from workspace import notices
from workspace.audit import walks
from workspace.models import Account, Notice, NoticeSettings

logger = logging.getLogger(__name__)

Errand = Callable[[], object]
_ERRANDS: Final[list[Errand]] = []


def errand(do: Errand) -> Errand:
    """Have `do` done about once a minute."""
    _ERRANDS.append(do)
    return do


def once() -> None:
    each(*_ERRANDS)


def each(*steps: Callable[[], object]) -> None:
    """Do all of these, whatever becomes of one: what fails for one customer stops nothing for the others.

    The first failure is raised in the end, the others are logged.
    """
    failures = []
    for step in steps:
        try:
            step()
        except Exception as error:
            logger.exception("%s failed; the next turn tries again", getattr(step, "__name__", step))
            failures.append(error)
    if failures:
        raise failures[0]


@errand
def tell_of_long_exposures() -> None:
    """One notice a departure, or loss of access, with an exposure that is open longer than its workspace wants."""
    now = timezone.now()
    told = Notice.objects.open().filter(
        workspace=OuterRef("workspace"), kind=Notice.Kind.EXPOSURE_OPEN_LONG,
        subject_id=Coalesce(OuterRef("offboarding"), OuterRef("loss")),
        told_at__gt=now - notices.AGAIN_AFTER[Notice.Kind.EXPOSURE_OPEN_LONG],
    )  # fmt: skip
    late = Exposure.objects.open().filter(~Exists(told), opened_at__lt=now - timedelta(hours=1))
    found = late.values("workspace", "offboarding", "loss").annotate(oldest=Min("opened_at"), number=Count("pk"))
    hours = _hours({row["workspace"] for row in found})
    for row in found:
        if row["oldest"] < now - timedelta(hours=hours[row["workspace"]]):
            _tell_of(row, hours[row["workspace"]])


@errand
def settle_rotations_and_exposures() -> None:
    """Notices whose rotation needs nobody any more, or whose account's password fits again, and those of whose
    departure or loss of access nothing is open."""
    asking = Q(state=JobState.NEEDS_HUMAN) | Q(state=JobState.WAITING, asked_at__isnull=False)
    drifted = Account.objects.filter(verification__drifted_at__isnull=False)
    _settle(Notice.Kind.ROTATION_NEEDS_HUMAN, RotationJob.objects.filter(asking), drifted)
    still = Exposure.objects.open().filter(loss=OuterRef("pk"))
    departures, losses = Offboarding.objects.filter(completed_at=None), AccessLoss.objects.filter(Exists(still))
    _settle(Notice.Kind.EXPOSURE_OPEN_LONG, departures, losses)


@errand
def walk_an_audit_chain() -> None:
    """One a minute: a long chain takes a while, and mail waits behind it."""
    walks.walk_next()


def _settle(kind: Notice.Kind, *unsettled: QuerySet[Any]) -> None:
    """Resolve the notices whose subject is among none of these."""
    settled = Notice.objects.open().filter(kind=kind)
    for rows in unsettled:
        settled = settled.filter(~Exists(rows.filter(pk=OuterRef("subject_id"))))
    settled.update(resolved_at=timezone.now())


def _hours(workspaces: set[Any]) -> dict[Any, int]:
    default = NoticeSettings._meta.get_field("exposure_hours").get_default()
    chosen = NoticeSettings.objects.filter(workspace__in=workspaces).values_list("workspace", "exposure_hours")
    return defaultdict(lambda: default, chosen)


def _tell_of(row: Mapping[str, Any], hours: int) -> None:
    kind, pk = (Offboarding, row["offboarding"]) if row["offboarding"] else (AccessLoss, row["loss"])
    subject = kind.objects.select_related("workspace").get(pk=pk)
    passwords = "1 password" if row["number"] == 1 else f"{row['number']} passwords"
    notices.tell(
        subject.workspace, Notice.Kind.EXPOSURE_OPEN_LONG, subject, open=row["number"], since=row["oldest"],
        summary=f"After more than {hours} hours, {passwords} known to somebody without access may still be alive.",
    )  # fmt: skip
