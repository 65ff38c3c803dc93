"""What Okta Identity Governance asks for beside people and groups: the roles and the entitlements of a workspace.

Both are discovered through /ResourceTypes, listed page by page, and read only. A workspace has three roles and no
entitlements: what opens an account is a team, which Okta governs as a group, or a grant that an Owner gives in Cerby.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from scim.definitions import ENTITLEMENT, ROLE, ROLE_URN
from scim.errors import InvalidFilter, InvalidPath, ScimError, shown
from scim.filters import AttributeType, get, matches
from scim.grammar import And, Comparison, Node, Not, Or, Present, ValuePath, parse_filter, parse_path
from scim.paging import Query, page_of
from workspace.models import Role, Workspace

Resource = dict[str, Any]

_DEFINITIONS: Final = {"roles": ROLE, "entitlements": ENTITLEMENT}
ENDPOINTS: Final = frozenset(_DEFINITIONS)
_COMMON: Final = {"id": AttributeType.EXACT, "meta.resourcetype": AttributeType.EXACT, "schemas": AttributeType.EXACT}


def resources(workspace: Workspace, endpoint: str) -> list[Resource]:
    """All of one endpoint, named in any letter case."""
    return _roles(workspace) if endpoint.lower() == "roles" else []


def one(workspace: Workspace, endpoint: str, identifier: str) -> Resource:
    """Raises 404."""
    known = {resource["id"]: resource for resource in resources(workspace, endpoint)}
    if identifier not in known:
        names = f"Known: {', '.join(known)}." if known else "A workspace has none."
        raise ScimError(f"There is no such resource at /{endpoint.title()}. {names}", status=404)
    return known[identifier]


def page(workspace: Workspace, endpoint: str, query: Query) -> tuple[list[Resource], dict[str, Any]]:
    """Those asked for, and the counters of the ListResponse. Raises InvalidFilter or InvalidPath."""
    found = resources(workspace, endpoint)
    if query.filter:
        node, types = parse_filter(query.filter), _types(endpoint)
        _check_names(node, types)
        found = [resource for resource in found if matches(node, resource, types)]
    if query.sort_by:
        found = sorted(found, key=_sort_key(endpoint, query.sort_by), reverse=query.descending)
    return page_of(found, query)


def _roles(workspace: Workspace) -> list[Resource]:
    return [
        {
            "schemas": [ROLE_URN],
            "id": role.value,
            "displayName": role.label,
            "type": "workspace",
            "supported": role is not Role.OWNER or workspace.provider_assigns_owner,
            "meta": {"resourceType": "Role", "location": f"{settings.BASE_URL}/scim/v2/Roles/{role.value}"},
        }
        for role in Role
    ]


def _types(endpoint: str) -> dict[str, AttributeType]:
    attributes = _DEFINITIONS[endpoint.lower()]["attributes"]
    kinds = {"boolean": AttributeType.BOOLEAN}
    return {**_COMMON, **{item["name"].lower(): kinds.get(item["type"], AttributeType.TEXT) for item in attributes}}


def _check_names(node: Node, types: Mapping[str, AttributeType]) -> None:
    """What is not understood is refused, as for people and groups. Raises InvalidFilter."""
    match node:
        case And(terms) | Or(terms):
            for term in terms:
                _check_names(term, types)
        case Not(term):
            _check_names(term, types)
        case ValuePath(path) | Present(path) | Comparison(path):
            if path.key not in types or isinstance(node, ValuePath):
                raise InvalidFilter(f"No filter is supported on '{shown(path)}'. Filterable: {', '.join(types)}.")


def _sort_key(endpoint: str, name: str) -> Any:
    key, known = parse_path(name).attribute.key, _types(endpoint)
    if key not in known or "." in key:
        raise InvalidPath(f"Lists cannot be sorted by that attribute. Sortable: {', '.join(sorted(known))}.")
    return lambda resource: str(get(resource, key)).lower()
