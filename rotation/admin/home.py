"""What the home page says about departures and rotations."""

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse

from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import FINISHED, JobState
from workspace.admin.base import visitor
from workspace.console import Card, Figure, home_card


@home_card
def departures(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    exposures, offboardings = Exposure.objects.open(), Offboarding.objects.filter(completed_at=None)
    if workspace is not None:
        exposures, offboardings = exposures.for_workspace(workspace), offboardings.for_workspace(workspace)
    page = f"{reverse('admin:rotation_offboarding_changelist')}?state=open"
    still = exposures.count()
    return Card(
        "Departures",
        "person_off",
        [
            Figure("Open exposures", still, page, "warning" if still else "success"),
            Figure("Open offboardings", offboardings.count(), page),
        ],
    )


@home_card
def rotations(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    rows = RotationJob.objects.all() if workspace is None else RotationJob.objects.for_workspace(workspace)
    stopped = (JobState.WAITING, JobState.NEEDS_HUMAN)
    counts = rows.aggregate(
        human=Count("pk", filter=Q(state=JobState.NEEDS_HUMAN)),
        waiting=Count("pk", filter=Q(state=JobState.WAITING)),
        running=Count("pk", filter=~Q(state__in=(*FINISHED, *stopped))),
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
