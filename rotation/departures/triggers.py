"""People who stay and lose access: a grant ends, they leave a team, a team is disbanded, a role on an account is lost.

The act itself only writes down that access was lost, in one statement whatever the number of people, so that a group
push of a thousand costs what one costs. The sweep settles it soon after: who of them could have known a password that
they no longer reach, which of these the workspace's policy rotates. The ledger keeps the past, so the answer is the
same as it was in the act; and whoever is given the access back in between, as some providers do when
they rewrite a group, sets off nothing. Whoever leaves altogether in between has an offboarding, which covers it.
"""

import json
import logging
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from rotation import jobs
from rotation.departures import exposures
from rotation.models import AccessLoss, Exposure, LossKind
from workspace import access, audit, teams
from workspace.access import Knowledge
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.models import Grant, GrantRole, RotationPolicy, Team, Workspace
from workspace.teams import Change
from workspace.vault import ledger, ledger_sql

logger = logging.getLogger(__name__)

SWEEP: Final = Actor.system("sweep")
AT_ONCE: Final = 100

_NOTE: Final = f"""
INSERT INTO rotation_accessloss (id, workspace_id, kind, team_id, grant_id, people, cause, actor, at)
SELECT %(id)s, %(workspace)s, %(kind)s, %(team)s, %(grant)s, %(people)s::uuid[], %(cause)s, %(actor)s::jsonb, %(at)s
 WHERE EXISTS (SELECT 1 FROM workspace_account a
                WHERE a.id IN ({ledger_sql.GIVEN}) AND (a.is_privileged OR NOT %(privileged_only)s))
"""  # noqa: S608  # constants


@atomic()
def end_grant(live: Grant, *, actor: Actor, reason: str, kind: LossKind = LossKind.GRANT_ENDED) -> bool:
    """As `access.end`, and what its holders could have known is changed, where the policy says so."""
    ended = access.end(live, actor=actor, reason=reason)
    if ended:
        _note(live.workspace, kind, actor, f"{live.account}: {reason}", grant=live)
    return ended


@atomic()
def change_role(live: Grant, role: GrantRole, *, actor: Actor) -> Grant:
    """As `access.change_role`. Who still reaches the account by it sets off nothing."""
    new = access.change_role(live, role, actor=actor)
    if new.pk != live.pk:
        _note(live.workspace, LossKind.ROLE_LOST, actor, f"{live.account}: the role became {role.label}", grant=live)
    return new


@atomic()
def set_members(team: Team, user_ids: Collection[UUID], *, actor: Actor) -> Change:
    """As `teams.set_members`, for those who are members no longer."""
    return _left(team, teams.set_members(team, user_ids, actor=actor), actor)


@atomic()
def remove_members(team: Team, user_ids: Collection[UUID], *, actor: Actor) -> Change:
    """As `teams.remove_members`."""
    return _left(team, teams.remove_members(team, user_ids, actor=actor), actor)


@atomic()
def disband(team: Team, *, actor: Actor) -> None:
    """As `teams.disband`, for all who were in the team."""
    left = teams.disband(team, actor=actor)
    if left:
        _note(team.workspace, LossKind.TEAM_DISBANDED, actor, f"Team {team} was disbanded", team=team, people=left)


def settle_due() -> int:
    """Settle what was lost a while ago; how many losses. One that fails does not hold up the others."""
    before = timezone.now() - timedelta(seconds=settings.ACCESS_LOSS_SECONDS)
    due = AccessLoss.objects.filter(settled_at=None, at__lte=before).order_by("at")
    return sum(settle(pk) for pk in due.values_list("pk", flat=True)[:AT_ONCE])


@atomic()
def settle(loss_id: UUID) -> bool:
    """Open the exposures that come of a loss, and want their rotations. Without any the loss is forgotten."""
    rows = AccessLoss.objects.select_for_update(skip_locked=True, of=("self",))
    loss = rows.select_related("workspace", "grant", "team").filter(pk=loss_id, settled_at=None).first()
    if loss is None:
        return False
    lost = _rotating(loss)
    if not lost:
        loss.delete()
        return True
    loss.settled_at = timezone.now()
    loss.save(update_fields=["settled_at"])
    exposures.write(
        [item for _, item in lost], user_id=[person for person, _ in lost], workspace_id=loss.workspace_id,
        loss_id=loss.pk, opened_at=loss.at,
    )  # fmt: skip
    accounts = {item.account_id for _, item in lost}
    jobs.want(loss.workspace, accounts, cause=str(loss))
    audit.record(
        loss.workspace, Verb.ACCESS_LOST, loss, actor=SWEEP, kind=loss.kind, people=len({person for person, _ in lost}),
        exposures=len(lost), rotations=len(accounts),
    )  # fmt: skip
    return True


def _left(team: Team, change: Change, actor: Actor) -> Change:
    if change.left:
        _note(team.workspace, LossKind.TEAM_LEFT, actor, f"{team}", team=team, people=change.left)
    return change


def _note(
    workspace: Workspace, kind: LossKind, actor: Actor, cause: str, *,
    team: Team | None = None, grant: Grant | None = None, people: Iterable[UUID] = (),
) -> None:  # fmt: skip
    """Write a loss down, unless nothing could come of it."""
    if workspace.rotate_on_access_loss == RotationPolicy.NONE:
        return
    values: dict[str, Any] = {
        "id": uuid7(), "workspace": workspace.pk, "kind": kind, "team": team.pk if team else None,
        "grant": grant.pk if grant else None, "people": list(people), "cause": cause[:200],
        "actor": json.dumps(actor.to_json()), "at": timezone.now(),
        "privileged_only": workspace.rotate_on_access_loss == RotationPolicy.PRIVILEGED,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)


def _rotating(loss: AccessLoss) -> list[tuple[UUID, Knowledge]]:
    """Whom the loss left with which knowledge that is to change, without what is open of them already."""
    policy = RotationPolicy(loss.workspace.rotate_on_access_loss)
    lost = access.known_and_out_of_reach(_people(loss), _accounts(loss))
    wanted = [(person, item) for person, item in lost if exposures.rotates(policy, item)]
    found = Exposure.objects.open().filter(user__in={person for person, _ in wanted}) if wanted else None
    already = set(found.values_list("user_id", "version_id")) if found is not None else set()
    return [(person, item) for person, item in wanted if (person, item.version_id) not in already]


def _people(loss: AccessLoss) -> list[UUID]:
    """Those named; else the holder of the grant, or everybody in the team that held it at the time."""
    if loss.people or loss.grant is None:
        return loss.people
    return ledger.holders_when_lost(loss.grant, loss.at)


def _accounts(loss: AccessLoss) -> list[UUID]:
    if loss.grant is not None:
        return [loss.grant.account_id]
    return ledger.ever_given(loss.team) if loss.team is not None else []
