"""django-scim2's adapters: what a request wants of a person or a team is collected, then applied once.

PUT and PATCH end in the same place: PATCH is applied to the resource as it stands, and the result is a PUT.
A provider's member operations never pass through a document, since a team may have 100,000 members.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django_scim.adapters import SCIMGroup, SCIMUser

from rotation import offboarding
from scim import documents, patch
from scim.documents import GroupWishes, UserWishes, as_ids
from scim.errors import InvalidSyntax
from scim.members import Add, GroupChanges, Remove, member_changes
from scim.projection import Projection
from scim.schemas import GROUP, USER
from workspace import people, teams
from workspace.audit import Actor
from workspace.errors import Conflict, Invalid
from workspace.models import Team, TeamMembership, User, Workspace


class UserAdapter(SCIMUser):  # type: ignore[misc]  # django-scim2 is untyped
    """A person as a SCIM User."""

    id_field = "id"
    obj: User
    wishes: UserWishes

    def __init__(self, obj: User, request: HttpRequest | None = None) -> None:
        super().__init__(obj, request)
        self.workspace: Workspace = request.workspace  # type: ignore[union-attr]  # set by scim.auth
        self.actor: Actor = request.actor  # type: ignore[union-attr]
        self.cause = f"{self.actor.label}: {request.method} from the identity provider"  # type: ignore[union-attr]

    @classmethod
    def many(cls, users: list[User], projection: Projection) -> list[dict[str, Any]]:
        """A page of people as documents, with one query for the groups of all of them."""
        groups: dict[UUID, list[tuple[UUID, str]]] = {user.id: [] for user in users}
        if projection.wants("groups"):
            memberships = TeamMembership.objects.filter(
                user_id__in=list(groups), left_at=None, team__disbanded_at=None
            ).order_by("team_id")
            for user_id, team_id, name in memberships.values_list("user_id", "team_id", "team__display_name"):
                groups[user_id].append((team_id, name))
        return [projection.of(documents.user_document(user, groups[user.id])) for user in users]

    def to_dict(self, projection: Projection | None = None) -> dict[str, Any]:
        return self.many([self.obj], projection or Projection())[0]

    def from_dict(self, document: dict[str, Any]) -> None:
        self.wishes = documents.user_wishes(document)

    def handle_operations(self, operations: Any) -> None:
        """Apply a PATCH to the person as they are now, locked, so that two of them lose nothing."""
        with transaction.atomic():
            self.obj = people.lock(self.obj)
            self.from_dict(patch.apply(self.to_dict(), operations, USER))
            leaving = self.wishes.active is False
            if leaving:
                self._end_access()
            else:
                self.save()
        if leaving:
            self._update_leaver()

    def save(self) -> None:
        """Apply the wishes. Access ends first and for good, whatever becomes of the rest of the request."""
        if self.obj._state.adding:
            self.obj = self._create()
        elif self.wishes.active is False:
            self._end_access()
            self._update_leaver()
        else:
            with transaction.atomic():
                self.obj = people.update_profile(self.obj, self.wishes.profile, actor=self.actor, managed=True)
                if self.wishes.active:
                    self.obj = people.reactivate(self.obj, actor=self.actor)

    def delete(self) -> None:
        """Offboard the person and hide them from the provider; a create brings them back under the same id."""
        with transaction.atomic():
            self._end_access()
            people.delist(self.obj, actor=self.actor)

    @transaction.atomic
    def _create(self) -> User:
        """A new person, or one who left and returns: found by externalId or userName, never by e-mail."""
        returning = self._returning()
        if returning is None:
            user = people.provision(self.workspace, self.wishes.profile, actor=self.actor)
        else:
            user = people.reactivate(returning, actor=self.actor)
            user = people.update_profile(user, self.wishes.profile, actor=self.actor, managed=True)
        if self.wishes.active is False:
            offboarding.offboard(user, actor=self.actor, cause=self.cause)
            user.refresh_from_db()
        return user

    def _returning(self) -> User | None:
        """The disabled person this create means. Raises Conflict when one with access has the userName."""
        profile = self.wishes.profile
        same = Q(pk__in=User.objects.named(profile.user_name).filter(workspace=self.workspace).values("pk"))
        if profile.external_id:
            same |= Q(external_id=profile.external_id)
        known = User.objects.filter(same, workspace=self.workspace).present().select_for_update()
        found = sorted(known, key=lambda user: user.external_id != profile.external_id)
        if any(user.is_active and user.user_name.lower() == profile.user_name.lower() for user in found):
            raise Conflict(f"A person with the userName {profile.user_name} has access to this workspace already.")
        return next((user for user in found if not user.is_active), None)

    def _end_access(self) -> None:
        offboarding.offboard(self.obj, actor=self.actor, cause=self.cause)
        self.obj.refresh_from_db()

    def _update_leaver(self) -> None:
        """What else the request says of somebody whose access ended just now must not bring it back by failing."""
        try:
            self.obj = people.update_profile(self.obj, self.wishes.profile, actor=self.actor, managed=True)
        except (Conflict, Invalid) as error:
            error.detail = f"The person's access has ended. Their profile was not updated: {error.detail}"
            raise


class GroupAdapter(SCIMGroup):  # type: ignore[misc]  # django-scim2 is untyped
    """A team as a SCIM Group."""

    id_field = "id"
    obj: Team
    wishes: GroupWishes

    def __init__(self, obj: Team, request: HttpRequest | None = None) -> None:
        super().__init__(obj, request)
        self.workspace: Workspace = request.workspace  # type: ignore[union-attr]  # set by scim.auth
        self.actor: Actor = request.actor  # type: ignore[union-attr]

    @classmethod
    def many(cls, groups: list[Team], projection: Projection) -> list[dict[str, Any]]:
        """A page of teams as documents, with one query for the members of all of them."""
        members: dict[UUID, list[tuple[UUID, str]]] = {team.id: [] for team in groups}
        if projection.wants("members"):
            memberships = TeamMembership.objects.filter(team_id__in=list(members), left_at=None)
            rows = memberships.order_by("user_id").values_list("team_id", "user_id", "user__user_name")
            for team_id, user_id, display in rows.iterator():
                members[team_id].append((user_id, display))
        return [
            projection.of(
                documents.group_document(team, members[team.id] if projection.wants("members") else None)
            )
            for team in groups
        ]

    def to_dict(self, projection: Projection | None = None) -> dict[str, Any]:
        return self.many([self.obj], projection or Projection())[0]

    def from_dict(self, document: dict[str, Any]) -> None:
        self.wishes = documents.group_wishes(document)

    def handle_operations(self, operations: Any) -> None:
        """Apply a PATCH: the few attributes through a document, the members as runs of changes in order."""
        changes, rest = member_changes(operations)
        with transaction.atomic():
            self.obj = teams.lock(self.obj)
            if rest:
                document = documents.group_document(self.obj, None)
                self.from_dict(patch.apply(document, rest, GROUP))
                self.save()
            self._change_members(changes)

    @transaction.atomic
    def save(self) -> None:
        """Apply the wishes: the whole group at once, or nothing."""
        wishes = self.wishes
        if self.obj._state.adding:
            self.obj = teams.create(
                self.workspace, wishes.display_name, actor=self.actor, external_id=wishes.external_id,
                attributes=wishes.attributes, managed=True,
            )  # fmt: skip
        else:
            self.obj = teams.update(
                self.obj, actor=self.actor, display_name=wishes.display_name, external_id=wishes.external_id,
                attributes=wishes.attributes, managed=True,
            )  # fmt: skip
        if wishes.members is not None:
            teams.set_members(self.obj, wishes.members, actor=self.actor)

    def delete(self) -> None:
        teams.disband(self.obj, actor=self.actor)

    def member_count(self) -> int:
        return TeamMembership.objects.filter(team=self.obj, left_at=None).count()

    def _change_members(self, changes: GroupChanges) -> None:
        for run in changes.runs:
            ids = as_ids(run.ids)
            match run:
                case Add():
                    teams.add_members(self.obj, ids, actor=self.actor)
                case Remove():
                    teams.remove_members(self.obj, ids, actor=self.actor)
                case _:
                    teams.set_members(self.obj, ids, actor=self.actor)


def operations_of(document: dict[str, Any]) -> Any:
    """The `Operations` of a PatchOp message, in any letter case. Raises InvalidSyntax without them."""
    operations = next((value for key, value in document.items() if key.lower() == "operations"), None)
    if operations is None:
        raise InvalidSyntax("A PATCH needs a list of Operations.")
    return operations
