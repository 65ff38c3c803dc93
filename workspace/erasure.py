"""Deleting a whole workspace for good: every row of every table that leads to it, whatever floor it is on."""

from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.apps import apps
from django.db import models
from django.db.models import QuerySet

from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Refused
from workspace.models import User, Workspace


@atomic()
def purge(workspace: Workspace, *, actor: Actor, despite_people: bool = False) -> dict[str, int]:
    """Delete the workspace and all that is in it; how many rows of what went. One transaction.

    Raises Refused while people have access: a customer who left has nobody at work. What remains is one event of the
    platform's own audit trail, with the counts.
    """
    workspace = Workspace.objects.select_for_update().get(pk=workspace.pk)
    active = User.objects.filter(workspace=workspace, is_active=True).count()
    if active and not despite_people:
        raise Refused(
            f"{active} people still have access to {workspace}. Offboard them first, or say explicitly that the"
            " workspace shall go all the same."
        )
    gone = {}
    with pgtrigger.ignore():
        for rows in tenant_rows(workspace):
            gone[str(rows.model._meta.verbose_name_plural)] = rows._raw_delete(rows.db)
    audit.record(None, Verb.WORKSPACE_PURGED, workspace, actor=actor, slug=workspace.slug, gone=gone)
    workspace.delete()
    return {what: number for what, number in gone.items() if number}


def tenant_rows(workspace: Workspace) -> Iterator[QuerySet[Any]]:
    """Of each table that leads to a workspace, the rows that lead to this one; what points at others comes first.

    Foreign keys are checked at the commit (Django declares them deferred), so the order matters to nothing but the
    look-ups through other tables, which need their rows still there.
    """
    tables = (model for model in apps.get_models() if model._meta.managed)  # a view has no rows of its own
    paths = {model: path for model in tables if (path := _path(model))}
    for model in sorted(paths, key=lambda model: -paths[model].count("__")):
        yield model._base_manager.filter(**{paths[model]: workspace})


def _path(model: type[models.Model], seen: frozenset[type[models.Model]] = frozenset()) -> str:
    """The look-up from a table to the workspace, such as `device__user__workspace`; empty where there is none."""
    found = []
    for field in model._meta.concrete_fields:
        target = field.related_model
        if not isinstance(field, models.ForeignKey) or target is model or target in seen or isinstance(target, str):
            continue
        if target is Workspace:
            return field.name
        if target is not None and (onwards := _path(target, seen | {model})):
            found.append(f"{field.name}__{onwards}")
    return min(found, key=len, default="")
