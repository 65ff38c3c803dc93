"""Verbs on people: provision, update_profile, set_role, set_expiry, reactivate, delist, ask_deletion.

A person's access is ended by `rotation.departures.offboarding.offboard`, their data by `scim.erasure.purge`. Everything
that takes access away locks the person's row first, then the memberships and grants.
"""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, UNUSABLE_PASSWORD_SUFFIX_LENGTH
from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from workspace import audit, statements
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import already_locked, atomic, change, remember_locked, savepoint
from workspace.errors import Conflict, Invalid, NotFound, Refused
from workspace.identifiers import parse_uuid
from workspace.models import Role, User, Workspace

_KNOWN: Final = """WHERE workspace_id = %s AND purged_at IS NULL
    AND (lower(user_name) = lower(%s) OR (external_id <> '' AND external_id = %s)) FOR UPDATE"""
_KEPT: Final = ("attributes", "provisioned_at", "adopted_at", "updated_at")
LISTED: Final = "t.workspace_id = %(workspace)s AND t.delisted_at IS NULL AND t.purged_at IS NULL"
"""SQL: whom the identity provider sees, among people `t`."""
WITH_TEAMS: Final = f"""{statements.columns(User).sql},
    (SELECT json_agg(json_build_array(team.id, team.display_name) ORDER BY team.id)
       FROM workspace_teammembership m JOIN workspace_team team ON team.id = m.team_id
      WHERE m.user_id = t.id AND m.left_at IS NULL AND team.disbanded_at IS NULL)"""  # noqa: S608  # constants
"""SQL: people `t` with their teams, for `read_with_teams`."""
_UNIQUE: Final = frozenset({"userName", "email"})
COLUMNS: Final = ("user_name", "email", "given_name", "family_name", "display_name", "external_id")


@dataclass(frozen=True)
class Profile:
    """What is known of a person. `attributes` are SCIM attributes without a column, as sent."""

    user_name: str
    email: str = ""
    given_name: str = ""
    family_name: str = ""
    display_name: str = ""
    external_id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


def find(workspace: Workspace, user_id: UUID) -> User:
    """A person who is not purged, of this workspace. Raises NotFound."""
    user = User.objects.filter(workspace=workspace, pk=user_id).present().first()
    if user is None:
        raise NotFound(f"No person in this workspace has the id {user_id}.")
    return user


def find_listed(workspace: Workspace, user_id: UUID) -> User:
    """A person the identity provider sees, disabled or not, with their `teams`. Raises NotFound."""
    found = _with_teams(f"WHERE {LISTED} AND t.id = %(id)s", {"workspace": workspace.pk, "id": user_id})
    return _only(found, workspace, user_id)


def lock_listed(workspace: Workspace, user_id: UUID) -> User:
    """The same, locked as by `lock`, in one statement; with the teams of when the lock was asked for."""
    one = {"workspace": workspace.pk, "id": user_id}
    found = _with_teams(f"WHERE {LISTED} AND t.id = %(id)s FOR UPDATE OF t", one)
    return remember_locked(_only(found, workspace, user_id))


def named(workspace: Workspace, text: str) -> User:
    """A person who is not purged, by id, userName or e-mail as somebody at support types it.

    Raises NotFound, and Conflict where one person's userName is another's e-mail.
    """
    found = list(User.objects.filter(workspace=workspace).present().filter(_names(text))[:2])
    if not found:
        raise NotFound(f"No person in {workspace} has the id, userName or e-mail {text}.")
    if len(found) > 1:
        raise Conflict(f"{text} is the userName of one person and the e-mail of another. Give the id.")
    return found[0]


def lock(user: User) -> User:
    """The person's row, fresh and locked FOR UPDATE, so that nobody joins them to anything meanwhile.

    Within one act the row is fetched once: what is locked, only the act itself changes, and by these verbs.
    """
    known = already_locked(user)
    if known is not None:
        return known
    found = statements.one(User, "WHERE id = %s FOR UPDATE", [user.pk])
    if found is None:
        raise NotFound(f"No person has the id {user.pk}.")
    return remember_locked(found)


def listed_as(workspace: Workspace, user_name: str) -> list[User]:
    """Whom the identity provider sees under a userName, in any letter case, with their `teams`: one person or none."""
    named = f"WHERE {LISTED} AND lower(t.user_name) = lower(%(name)s)"
    return _with_teams(named, {"workspace": workspace.pk, "name": user_name})


def lock_known(workspace: Workspace, profile: Profile) -> list[User]:
    """The people who have the profile's userName or externalId already, locked as by `lock`; never by e-mail."""
    found = statements.every(User, _KNOWN, [workspace.pk, profile.user_name, profile.external_id])
    for user in found:
        user.workspace = workspace
        remember_locked(user)
    return found


def names_in(profile: Profile) -> list[str]:
    """The names of what a profile has a value for, as SCIM spells them."""
    return [*(_scim_name(name) for name in COLUMNS if getattr(profile, name)), *sorted(profile.attributes)]


@atomic()
def provision(
    workspace: Workspace, profile: Profile, *, actor: Actor, managed: bool = True, role: str = Role.MEMBER
) -> User:
    """A new active person. `managed` says that an identity provider owns the profile.

    Raises Conflict when the userName or e-mail is taken in this workspace, Invalid for a profile that cannot be.
    """
    now = timezone.now()
    user = User(workspace=workspace, role=role, provisioned_at=now if managed else None, created_at=now)
    user.password = no_password()
    _write(user, profile, now)
    audit.record(workspace, Verb.PERSON_PROVISIONED, user, actor=actor, managed=managed)
    return user


@atomic()
def update_profile(user: User, profile: Profile, *, actor: Actor, managed: bool | None = None) -> User:
    """Replace what is known of a person; unchanged is no event. Raises Conflict or Invalid."""
    user = lock(user)
    names = changes(user, profile)
    adopt = bool(managed) and user.provisioned_at is None
    if not names and not adopt:
        return user
    now = timezone.now()
    if adopt:
        user.provisioned_at = user.adopted_at = now
    _write(user, profile, now, names=names)
    audit.record(user.workspace, Verb.PERSON_UPDATED, user, actor=actor, attributes=names, adopted=adopt)
    return user


@atomic()
def set_role(user: User, role: Role, *, actor: Actor) -> User:
    """Owner, Admin or Member. Raises Refused for a person without access."""
    user = lock(user)
    if not user.is_active:
        raise Refused(f"{user.user_name} is disabled. Reactivate the person first.")
    if user.role != role:
        former, user.role = user.role, role
        user.updated_at = timezone.now()
        statements.update(user, "role", "updated_at")
        audit.record(user.workspace, Verb.PERSON_ROLE_CHANGED, user, actor=actor, former=former, role=role)
    return user


@atomic()
def set_expiry(user: User, expires_at: datetime | None, *, actor: Actor) -> User:
    """When a guest's access ends by itself; None: when somebody ends it. Raises Refused without access, Invalid for a
    time that has passed."""
    user = lock(user)
    if not user.is_active:
        raise Refused(f"{user.user_name} is disabled. Reactivate the person first.")
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("Access cannot end in the past. Offboard the person instead.", field="expires_at")
    if user.expires_at != expires_at:
        user.expires_at, user.updated_at = expires_at, timezone.now()
        statements.update(user, "expires_at", "updated_at")
        until = expires_at.isoformat() if expires_at else None
        audit.record(user.workspace, Verb.PERSON_EXPIRY_SET, user, actor=actor, until=until)
    return user


@atomic()
def reactivate(user: User, *, actor: Actor) -> User:
    """Let a person in again, under the same id. No grant, membership, session, key, password or role comes back."""
    user = lock(user)
    if user.purged_at is not None:
        raise NotFound("The data of this person was deleted for good.")
    if not user.is_active:
        user.is_active, user.deactivated_at, user.deactivated_by = True, None, None
        user.delisted_at, user.expires_at, user.updated_at = None, None, timezone.now()
        change(user, "is_active", "deactivated_at", "deactivated_by", "delisted_at", "expires_at", "updated_at")
        audit.record(user.workspace, Verb.PERSON_REACTIVATED, user, actor=actor)
    return user


@atomic()
def reactivate_each(workspace: Workspace, user_ids: Iterable[UUID], *, actor: Actor) -> list[UUID]:
    """As `reactivate`, for those of these people who are disabled and not purged; their ids. A fixed number of
    statements."""
    found = User.objects.for_workspace(workspace).present().filter(pk__in=list(user_ids), is_active=False)
    back = list(found.select_for_update().order_by("pk"))
    User.objects.filter(pk__in=[user.pk for user in back]).update(
        is_active=True, deactivated_at=None, deactivated_by=None, delisted_at=None, expires_at=None,
        updated_at=timezone.now(),
    )  # fmt: skip
    audit.record_each(workspace, Verb.PERSON_REACTIVATED, back, actor=actor)
    return [user.pk for user in back]


@atomic()
def delist(user: User, *, actor: Actor) -> None:
    """Hide a disabled person from the identity provider, as its DELETE asks. Nothing else is lost; a create with
    the same userName or externalId brings the person back under the same id. Raises Refused with access left."""
    user = lock(user)
    if user.is_active:
        raise Refused(f"{user.user_name} still has access. Offboard the person first.")
    if user.delisted_at is None:
        user.delisted_at = user.updated_at = timezone.now()
        statements.update(user, "delisted_at", "updated_at")
        audit.record(user.workspace, Verb.PERSON_DELISTED, user, actor=actor)


@atomic()
def ask_deletion(user: User, *, actor: Actor) -> None:
    """Write down that an Owner wants a disabled person's data deleted for good, which support does. Raises Refused for
    somebody with access, or whose data is gone."""
    user = lock(user)
    if user.is_active:
        raise Refused(f"{user.user_name} still has access. Offboard the person first.")
    if user.purged_at is not None:
        raise Refused("The data of this person was deleted already.")
    audit.record(user.workspace, Verb.PERSON_DELETION_ASKED, user, actor=actor)


def _with_teams(rest: str, params: Mapping[str, Any]) -> list[User]:
    return read_with_teams(statements.rows(f"SELECT {WITH_TEAMS} FROM workspace_user AS t {rest}", params))  # noqa: S608  # constants


def read_with_teams(rows: Iterable[Sequence[Any]]) -> list[User]:
    """What was selected as WITH_TEAMS."""
    wanted, found = statements.columns(User), []
    for row in rows:
        user = wanted.row(row)
        user.teams = row[-1] or []
        found.append(user)
    return found


def _only(found: list[User], workspace: Workspace, user_id: UUID) -> User:
    if not found:
        raise NotFound(f"No user in this workspace has the id {user_id}.")
    found[0].workspace = workspace
    return found[0]


def changes(user: User, profile: Profile) -> list[str]:
    """The names of what differs, as SCIM spells them."""
    names = [_scim_name(name) for name in COLUMNS if getattr(user, name) != getattr(profile, name)]
    former, wanted = user.attributes, profile.attributes
    return names + sorted(key for key in former.keys() | wanted.keys() if former.get(key) != wanted.get(key))


def _write(user: User, profile: Profile, now: datetime, *, names: Collection[str] = _UNIQUE) -> None:
    """Put the profile on the row and save it, turning the database's refusals into our errors.

    Only where a person changes one of `names` that can be somebody else's does it take a savepoint to find out.
    """
    _check(profile)
    for name in COLUMNS:
        setattr(user, name, getattr(profile, name))
    user.attributes, user.updated_at = profile.attributes, now
    if not _UNIQUE.intersection(names):
        change(user, *COLUMNS, *_KEPT)
        return
    if user._state.adding:
        if not statements.insert_unless_taken(user):
            raise _conflict(user)
        return
    try:
        with savepoint():
            statements.update(user, *COLUMNS, *_KEPT)
    except IntegrityError as error:
        raise _conflict(user) from error


def _check(profile: Profile) -> None:
    if not profile.user_name.strip():
        raise Invalid("userName is required and must not be empty.", field="userName")
    for name in COLUMNS:
        value: str = getattr(profile, name)
        limit = _limit(name)
        if len(value) > limit:
            raise Invalid(f"{_scim_name(name)} is longer than {limit} characters.", field=_scim_name(name))
        if "\x00" in value:
            raise Invalid(f"{_scim_name(name)} contains a NUL character.", field=_scim_name(name))


def _conflict(user: User) -> Conflict:
    others = User.objects.filter(workspace=user.workspace).exclude(pk=user.pk)
    holder, taken, value = others.named(user.user_name).first(), "userName", user.user_name
    if holder is None:
        holder, taken, value = others.with_email(user.email).first(), "e-mail address", user.email
    state = "a disabled person" if holder and not holder.is_active else "another person"
    return Conflict(f"The {taken} {value} belongs to {state} in this workspace.")


def _names(text: str) -> Q:
    names = Q(user_name__iexact=text) | Q(email__iexact=text)
    known = parse_uuid(text)
    return names | Q(pk=known) if known else names


@cache
def _limit(column: str) -> int:
    limit: int = getattr(User._meta.get_field(column), "max_length", 0)
    return limit


def no_password() -> str:
    """What nobody's password has for a hash: as Django's `set_unusable_password`, which takes longer to be random."""
    return UNUSABLE_PASSWORD_PREFIX + secrets.token_urlsafe(UNUSABLE_PASSWORD_SUFFIX_LENGTH)


@cache
def _scim_name(column: str) -> str:
    """given_name → givenName"""
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), column)
