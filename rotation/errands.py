"""What is looked for about once a minute, beside the sweep: notices that time makes, and those that are settled.

A floor above adds its own with `errand`, so that this one needs to know nothing of it. Each errand is cheap when there
is nothing to do, and doing it twice is doing it once.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.utils import timezone

from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import JobState
from workspace import audit_walks, notices
from workspace.models import Notice, NoticeSettings

Errand = Callable[[], object]
_ERRANDS: Final[list[Errand]] = []


def errand(do: Errand) -> Errand:
    """Have `do` done about once a minute."""
    _ERRANDS.append(do)
    return do


def once() -> None:
    for do in _ERRANDS:
        do()


@errand
def tell_of_long_exposures() -> None:
    """One notice a departure with an exposure that is open longer than its workspace wants."""
    now = timezone.now()
    told = Notice.objects.open().filter(
        workspace=OuterRef("workspace"), kind=Notice.Kind.EXPOSURE_OPEN_LONG, subject_id=OuterRef("offboarding"),
        told_at__gt=now - notices.AGAIN_AFTER[Notice.Kind.EXPOSURE_OPEN_LONG],
    )  # fmt: skip
    late = Exposure.objects.open().filter(~Exists(told), opened_at__lt=now - timedelta(hours=1))
    found = late.values("workspace", "offboarding").annotate(oldest=Min("opened_at"), number=Count("pk"))
    hours = _hours({row["workspace"] for row in found})
    for row in found:
        if row["oldest"] < now - timedelta(hours=hours[row["workspace"]]):
            _tell_of(row, hours[row["workspace"]])


@errand
def settle_rotations_and_exposures() -> None:
    """Notices whose rotation needs nobody any more, and whose departure is complete."""
    waiting = RotationJob.objects.filter(state=JobState.NEEDS_HUMAN)
    _settle(Notice.Kind.ROTATION_NEEDS_HUMAN, waiting)
    _settle(Notice.Kind.EXPOSURE_OPEN_LONG, Offboarding.objects.filter(completed_at=None))


@errand
def walk_an_audit_chain() -> None:
    """One a minute: a long chain takes a while, and mail waits behind it."""
    audit_walks.walk_next()


def _settle(kind: Notice.Kind, unsettled: QuerySet[Any]) -> None:
    Notice.objects.open().filter(~Exists(unsettled.filter(pk=OuterRef("subject_id"))), kind=kind).update(
        resolved_at=timezone.now()
    )


def _hours(workspaces: set[Any]) -> dict[Any, int]:
    default = NoticeSettings._meta.get_field("exposure_hours").get_default()
    chosen = NoticeSettings.objects.filter(workspace__in=workspaces).values_list("workspace", "exposure_hours")
    return defaultdict(lambda: default, chosen)


def _tell_of(row: Mapping[str, Any], hours: int) -> None:
    offboarding = Offboarding.objects.select_related("workspace").get(pk=row["offboarding"])
    passwords = "1 password" if row["number"] == 1 else f"{row['number']} passwords"
    notices.tell(
        offboarding.workspace, Notice.Kind.EXPOSURE_OPEN_LONG, offboarding, open=row["number"], since=row["oldest"],
        summary=f"After more than {hours} hours, {passwords} that a leaver could have known may still be alive.",
    )  # fmt: skip
