"""Lists of resources: one kind, or both (RFC 7644 sections 3.4.2 and 3.4.3)."""

from dataclasses import replace
from functools import partial
from typing import Any

from django.http import HttpRequest

from scim import governance, scopes
from scim.attributes import user_name_in
from scim.errors import InvalidFilter
from scim.kinds import GROUPS, USERS, Kind
from scim.models import ScimToken
from scim.paging import Query, counted, page, page_of
from scim.projection import Projection
from scim.schemas import LIST_URN
from workspace import directory, people
from workspace.models import Workspace


def listing(request: HttpRequest, kind: Kind, query: Query, projection: Projection) -> dict[str, Any]:
    """A ListResponse of one kind. Raises OutOfScope, InvalidFilter, InvalidPath, or the errors of a cursor."""
    scopes.require_read(request.scim_token, kind.name)  # type: ignore[attr-defined]  # set by scim.auth
    workspace: Workspace = request.workspace  # type: ignore[attr-defined]  # set by scim.auth
    found, counters = _page(workspace, kind, query)
    return {"schemas": [LIST_URN], **counters, "Resources": _documents(kind, found, projection)}


def governed(request: HttpRequest, endpoint: str, query: Query, projection: Projection) -> dict[str, Any]:
    """A ListResponse of /Roles or /Entitlements. Raises InvalidFilter, InvalidPath, or the errors of a cursor."""
    found, counters = governance.page(request.workspace, endpoint, query)  # type: ignore[attr-defined]  # set by scim.auth
    return {"schemas": [LIST_URN], **counters, "Resources": [projection.of(resource) for resource in found]}


def everywhere(request: HttpRequest, query: Query, projection: Projection) -> dict[str, Any]:
    """A ListResponse over people, groups and roles in this order, by index, without what the token may not read. What
    lacks the filter's attribute has no match; raises InvalidFilter where nothing has it."""
    resources: list[dict[str, Any]] = []
    total, understood, failure = 0, 0, None
    token: ScimToken = request.scim_token  # type: ignore[attr-defined]  # set by scim.auth
    listed = [partial(listing, kind=kind) for kind in (USERS, GROUPS) if scopes.reads(token, kind.name)]
    for ask in (*listed, partial(governed, endpoint="Roles")):
        skipped = max(query.start - 1 - total, 0)
        part = replace(query, start=skipped + 1, count=query.count - len(resources), cursor=None)
        try:
            found = ask(request, query=part, projection=projection)
        except InvalidFilter as error:
            failure = error
            continue
        understood += 1
        total += found["totalResults"]
        resources += found["Resources"]
    if not understood and failure is not None:
        raise failure
    counters = {"totalResults": total, "startIndex": query.start, "itemsPerPage": len(resources)}
    return {"schemas": [LIST_URN], **counters, "Resources": resources}


def _page(workspace: Workspace, kind: Kind, query: Query) -> tuple[list[Any], dict[str, Any]]:
    """Two questions are answered without composing a query: everybody, page by page, and who has a userName."""
    if kind is USERS and query.sort_by is None and query.cursor is None:
        if query.filter is None:
            return counted(*directory.page(workspace, skip=query.start - 1, count=query.count), query)
        if (name := user_name_in(query.filter)) is not None:
            return page_of(people.listed_as(workspace, name), query)
    return page(kind.rows(workspace, query.filter), query, kind.sorts)


def _documents(kind: Kind, rows: list[Any], projection: Projection) -> list[dict[str, Any]]:
    return kind.adapter.many(rows, projection)
