"""Rotations that nobody has to ask for: a password of so many days is changed, within the workspace's hours."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from rotation import jobs
from rotation.models import RotationJob
from workspace import tenancy
from workspace.models import Account, SecretVersion, Workspace

AT_ONCE: Final = 200
"""How many of a workspace are begun at a time; the next look begins more."""


def begin_due() -> int:
    """Want a rotation for each account whose password is older than it may be; how many."""
    now, begun = timezone.now(), 0
    scheduled = Account.objects.filter(workspace=OuterRef("pk"), rotate_every_days__isnull=False, archived_at=None)
    for workspace in Workspace.objects.filter(Exists(scheduled) | Q(rotate_every_days__isnull=False)):
        if is_open(workspace, now):
            accounts = list(due(workspace, now)[:AT_ONCE])
            jobs.request(workspace, accounts, cause="Its password reached its age", routine=True)
            begun += len(accounts)
    return begun


def due(workspace: Workspace, now: datetime) -> QuerySet[Account]:
    """The accounts whose password is older than it may be, and that are not being rotated."""
    old = SecretVersion.objects.current().filter(account=OuterRef("pk"), visible_from__lte=OuterRef("too_old"))
    live = RotationJob.objects.live().filter(account=OuterRef("pk"))
    own, everybodys = Q(rotate_every_days__gt=0), Q(rotate_every_days=None, is_privileged=True)
    wanted = own | everybodys if workspace.rotate_every_days else own
    days = Coalesce(F("rotate_every_days"), Value(workspace.rotate_every_days, PositiveSmallIntegerField()))
    allowed = ExpressionWrapper(days * Value(timedelta(days=1)), DurationField())
    too_old = ExpressionWrapper(Value(now) - allowed, DateTimeField())
    scheduled = Account.objects.for_workspace(workspace).filter(wanted, archived_at=None).annotate(too_old=too_old)
    return scheduled.filter(Exists(old), ~Exists(live)).order_by("pk")


def is_open(workspace: Workspace, now: datetime) -> bool:
    """Whether scheduled rotations may begin at this hour of the workspace's own time."""
    first, last = workspace.rotation_window_from, workspace.rotation_window_until
    hour = now.astimezone(tenancy.zone_of(workspace)).hour
    if first == last:
        return True
    return first <= hour < last if first < last else hour >= first or hour < last
