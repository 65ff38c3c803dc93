"""Verbs on teams: create, update, set_members, add_members, remove_members, disband.

Whatever the number of members, a change is a fixed number of statements. Locks are taken in the order of
docs/decisions.md: the team, then the people (FOR KEY SHARE, by id), then memberships. A departure holds the person FOR
UPDATE, so that a person who is leaving can never be joined by a push that runs beside it.

Whoever is left out of a team lost access to what it has: the verbs that end memberships write that down themselves
(`workspace.vault.losses`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace import audit, statements
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import already_locked, atomic, remember_locked, savepoint
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import Grant, LossKind, Team, TeamMembership, Workspace
from workspace.models.tenancy import TenantQuerySet
from workspace.vault import losses


@dataclass(frozen=True)
class Change:
    """What a change of members came to. `skipped` are ids that are no active person of this workspace."""

    joined: frozenset[UUID] = frozenset()
    left: frozenset[UUID] = frozenset()
    skipped: frozenset[UUID] = frozenset()


def find(workspace: Workspace, team_id: UUID) -> Team:
    """A team that is not disbanded, of this workspace. Raises NotFound."""
    return _found(Team.objects.for_workspace(workspace), workspace, team_id)


def lock_found(workspace: Workspace, team_id: UUID) -> Team:
    """The same, locked as by `lock`, in one statement."""
    return remember_locked(_found(_for_update().for_workspace(workspace), workspace, team_id))


def lock(team: Team) -> Team:
    """The team's row, fresh and locked; within one act it is fetched once."""
    return already_locked(team) or remember_locked(_for_update().get(pk=team.pk))


@atomic()
def create(
    workspace: Workspace, display_name: str, *, actor: Actor, external_id: str = "",
    attributes: dict[str, Any] | None = None, managed: bool = False,
) -> Team:  # fmt: skip
    """A new team without members. Raises Conflict when the name is taken, Invalid when it is empty or too long."""
    team = Team(workspace=workspace, provisioned_at=timezone.now() if managed else None)
    _write(team, display_name, external_id, attributes or {})
    audit.record(workspace, Verb.TEAM_CREATED, team, actor=actor, managed=managed)
    return team


@atomic()
def update(
    team: Team, *, actor: Actor, display_name: str, external_id: str, attributes: dict[str, Any],
    managed: bool | None = None,
) -> Team:  # fmt: skip
    """Rename, and keep what else the provider sent; unchanged is no event. Raises Conflict or Invalid."""
    team = lock(team)
    names = changes(team, display_name, external_id, attributes)
    adopt = bool(managed) and team.provisioned_at is None
    if names or adopt:
        if adopt:
            team.provisioned_at = timezone.now()
        _write(team, display_name, external_id, attributes)
        audit.record(team.workspace, Verb.TEAM_UPDATED, team, actor=actor, attributes=names, adopted=adopt)
    return team


def changes(team: Team, display_name: str, external_id: str, attributes: dict[str, Any]) -> list[str]:
    """The names of what differs, as SCIM spells them."""
    names = ["displayName"] if team.display_name != display_name else []
    names += ["externalId"] if team.external_id != external_id else []
    keys = team.attributes.keys() | attributes.keys()
    return names + sorted(key for key in keys if team.attributes.get(key) != attributes.get(key))


@atomic()
def set_members(team: Team, user_ids: Collection[UUID], *, actor: Actor) -> Change:
    """Make these and no others the members. Raises Invalid when ids are given and none of them can join."""
    team = lock(team)
    leaving = _members(team).difference(user_ids)
    known, active = _lock_people(team, {*user_ids, *leaving})
    wanted = active.intersection(user_ids)
    _refuse_if_none(user_ids, known.intersection(user_ids))
    joined = _join(team, wanted)
    left = _leave(team, leaving)
    return _changed(team, joined, left, frozenset(user_ids) - wanted, actor)


@atomic()
def add_members(team: Team, user_ids: Collection[UUID], *, actor: Actor) -> Change:
    """Join people; who is a member already stays one. Raises Invalid when none of the ids can join."""
    team = lock(team)
    known, active = _lock_people(team, user_ids)
    _refuse_if_none(user_ids, known)
    return _changed(team, _join(team, active), frozenset(), frozenset(user_ids) - active, actor)


@atomic()
def remove_members(team: Team, user_ids: Collection[UUID], *, actor: Actor) -> Change:
    """End memberships; who is no member is no error."""
    team = lock(team)
    known, _ = _lock_people(team, user_ids)
    return _changed(team, frozenset(), _leave(team, known), frozenset(), actor)


@atomic()
def disband(team: Team, *, actor: Actor) -> frozenset[UUID]:
    """End the team, its memberships and its grants; who was in it. The rows stay as the ledger, the name is free."""
    team = lock(team)
    if team.disbanded_at is not None:
        return frozenset()
    members = _members(team)
    _lock_people(team, members)
    left = _leave(team, members)
    now = timezone.now()
    ended_at = Greatest(Value(now), F("granted_at"))
    live = Grant.objects.filter(team=team, ended_at=None)
    ended = live.update(ended_at=ended_at, end_reason="The team was disbanded.")
    team.disbanded_at = team.updated_at = now
    team.save(update_fields=["disbanded_at", "updated_at"])
    audit.record(team.workspace, Verb.TEAM_DISBANDED, team, actor=actor, memberships=len(left), grants=ended)
    if left:
        losses.of_team(team, LossKind.TEAM_DISBANDED, left, actor=actor)
    return left


def _for_update() -> TenantQuerySet[Team]:
    return Team.objects.select_for_update(no_key=True)


def _found(rows: TenantQuerySet[Team], workspace: Workspace, team_id: UUID) -> Team:
    team = rows.filter(pk=team_id, disbanded_at=None).first()
    if team is None:
        raise NotFound(f"No group in this workspace has the id {team_id}.")
    team.workspace = workspace
    return team


def _write(team: Team, display_name: str, external_id: str, attributes: dict[str, Any]) -> None:
    for field, value in (("displayName", display_name), ("externalId", external_id)):
        if len(value) > 254 or "\x00" in value:
            raise Invalid(f"{field} is longer than 254 characters or contains a NUL character.", field=field)
    if not display_name.strip():
        raise Invalid("displayName is required and must not be empty.", field="displayName")
    may_be_taken = team._state.adding or team.display_name != display_name
    team.display_name, team.external_id, team.attributes = display_name, external_id, attributes
    team.updated_at = timezone.now()
    if not may_be_taken:
        team.save()
        return
    try:
        with savepoint():
            team.save(force_insert=team._state.adding)
    except IntegrityError as error:
        raise Conflict(f"There is a group called {display_name} in this workspace already.") from error


def _refuse_if_none(user_ids: Collection[UUID], known: frozenset[UUID]) -> None:
    """A batch with some strangers is applied without them; a batch of strangers only was not understood."""
    if user_ids and not known:
        detail = "None of these members is a person of this workspace. Assign the person to the app, then push again."
        raise Invalid(detail, field="members")


def _lock_people(team: Team, user_ids: Collection[UUID]) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Lock those of this workspace against leaving meanwhile: (all known ids, the active ones among them)."""
    rows = statements.rows(
        "SELECT id, is_active FROM workspace_user WHERE workspace_id = %s AND id = ANY(%s)"
        " AND purged_at IS NULL ORDER BY id FOR KEY SHARE",
        [team.workspace_id, list(user_ids)],
    )
    return frozenset(row[0] for row in rows), frozenset(row[0] for row in rows if row[1])


def _members(team: Team) -> frozenset[UUID]:
    return frozenset(TeamMembership.objects.filter(team=team, left_at=None).values_list("user_id", flat=True))


def _join(team: Team, user_ids: frozenset[UUID]) -> frozenset[UUID]:
    """Who was no member yet, now is one. One statement, with no object for each of them."""
    people = sorted(user_ids)
    joined = statements.rows(
        "INSERT INTO workspace_teammembership (id, workspace_id, team_id, user_id, joined_at)"
        " SELECT new.id, %s, %s, new.user_id, %s FROM unnest(%s::uuid[], %s::uuid[]) AS new (id, user_id)"
        " ON CONFLICT (team_id, user_id) WHERE left_at IS NULL DO NOTHING RETURNING user_id",
        [team.workspace_id, team.pk, timezone.now(), [uuid7() for _ in people], people],
    )
    return frozenset(row[0] for row in joined)


def _leave(team: Team, user_ids: frozenset[UUID]) -> frozenset[UUID]:
    left = statements.rows(
        "UPDATE workspace_teammembership SET left_at = greatest(%s, joined_at)"
        " WHERE team_id = %s AND left_at IS NULL AND user_id = ANY(%s) RETURNING user_id",
        [timezone.now(), team.id, list(user_ids)],
    )
    return frozenset(row[0] for row in left)


def _changed(
    team: Team, joined: frozenset[UUID], left: frozenset[UUID], skipped: frozenset[UUID], actor: Actor
) -> Change:
    if joined or left or skipped:
        team.updated_at = timezone.now()
        statements.update(team, "updated_at")
        audit.record(
            team.workspace, Verb.TEAM_MEMBERS_CHANGED, team, actor=actor,
            joined=_ids(joined), left=_ids(left), skipped=_ids(skipped),
        )  # fmt: skip
    if left:
        losses.of_team(team, LossKind.TEAM_LEFT, left, actor=actor)
    return Change(joined, left, skipped)


def _ids(user_ids: frozenset[UUID]) -> list[str]:
    return sorted(map(str, user_ids))
