"""The two kinds of resources that a client may change, each with what the generic views must know of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from scim import attributes, scopes
from scim.adapters import GroupAdapter, UserAdapter
from scim.errors import ScimError
from workspace import people, teams
from workspace.identifiers import parse_uuid
from workspace.models import Team, User, Workspace

Adapter = UserAdapter | GroupAdapter


@dataclass(frozen=True)
class Kind:
    """`rows(workspace, filter)`, `find` and `lock` (workspace, id) see the workspace's own resources only; `new`,
    `existing` and `locked` raise OutOfScope where the token is for something else."""

    name: str
    endpoint: str
    model: type[User] | type[Team]
    adapter: type[Adapter]
    rows: Callable[[Workspace, str | None], QuerySet[Any]]
    find: Callable[[Workspace, UUID], Any]
    lock: Callable[[Workspace, UUID], Any]
    sorts: Mapping[str, Combinable]

    def new(self, request: HttpRequest) -> Adapter:
        scopes.require_change(request.scim_token, self.name)  # type: ignore[attr-defined]  # set by scim.auth
        return self.adapter(self.model(), request=request)  # type: ignore[arg-type]  # each adapter has its model

    def existing(self, request: HttpRequest, identifier: str) -> Adapter:
        """The resource of that id in the token's workspace. Anything else is a 404, a malformed id too."""
        scopes.require_read(request.scim_token, self.name)  # type: ignore[attr-defined]  # set by scim.auth
        return self._adapted(self.find, request, identifier)

    def locked(self, request: HttpRequest, identifier: str) -> Adapter:
        """The same, locked until the transaction ends."""
        scopes.require_change(request.scim_token, self.name)  # type: ignore[attr-defined]  # set by scim.auth
        return self._adapted(self.lock, request, identifier)

    def _adapted(self, find: Callable[[Workspace, UUID], Any], request: HttpRequest, identifier: str) -> Adapter:
        known = parse_uuid(identifier)
        if known is None:
            raise ScimError(f"No {self.name.lower()} in this workspace has that id.", status=404)
        found = find(request.workspace, known)  # type: ignore[attr-defined]  # set by scim.auth
        return self.adapter(found, request=request)


USERS: Final = Kind(
    "User", "Users", User, UserAdapter, attributes.users, people.find_listed, people.lock_listed, attributes.USER_SORTS
)
GROUPS: Final = Kind(
    "Group", "Groups", Team, GroupAdapter, attributes.groups, teams.find, teams.lock_found, attributes.GROUP_SORTS
)
KINDS: Final = {kind.endpoint.lower(): kind for kind in (USERS, GROUPS)}
