"""Rotations that nobody has to ask for: a password of so many days is changed, within the workspace's hours."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import DateTimeField, DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Value
from django.utils import timezone

from rotation import jobs
from rotation.models import RotationJob
from workspace.models import Account, SecretVersion, Workspace

AT_ONCE: Final = 200
"""How many of a workspace are begun at a time; the next look begins more."""


def begin_due() -> int:
    """Want a rotation for each account whose password is older than it may be; how many."""
    now, begun = timezone.now(), 0
    scheduled = Account.objects.filter(workspace=OuterRef("pk"), rotate_every_days__isnull=False, archived_at=None)
    for workspace in Workspace.objects.filter(Exists(scheduled)):
        if is_open(workspace, now):
            accounts = list(due(workspace, now)[:AT_ONCE])
            jobs.request(workspace, accounts, cause="Its password reached its age", routine=True)
            begun += len(accounts)
    return begun


def due(workspace: Workspace, now: datetime) -> QuerySet[Account]:
    """The accounts whose password is older than it may be, and that are not being rotated."""
    allowed = ExpressionWrapper(F("account__rotate_every_days") * Value(timedelta(days=1)), DurationField())
    too_old = ExpressionWrapper(Value(now) - allowed, DateTimeField())
    old = SecretVersion.objects.current().filter(account=OuterRef("pk"), visible_from__lte=too_old)
    live = RotationJob.objects.live().filter(account=OuterRef("pk"))
    scheduled = Account.objects.for_workspace(workspace).filter(rotate_every_days__isnull=False, archived_at=None)
    return scheduled.filter(Exists(old), ~Exists(live)).order_by("pk")


def is_open(workspace: Workspace, now: datetime) -> bool:
    """Whether scheduled rotations may begin at this hour of the workspace's own time."""
    first, last = workspace.rotation_window_from, workspace.rotation_window_until
    hour = now.astimezone(ZoneInfo(workspace.time_zone)).hour
    if first == last:
        return True
    return first <= hour < last if first < last else hour >= first or hour < last
