"""Verbs on the tenant itself."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.core.exceptions import ValidationError

from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import RotationPolicy, Workspace

_NEEDED: Final = {
    "name": "A workspace needs a name of at most 120 characters.",
    "slug": "A slug is made of at most 60 lower-case letters, digits and hyphens.",
}

LONGEST_MINUTES: Final = 1440
LONGEST_DAYS: Final = 3650
LONGEST_HOURS: Final = 8760


@atomic()
def create(name: str, slug: str, *, actor: Actor) -> Workspace:
    """A new, empty workspace. Raises Conflict when the slug is taken, Invalid when it is no slug."""
    workspace = Workspace(name=name.strip(), slug=slug.strip())
    try:
        workspace.clean_fields()
    except ValidationError as error:
        field = next(iter(error.message_dict))
        raise Invalid(_NEEDED.get(field, "Such a workspace cannot be."), field=field) from error
    if Workspace.objects.filter(slug__iexact=workspace.slug).exists():
        raise Conflict(f"There is a workspace {workspace.slug} already.")
    workspace.save(force_insert=True)
    audit.record(workspace, Verb.WORKSPACE_CREATED, workspace, actor=actor)
    return workspace


@atomic()
def configure(
    workspace: Workspace, *, actor: Actor, rotation_policy: RotationPolicy, provider_assigns_owner: bool
) -> Workspace:
    """Decide what a departure rotates and whether the identity provider may make Owners; unchanged is no event."""
    wanted = {"rotation_policy": rotation_policy, "provider_assigns_owner": provider_assigns_owner}
    return _configure(workspace, wanted, actor)


@atomic()
def guard(
    workspace: Workspace, *, actor: Actor, rotate_on_access_loss: RotationPolicy, mass_removal_people: int,
    mass_removal_percent: int, mass_removal_window_minutes: int, mass_removal_hold_minutes: int,
) -> Workspace:  # fmt: skip
    """Decide what is rotated for people who stay and lose access, and which removals of many people wait for an Owner;
    unchanged is no event. Raises Invalid for numbers that cannot be."""
    if mass_removal_people < 1 or not 0 <= mass_removal_percent <= 100:
        raise Invalid("At least one person, and a share from 0 to 100 percent.", field="mass_removal_percent")
    for name, minutes in (
        ("mass_removal_window_minutes", mass_removal_window_minutes),
        ("mass_removal_hold_minutes", mass_removal_hold_minutes),
    ):
        if not 1 <= minutes <= LONGEST_MINUTES:
            raise Invalid(f"From 1 to {LONGEST_MINUTES} minutes.", field=name)
    wanted = {
        "rotate_on_access_loss": rotate_on_access_loss, "mass_removal_people": mass_removal_people,
        "mass_removal_percent": mass_removal_percent, "mass_removal_window_minutes": mass_removal_window_minutes,
        "mass_removal_hold_minutes": mass_removal_hold_minutes,
    }  # fmt: skip
    return _configure(workspace, wanted, actor)


@atomic()
def schedule(
    workspace: Workspace, *, actor: Actor, time_zone: str, rotation_window_from: int, rotation_window_until: int,
    rotate_every_days: int | None, verify_every_hours: int,
) -> Workspace:  # fmt: skip
    """Decide when passwords are changed and checked without anybody leaving; unchanged is no event.

    Raises Invalid for an unknown time zone, and for numbers that cannot be.
    """
    if time_zone not in time_zones():
        detail = f"There is no time zone {time_zone}. Take one of IANA's, such as Europe/Berlin."
        raise Invalid(detail, field="time_zone")
    for name, hour in (
        ("rotation_window_from", rotation_window_from), ("rotation_window_until", rotation_window_until)
    ):  # fmt: skip
        if not 0 <= hour <= 23:
            raise Invalid("An hour from 0 to 23.", field=name)
    if rotate_every_days is not None and not 1 <= rotate_every_days <= LONGEST_DAYS:
        raise Invalid(f"From 1 to {LONGEST_DAYS} days, or empty.", field="rotate_every_days")
    if not 0 <= verify_every_hours <= LONGEST_HOURS:
        raise Invalid(f"From 0 to {LONGEST_HOURS} hours.", field="verify_every_hours")
    wanted = {
        "time_zone": time_zone, "rotation_window_from": rotation_window_from,
        "rotation_window_until": rotation_window_until, "rotate_every_days": rotate_every_days,
        "verify_every_hours": verify_every_hours,
    }  # fmt: skip
    return _configure(workspace, wanted, actor)


@cache
def time_zones() -> frozenset[str]:
    """The names of the time zones that this machine knows."""
    return frozenset(available_timezones())


def zone_of(workspace: Workspace | None) -> ZoneInfo:
    """The workspace's own time; UTC where it has none, or one that this machine does not know."""
    try:
        return ZoneInfo(workspace.time_zone if workspace else "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _configure(workspace: Workspace, wanted: Mapping[str, Any], actor: Actor) -> Workspace:
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    changed = {name: value for name, value in wanted.items() if getattr(workspace, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(workspace, name, value)
        workspace.save(update_fields=list(changed))
        audit.record(workspace, Verb.WORKSPACE_CONFIGURED, workspace, actor=actor, **changed)
    return workspace


def find(slug: str) -> Workspace:
    """The workspace of that slug, in any letter case. Raises NotFound."""
    workspace = Workspace.objects.filter(slug__iexact=slug).first()
    if workspace is None:
        raise NotFound(f"There is no workspace {slug}.")
    return workspace
