"""The provisioning log: each write, in the write's own transaction, and each refusal."""

import re
import time
from typing import Any, Final
from uuid import UUID

from scim import scopes
from scim.errors import ScimError
from scim.models import Operation, ProvisioningEvent, ScimToken
from workspace import statements
from workspace.db import unit_of_work
from workspace.identifiers import parse_uuid

_OPERATIONS: Final = {
    "POST": Operation.CREATE,
    "PUT": Operation.REPLACE,
    "PATCH": Operation.MODIFY,
    "DELETE": Operation.DELETE,
}
_RESOURCE: Final = re.compile(r"/(Users|Groups)(?:/([0-9a-f-]{36}))?/?$", re.IGNORECASE)


def begin(request: Any, token: ScimToken) -> None:
    """Note when the request began and whose it is."""
    request.scim_token = token
    request.scim_started = time.monotonic()


def record_write(
    request: Any, operation: str, resource: str, identifier: UUID, *, status: int, attributes: list[str]
) -> None:
    """Part of the caller's transaction: no commit of its own."""
    _create(request, operation, resource, identifier, status=status, attributes=attributes)


def record_refusal(request: Any, error: ScimError, *, method: str = "", path: str = "") -> None:
    """A request that changed nothing; reads that were refused too. Its detail is the one that was answered.

    `method` and `path` are those of an operation of Bulk. Owners are told of what a token's scope kept from happening.
    """
    found = _RESOURCE.search(path or request.path)
    _create(
        request,
        _OPERATIONS.get(method or request.method, Operation.READ),
        {"users": "User", "groups": "Group"}[found[1].lower()] if found else "",
        parse_uuid(found[2]) if found else None,
        status=error.status,
        scim_type=error.scim_type or "",
        detail=error.detail[:500],
    )
    if isinstance(error, scopes.OutOfScope):
        scopes.tell_owners(request.scim_token)


def _create(request: Any, operation: str, resource: str, identifier: UUID | None, **rest: Any) -> None:
    event = statements.new(
        ProvisioningEvent,
        workspace_id=request.scim_token.workspace_id,
        token_id=request.scim_token.pk,
        operation=operation,
        resource_type=resource,
        resource_id=identifier,
        duration_ms=int((time.monotonic() - request.scim_started) * 1000),
        request_id=request.request_id,
        **rest,
    )
    unit_of_work.append(event)
