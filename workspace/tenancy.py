"""Verbs on the tenant itself."""

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from workspace import audit
from workspace.audit import Actor
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import RotationPolicy, Workspace

_NEEDED: Final = {
    "name": "A workspace needs a name of at most 120 characters.",
    "slug": "A slug is made of at most 60 lower-case letters, digits and hyphens.",
}

LONGEST_MINUTES: Final = 1440


@transaction.atomic
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
    audit.record(workspace, "workspace.created", workspace, actor=actor)
    return workspace


@transaction.atomic
def configure(
    workspace: Workspace, *, actor: Actor, rotation_policy: RotationPolicy, provider_assigns_owner: bool
) -> Workspace:
    """Decide what a departure rotates and whether the identity provider may make Owners; unchanged is no event."""
    wanted = {"rotation_policy": rotation_policy, "provider_assigns_owner": provider_assigns_owner}
    return _configure(workspace, wanted, actor)


@transaction.atomic
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


def _configure(workspace: Workspace, wanted: Mapping[str, Any], actor: Actor) -> Workspace:
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    changed = {name: value for name, value in wanted.items() if getattr(workspace, name) != value}
    if changed:
        for name, value in changed.items():
            setattr(workspace, name, value)
        workspace.save(update_fields=list(changed))
        audit.record(workspace, "workspace.configured", workspace, actor=actor, **changed)
    return workspace


def find(slug: str) -> Workspace:
    """The workspace of that slug, in any letter case. Raises NotFound."""
    workspace = Workspace.objects.filter(slug__iexact=slug).first()
    if workspace is None:
        raise NotFound(f"There is no workspace {slug}.")
    return workspace
