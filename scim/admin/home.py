"""What the home page says about Okta's way in: whether requests come, how they end, how long the token lasts."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html

from scim.admin.events import first_of
from scim.admin.tokens import ENDING
from scim.models import VALID, ProvisioningEvent, ScimToken
from scim.scopes import CHANGES_PEOPLE
from workspace.admin.base import visitor
from workspace.admin.parts import when
from workspace.console import Card, Figure, home_card
from workspace.models import Workspace

DAYS: Final = 14
HEIGHT: Final = 48
"""Of the tallest bar."""


@dataclass(frozen=True)
class Day:
    """What the identity provider wrote on a day, and what was refused."""

    day: date
    done: int = 0
    refused: int = 0


@home_card
def provisioning(request: HttpRequest) -> Card:
    workspace = visitor(request).workspace
    rows = ScimToken.objects.all() if workspace is None else ScimToken.objects.for_workspace(workspace)
    counts = rows.aggregate(
        valid=Count("pk", filter=VALID), working=Count("pk", filter=VALID & CHANGES_PEOPLE),
        soon=Count("pk", filter=ENDING), used=Max("last_used_at"),
    )  # fmt: skip
    days = _days(workspace)
    tokens, log = reverse("admin:scim_scimtoken_changelist"), reverse("admin:scim_provisioningevent_changelist")
    log = f"{log}?since={DAYS}d"
    done, refused = sum(day.done for day in days), sum(day.refused for day in days)
    last = format_html("last request {}", when(counts["used"])) if counts["used"] else "no request yet"
    return Card(
        "Okta",
        "vpn_key",
        [
            Figure("Done in 14 days", done, f"{log}&result=done", "success", last),
            Figure("Refused in 14 days", refused, f"{log}&result=refused", "danger"),
            Figure("Valid tokens", counts["valid"], f"{tokens}?state=valid", "success"),
            Figure("Ending within 20 days", counts["soon"], f"{tokens}?state=ending", "warning"),
        ],
        _note(counts["valid"], counts["working"], counts["soon"]),
        _chart(days),
    )


def _note(valid: int, working: int, soon: int) -> str:
    if working and soon:
        return f"{soon} token{'s end' if soon != 1 else ' ends'} within 20 days: regenerate in time."
    if working:
        return ""
    what = "a valid token that may change people" if valid else "a valid token"
    return f"Without {what} nobody is provisioned and nobody is disabled: issue one."


def _days(workspace: Workspace | None) -> list[Day]:
    """The last 14, today included, those without a request too."""
    events = ProvisioningEvent.objects.all()
    events = events if workspace is None else events.for_workspace(workspace)
    start = first_of(DAYS)
    counted = events.filter(at__gte=start).order_by().annotate(day=TruncDate("at")).values("day").annotate(
        done=Count("pk", filter=Q(status__lt=400)), refused=Count("pk", filter=Q(status__gte=400))
    )  # fmt: skip
    found = {row["day"]: Day(**row) for row in counted}
    dates = [start.date() + timedelta(days=number) for number in range(DAYS)]
    return [found.get(day, Day(day)) for day in dates]


def _chart(days: list[Day]) -> str:
    """Bars as SVG: those refused on top of those done. A day with any has a bar that can be seen."""
    most = max(1, *(day.done + day.refused for day in days))
    bars = []
    for number, day in enumerate(days):
        done, refused = (_height(count, most) for count in (day.done, day.refused))
        bars.append({
            "day": day, "x": number * 16, "done": done, "refused": refused,
            "done_y": HEIGHT + 2 - done, "refused_y": HEIGHT + 2 - done - refused,
        })  # fmt: skip
    return render_to_string("admin/console/requests_chart.html", {"bars": bars, "base": HEIGHT + 4})


def _height(count: int, most: int) -> int:
    return max(1, round(count * (HEIGHT - 2) / most)) if count else 0
