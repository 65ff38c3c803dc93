"""What the home page says about departures and rotations."""

from typing import Final

from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from rotation.admin.jobs import UNDER_WAY, WAITS_FOR_A_PERSON
from rotation.admin.offboardings import RECENT_EXCEPTIONS
from rotation.departures import orphans, safeguard
from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import JobState
from workspace.admin.base import visitor
from workspace.admin.parts import url, when
from workspace.console import Banner, Card, Figure, home_banners, home_card
from workspace.models import Workspace

BANNERS: Final = 5


@home_card
def departures(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    exposures, offboardings = Exposure.objects.open(), Offboarding.objects.filter(completed_at=None)
    if workspace is not None:
        exposures, offboardings = exposures.for_workspace(workspace), offboardings.for_workspace(workspace)
    offboarding_list, exposure_list = (
        f"{reverse(f'admin:rotation_{name}_changelist')}?state=open" for name in ("offboarding", "exposure")
    )
    found = exposures.aggregate(still=Count("pk"), oldest=Min("opened_at"))
    still, oldest = found["still"], found["oldest"]
    note = format_html("the oldest began {}", when(oldest)) if oldest else ""
    return Card(
        "Departures",
        "person_off",
        [
            Figure("Open exposures", still, exposure_list, "warning" if still else "success", note),
            Figure("Open offboardings", offboardings.count(), offboarding_list),
            *_with_exceptions(workspace),
            *_waiting(workspace),
        ],
    )


def _with_exceptions(workspace: Workspace | None) -> list[Figure]:
    """Departures of late that left something as it is; only where there are some."""
    rows = Offboarding.objects.all() if workspace is None else Offboarding.objects.for_workspace(workspace)
    number = rows.filter(RECENT_EXCEPTIONS).count()
    page = f"{reverse('admin:rotation_offboarding_changelist')}?state=recent_exceptions"
    return [Figure("Closed with exceptions in 30 days", number, page, "warning")] if number else []


def _waiting(workspace: Workspace | None) -> list[Figure]:
    """What waits for an Owner's answer; a removal of many people only while there is one."""
    queue, removals = orphans.open_orphans(workspace).count(), safeguard.still_held(workspace).count()
    page = reverse("admin:rotation_orphan_changelist")
    figures = [Figure("Accounts without an Owner", queue, page, "warning" if queue else "success")]
    if removals:
        page = f"{reverse('admin:rotation_massremoval_changelist')}?state=waiting"
        figures.insert(0, Figure("Removals of many people: answer", removals, page, "danger"))
    return figures


@home_banners
def held_removals(request: HttpRequest) -> list[Banner]:
    """Removals of many people that wait for an Owner's answer."""
    held = safeguard.still_held(visitor(request).workspace).select_related("workspace")
    return [
        Banner(
            f"{removal.left} people of {removal.workspace} were deactivated at once. Their"
            f" access has ended; rotations wait for your answer until {removal.held_until:%H:%M} UTC.",
            url(removal), "Were they meant to leave?",
        )
        for removal in held.annotate(left=Count("offboardings__user", distinct=True))[:BANNERS]
    ]  # fmt: skip


@home_card
def rotations(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    rows = RotationJob.objects.all() if workspace is None else RotationJob.objects.for_workspace(workspace)
    counts = rows.aggregate(
        human=Count("pk", filter=WAITS_FOR_A_PERSON),
        waiting=Count("pk", filter=Q(state=JobState.WAITING)),
        running=Count("pk", filter=UNDER_WAY),
        done=Count("pk", filter=Q(state=JobState.DONE)),
    )
    page = reverse("admin:rotation_rotationjob_changelist")
    return Card(
        "Rotations",
        "autorenew",
        [
            Figure("Need a person", counts["human"], f"{page}?state=needs_human", "danger" if counts["human"] else ""),
            Figure("Waiting to try again", counts["waiting"], f"{page}?state=waiting"),
            Figure("Under way", counts["running"], f"{page}?state=running"),
            Figure("Done", counts["done"], f"{page}?state=done", "success"),
        ],
    )
