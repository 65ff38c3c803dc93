"""Access losses: that people who stay lost access, written down by the verb that ends it, in its transaction.

One statement whatever the number of people, so that a group push of a thousand costs what one costs. What follows is
settled later (`rotation.departures.access_losses`): the ledger keeps the past, so the answer is the same as it was in
the act.
"""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace.audit import Actor
from workspace.models import Grant, LossKind, RotationPolicy, Team, Workspace
from workspace.vault import losses_sql


def of_grant(live: Grant, kind: LossKind, *, actor: Actor, reason: str) -> None:
    """Its holder, or everybody in the team that held it, lost the account."""
    _write(live.workspace, kind, actor, f"{live.account}: {reason}", grant=live)


def of_team(team: Team, kind: LossKind, people: Iterable[UUID], *, actor: Actor) -> None:
    """These people lost what the team has, or ever had."""
    cause = f"Team {team} was disbanded" if kind == LossKind.TEAM_DISBANDED else f"{team}"
    _write(team.workspace, kind, actor, cause, team=team, people=people)


def _write(
    workspace: Workspace,
    kind: LossKind,
    actor: Actor,
    cause: str,
    *,
    team: Team | None = None,
    grant: Grant | None = None,
    people: Iterable[UUID] = (),
) -> None:
    """Write a loss down, unless nothing could come of it."""
    if workspace.rotate_on_access_loss == RotationPolicy.NONE:
        return
    values: dict[str, Any] = {
        "id": uuid7(),
        "workspace": workspace.pk,
        "kind": kind,
        "team": team.pk if team else None,
        "grant": grant.pk if grant else None,
        "people": list(people),
        "cause": cause[:200],
        "actor": json.dumps(actor.to_json()),
        "at": timezone.now(),
        "privileged_only": workspace.rotate_on_access_loss == RotationPolicy.PRIVILEGED,
    }
    with connection.cursor() as cursor:
        cursor.execute(losses_sql.WRITE, values)
