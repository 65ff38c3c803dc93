"""django-scim2's adapters: what a request wants of a person or a team is collected, then applied once.

PUT and PATCH end in the same place: PATCH is applied to the resource as it stands, and the result is a PUT.
A provider's member operations never pass through a document, since a team may have 100,000 members.
`scim.writes` calls them: from_dict and save for what is new; with the row locked replace, modify or delete, and finish
once that is committed.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest
from django_scim.adapters import SCIMGroup, SCIMUser
from django_scim.exceptions import SCIMException

from rotation.departures import guests, offboarding
from scim import documents, etags, leavers, patch
from scim.documents import GroupWishes, UserWishes, as_ids
from scim.errors import InvalidValue
from scim.members import Add, GroupChanges, Remove, member_changes
from scim.messages import Json, Message, operations_of
from scim.paging import resource_location
from scim.projection import Projection
from scim.schemas import GROUP, USER
from workspace import people, statements, teams
from workspace.audit import Actor
from workspace.db.unit_of_work import atomic
from workspace.errors import CerbyError, Conflict, Refused
from workspace.models import Role, Team, TeamMembership, User, Workspace
from workspace.models.people import let_in
from workspace.teams import Change

_TEAMS_OF: Final = """
    SELECT m.user_id, t.id, t.display_name FROM workspace_teammembership m JOIN workspace_team t ON t.id = m.team_id
     WHERE m.user_id = ANY(%s) AND m.left_at IS NULL AND t.disbanded_at IS NULL ORDER BY t.id
"""


class _Resource:
    """What people and teams have in common: the request's workspace and actor, an address, a version."""

    id_field = "id"
    endpoint: str
    obj: Any
    many: Callable[..., list[dict[str, Any]]]

    def __init__(self, obj: User | Team, request: HttpRequest | None = None) -> None:
        super().__init__(obj, request)  # type: ignore[call-arg]  # django-scim2's mixin comes next
        self.workspace: Workspace = request.workspace  # type: ignore[union-attr]  # set by scim.auth
        self.actor: Actor = request.actor  # type: ignore[union-attr]
        self.changed: set[str] = set()

    @property
    def location(self) -> str:
        return resource_location(self.endpoint, self.obj.pk)

    @property
    def version(self) -> str:
        return etags.of(self.obj.updated_at)

    def to_dict(self, projection: Projection | None = None) -> dict[str, Any]:
        return self.many([self.obj], projection or Projection())[0]


class UserAdapter(_Resource, SCIMUser):  # type: ignore[misc]  # django-scim2 is untyped
    """A person as a SCIM User."""

    endpoint = "Users"
    obj: User
    wishes: UserWishes

    def __init__(self, obj: User, request: HttpRequest | None = None) -> None:
        super().__init__(obj, request)
        self.cause = f"{self.actor.label}: {self.request.method} from the identity provider"
        self._rest: Callable[[], None] | None = None

    @classmethod
    def many(cls, users: list[User], projection: Projection) -> list[dict[str, Any]]:
        """A page of people as documents, with one query for the teams of those who were read without."""
        unknown = {user.id: user for user in users if user.teams is None}
        if unknown and projection.wants("groups"):
            teams: dict[UUID, list[Sequence[str]]] = {user_id: [] for user_id in unknown}
            for user_id, team_id, name in statements.rows(_TEAMS_OF, [list(unknown)]):
                teams[user_id].append((str(team_id), name))
            for user_id, user in unknown.items():
                user.teams = teams[user_id]
        active = let_in(users)
        return [
            projection.of(documents.user_document(user, user.teams or [], active=user.pk in active)) for user in users
        ]

    def from_dict(self, document: dict[str, Any]) -> None:
        self.wishes = documents.user_wishes(document, derived_name=documents.derived_name(self.obj))

    def replace(self, message: Message) -> None:
        self._change(message, self._replaced)

    def modify(self, message: Message) -> None:
        self._change(message, self._patched)

    def _replaced(self, document: Json) -> UserWishes:
        """Raises InvalidValue for an `active` that is null: taken for nothing, it would leave a leaver in."""
        if any(key.lower() == "active" and value is None for key, value in document.items()):
            raise InvalidValue("active must be true or false; without a value nobody knows whether access ends.")
        return documents.user_wishes(document, derived_name=documents.derived_name(self.obj))

    def _patched(self, document: Json) -> UserWishes:
        """A removed role is a Member's, not an unmentioned one; groups are not ours to patch."""
        operations = operations_of(document)
        present = documents.user_document(self.obj, [], active=self.obj.has_access)
        patched = patch.apply(present, operations, USER)
        return self._replaced({"roles": [], **patched})

    def _change(self, message: Message, read: Callable[[Json], UserWishes]) -> None:
        """Apply what is wanted. Of a person who leaves only the end of their access, also where the rest is refused:
        `finish` goes on from there."""
        refusal: CerbyError | SCIMException | None = None
        try:
            self.wishes = read(message.document())
            leaves = self.wishes.active is False or (self.wishes.active is None and leavers.says_so(message.body))
        except (CerbyError, SCIMException) as error:
            refusal, leaves = error, leavers.says_so(message.body)
        if leaves and self.obj.is_active:
            self._rest = partial(self._complete, message, read, refusal, Role(self.obj.role))
            self._end_access()
        elif refusal is not None:
            raise refusal
        else:
            self.save()

    def save(self) -> None:
        """Apply the wishes: all of them but the end of somebody's access, which comes before."""
        if self.obj._state.adding:
            self.obj = self._create()
            self.changed.update(people.names_in(self.wishes.profile))
            return
        self.obj = self._settled(self.obj)
        returns = bool(self.wishes.active) and not self.obj.is_active
        role = self._role_on_return(self.obj) if returns else self.wishes.role
        self._update()
        if returns:
            self.obj = people.reactivate(self.obj, actor=self.actor)
            self.obj.teams = []
            self.changed.add("active")
        self._set_role(role)

    def finish(self) -> None:
        """What else a request says of somebody whose access it ended; raises AccessEnded where that is refused."""
        if self._rest is None:
            return
        try:
            self._rest()
        except (CerbyError, SCIMException) as error:
            raise leavers.AccessEnded(error) from error

    def _complete(
        self,
        message: Message,
        read: Callable[[Json], UserWishes],
        refusal: CerbyError | SCIMException | None,
        former: Role,
    ) -> None:
        """Update the profile of a person who left. Their role ended with the access, and no echo asks for it again.

        What would make an Owner of them is refused as of anybody.

        What others changed since the access ended is not lost: a PATCH is then applied anew.
        """
        if refusal is not None:
            raise refusal
        role, self.wishes = self.wishes.role, self.wishes.without_role()
        with nullcontext() if self._is_up_to_date() else atomic():
            self._update_after_departure(message, read)
            if role is Role.OWNER:
                self._require_right_over_owners(role, former)

    def _update_after_departure(self, message: Message, read: Callable[[Json], UserWishes]) -> None:
        if self._is_up_to_date():
            return
        ended_at, self.obj = self.obj.updated_at, people.lock(self.obj)
        if self.obj.updated_at != ended_at:
            self.wishes = read(message.document()).without_role()
        self._update()

    def delete(self) -> None:
        """Offboard the person and hide them from the provider; a create brings them back under the same id."""
        self._end_access()
        people.delist(self.obj, actor=self.actor)

    def _create(self) -> User:
        """A new person, or one who left and returns: found by externalId or userName, never by e-mail."""
        returning, role = self._returning(), self.wishes.role
        if returning is None:
            self.obj = people.provision(self.workspace, self.wishes.profile, actor=self.actor)
        else:
            role = self._role_on_return(returning)
            self.obj = people.reactivate(returning, actor=self.actor)
            self._update()
        self.obj.teams = []  # who is new or comes back is in none
        if self.wishes.active is False:
            self._end_access()
            self._update()  # the role that was asked for waits for the day the person is let in
        self._set_role(role)
        return self.obj

    def _returning(self) -> User | None:
        """The disabled person this create means. Raises Conflict when one with access has the userName."""
        profile = self.wishes.profile
        known = map(self._settled, people.lock_known(self.workspace, profile))
        found = sorted(known, key=lambda user: user.external_id != profile.external_id)
        if any(user.is_active and user.user_name.lower() == profile.user_name.lower() for user in found):
            raise Conflict(f"A person with the userName {profile.user_name} has access to this workspace already.")
        return next((user for user in found if not user.is_active), None)

    def _settled(self, user: User) -> User:
        """The person, of whom it is written down if their time as a guest is over: they left, and may return."""
        if not guests.end_if_expired(user):
            return user
        user = people.lock(user)
        user.teams = []
        return user

    def _is_up_to_date(self) -> bool:
        return self.obj.provisioned_at is not None and not people.changes(self.obj, self.wishes.profile)

    def _update(self) -> None:
        if self._is_up_to_date():
            return
        self.changed.update(people.changes(self.obj, self.wishes.profile))
        if self.obj.provisioned_at is None:
            self.changed.add("adopted: the person was here before")
        self.obj = people.update_profile(self.obj, self.wishes.profile, actor=self.actor, managed=True)

    def _role_on_return(self, user: User) -> Role | None:
        """The role asked for in letting somebody in again, or else while they were away."""
        return self.wishes.role or documents.role_in(user.attributes)

    def _set_role(self, role: Role | None) -> None:
        """Give a person with access this role; for one without, the profile keeps it for the day they are let in."""
        if role is None or role == self.obj.role:
            return
        self._require_right_over_owners(role, self.obj.role)
        if self.obj.is_active:
            self.obj = people.set_role(self.obj, role, actor=self.actor)
            self.changed.add("roles")

    def _require_right_over_owners(self, role: str, former: str) -> None:
        """Raises Refused where a change of role would make or unmake an Owner and the workspace says no."""
        is_about_owners = role != former and Role.OWNER in {role, former}
        if is_about_owners and not self.workspace.provider_assigns_owner:
            raise Refused(
                "This workspace does not let the identity provider make or unmake Owners."
                " An Owner can allow it in Cerby, on the page of the workspace."
            )

    def _end_access(self) -> None:
        if not guests.end_if_expired(self.obj) and self.obj.is_active:
            self.changed.add("active")
        offboarding.offboard(self.obj, actor=self.actor, cause=self.cause)
        self.obj = people.lock(self.obj)
        self.obj.teams = []


class GroupAdapter(_Resource, SCIMGroup):  # type: ignore[misc]  # django-scim2 is untyped
    """A team as a SCIM Group."""

    endpoint = "Groups"
    obj: Team
    wishes: GroupWishes

    @classmethod
    def many(cls, groups: list[Team], projection: Projection) -> list[dict[str, Any]]:
        """A page of teams as documents, with one query for the members of all of them."""
        wanted = projection.wants("members")
        members = documents.members_of([team.id for team in groups]) if groups and wanted else {}
        if projection.looks_into("members"):
            members = {team_id: json.loads(built.json) for team_id, built in members.items()}
        nobody: list[Any] = []
        return [
            projection.of(documents.group_document(team, members.get(team.id, nobody) if wanted else None))
            for team in groups
        ]

    def from_dict(self, document: dict[str, Any]) -> None:
        self.wishes = documents.group_wishes(document)

    def replace(self, message: Message) -> None:
        self.from_dict(message.document())
        self.save()

    def modify(self, message: Message) -> None:
        """The few attributes through a document, the members as runs of changes in order."""
        changes, rest = member_changes(operations_of(message.document()))
        if rest:
            self.from_dict(patch.apply(documents.group_document(self.obj, None), rest, GROUP))
            self.save()
        self._change_members(changes)
        self.obj = teams.lock(self.obj)

    def save(self) -> None:
        """Apply the wishes: the whole group."""
        wishes = self.wishes
        if self.obj._state.adding:
            self.obj = teams.create(
                self.workspace, wishes.display_name, actor=self.actor, external_id=wishes.external_id,
                attributes=wishes.attributes, managed=True,
            )  # fmt: skip
            self.changed.add("displayName")
        else:
            names = teams.changes(self.obj, wishes.display_name, wishes.external_id, wishes.attributes)
            self.changed.update(names)
            self.obj = teams.update(
                self.obj, actor=self.actor, display_name=wishes.display_name, external_id=wishes.external_id,
                attributes=wishes.attributes, managed=True,
            )  # fmt: skip
        if wishes.members is not None:
            self._note(teams.set_members(self.obj, wishes.members, actor=self.actor))
            self.obj = teams.lock(self.obj)

    def finish(self) -> None:
        """Everything was done in the transaction."""

    def delete(self) -> None:
        self.changed.add("members")
        teams.disband(self.obj, actor=self.actor)

    def has_more_members_than(self, number: int) -> bool:
        return TeamMembership.objects.filter(team=self.obj, left_at=None)[: number + 1].count() > number

    def _change_members(self, changes: GroupChanges) -> None:
        for run in changes.runs:
            ids = as_ids(run.ids)
            match run:
                case Add():
                    self._note(teams.add_members(self.obj, ids, actor=self.actor))
                case Remove():
                    self._note(teams.remove_members(self.obj, ids, actor=self.actor))
                case _:
                    self._note(teams.set_members(self.obj, ids, actor=self.actor))

    def _note(self, change: Change) -> None:
        if change.joined or change.left:
            self.changed.add("members")
        if change.skipped:
            self.changed.add("members (some are no active person here)")
