"""Which attributes can be filtered and sorted on, and what stands behind them in the database.

The two classes are named by django-scim2's USER_FILTER_PARSER and GROUP_FILTER_PARSER. They stay out of the
adapters' module, because django-scim2's adapters import them while they are themselves being imported.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, Lower, NullIf, Trim

from scim import definitions
from scim.definitions import ENTERPRISE_URN, GROUP_URN, USER_URN, Definition
from scim.elements_sql import AnyElement, AnyExtension
from scim.filters import (
    Attribute,
    AttributeType,
    ValuePathBuilder,
    boolean,
    exact,
    fixed,
    identifier,
    moment,
    text,
    to_q,
    translator,
)
from scim.grammar import And, AttributePath, Comparison, Node, Present, parse_filter
from workspace.models import Role, Team, TeamMembership, User, Workspace
from workspace.models.people import with_access

_SIMPLE: Final = (
    "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
)  # fmt: skip
# Kept as JSON; emails are in a table of their own below, since a local person has one without JSON.
_MULTI_VALUED: Final = ("phoneNumbers", "ims", "photos", "addresses", "entitlements", "x509Certificates")


def _node(part: str, operator: str, operand: Any) -> Node:
    """The comparison of one sub-attribute as it stands in brackets."""
    path = AttributePath(part)
    return Present(path) if operator == "pr" else Comparison(path, operator, operand)


def _through(name: str, elements: ValuePathBuilder, parts: Mapping[str, AttributeType]) -> dict[str, Attribute]:
    """`groups.display` and its like: any element whose sub-attribute compares so."""

    def attribute(part: str, kind: AttributeType) -> Attribute:
        return Attribute(kind, lambda operator, operand: elements(_node(part, operator, operand)))

    return {f"{name}.{part}": attribute(part, kind) for part, kind in parts.items()}


def _member_of(live: QuerySet[TeamMembership], column: str) -> Attribute:
    """A reference through live memberships: which person is in the group, which group the person is in."""

    def build(operator: str, operand: Any) -> Q:
        return Q(Exists(live if operator == "pr" else live.filter(**{column: operand})))

    return Attribute(AttributeType.IDENTIFIER, build)


def _memberships(
    name: str, live: QuerySet[TeamMembership], parts: dict[str, Attribute]
) -> tuple[dict[str, Attribute], ValuePathBuilder]:
    """`members.type` and its like, and `members[…]`: any one membership that meets the whole filter."""

    def elements(node: Node) -> Q:
        return Q(Exists(live.filter(to_q(node, parts))))

    return _through(name, elements, {part: attribute.type for part, attribute in parts.items()}), elements


_GROUPS_OF_A_PERSON: Final = TeamMembership.objects.filter(user=OuterRef("pk"), left_at=None, team__disbanded_at=None)


def _elements(name: str) -> ValuePathBuilder:
    """`phoneNumbers[…]`: any element of a multi-valued attribute kept as JSON."""
    return lambda node: Q(AnyElement(name, _parts(name), node))


def _emails(node: Node) -> Q:
    """`emails[…]`: the addresses as sent; for a local person the one they are known by."""
    lone = {"value": text("email"), "type": fixed("work"), "primary": fixed(value=True), "display": fixed("")}
    local = Q(to_q(node, lone), ~Q(email=""), attributes__emails__isnull=True)
    return Q(AnyElement("emails", _parts("emails"), node)) | local


def _roles(node: Node) -> Q:
    """`roles[…]`: the role a person has; for somebody without access, what is kept for the day they are let in."""
    parts = _parts("roles")
    found = Q(AnyElement("roles", parts, node), is_active=False)
    for role in Role:
        sent = _node("value", "eq", role.value)
        shown = Q(AnyElement("roles", parts, And((sent, node))))
        if role is not Role.MEMBER:  # a plain Member's document shows a role only where the provider sent it
            lone = {"value": fixed(role.value), "display": fixed(role.label), "primary": fixed(value=True)}
            shown |= Q(to_q(node, {**lone, "type": fixed("")}), ~Q(AnyElement("roles", parts, sent)))
        found |= Q(shown, with_access(), role=role)
    return found


def _of_every(urn: str, name: str) -> dict[str, Attribute]:
    """What each resource of a type has: its schemas (its own and those of its extensions) and its meta."""

    def schemas(operator: str, operand: Any) -> Q:
        own = fixed(urn, case_exact=True).build(operator, operand)
        return own | Q(AnyExtension(_node("value", operator, operand)))

    return {
        "id": identifier("id"),
        "externalId": exact("external_id"),
        "schemas": Attribute(AttributeType.EXACT, schemas),
        "meta.resourceType": fixed(name, case_exact=True),
        "meta.created": moment("created_at"),
        "meta.lastModified": moment("updated_at"),
    }


def _parts(name: str) -> dict[str, AttributeType]:
    """The sub-attributes of a multi-valued attribute with the types that /Schemas gives them."""
    described = next(item for item in definitions.USER["attributes"] if item["name"] == name)
    return {part["name"]: _type(part) for part in described["subAttributes"]}


def _type(described: Definition) -> AttributeType:
    if described["type"] == "boolean":
        return AttributeType.BOOLEAN
    return AttributeType.EXACT if described["caseExact"] else AttributeType.TEXT


def _kept(*path: str) -> Combinable:
    return KT("__".join(("attributes", *path)))


_FORMATTED: Final = Coalesce(
    _kept("name", "formatted"),
    Trim(Concat("given_name", Value(" "), "family_name")),
    output_field=TextField(),
)
# A guest past their time is not, whether or not the end is written down.
_ACTIVE: Final = ExpressionWrapper(with_access(), output_field=BooleanField())
_ENTERPRISE: Final = ("employeeNumber", "costCenter", "organization", "division", "department")

_IN_GROUPS, _GROUPS = _memberships(
    "groups",
    _GROUPS_OF_A_PERSON,
    {"value": identifier("team_id"), "display": text("team__display_name"), "type": fixed("direct")},
)
USER_ATTRIBUTES: Final[dict[str, Attribute]] = {
    **_of_every(USER_URN, "User"),
    "userName": text("user_name"),
    "displayName": text("display_name"),
    "name.formatted": text(_FORMATTED),
    "name.givenName": text("given_name"),
    "name.familyName": text("family_name"),
    **{f"name.{part}": text(_kept("name", part)) for part in ("middleName", "honorificPrefix", "honorificSuffix")},
    "active": boolean(_ACTIVE),
    **_through("emails", _emails, _parts("emails")),
    **_through("roles", _roles, _parts("roles")),
    **_IN_GROUPS,
    "groups.value": _member_of(_GROUPS_OF_A_PERSON, "team_id"),
    **{name: text(_kept(name)) for name in _SIMPLE},
    "profileUrl": exact(_kept("profileUrl")),
    **{key: made for name in _MULTI_VALUED for key, made in _through(name, _elements(name), _parts(name)).items()},
    **{f"{ENTERPRISE_URN}:{name}": text(_kept(ENTERPRISE_URN, name)) for name in _ENTERPRISE},
    f"{ENTERPRISE_URN}:manager.value": exact(_kept(ENTERPRISE_URN, "manager", "value")),
    f"{ENTERPRISE_URN}:manager.displayName": text(_kept(ENTERPRISE_URN, "manager", "displayName")),
}
USER_ELEMENTS: Final[dict[str, ValuePathBuilder]] = {
    "emails": _emails,
    "roles": _roles,
    "groups": _GROUPS,
    **{name: _elements(name) for name in _MULTI_VALUED},
}
_PEOPLE_OF_A_GROUP: Final = TeamMembership.objects.filter(team=OuterRef("pk"), left_at=None)
_WITH_MEMBERS, _MEMBERS = _memberships(
    "members", _PEOPLE_OF_A_GROUP, {"value": identifier("user_id"), "type": fixed("User")}
)
GROUP_ATTRIBUTES: Final[dict[str, Attribute]] = {
    **_of_every(GROUP_URN, "Group"),
    "displayName": text("display_name"),
    **_WITH_MEMBERS,
    "members.value": _member_of(_PEOPLE_OF_A_GROUP, "user_id"),
}
GROUP_ELEMENTS: Final[dict[str, ValuePathBuilder]] = {"members": _MEMBERS}


def _letters(source: str | Combinable) -> Combinable:
    """Sorts without regard to letter case; an empty text counts as no value."""
    return NullIf(Lower(source), Value(""))


_SORTED_BOTH: Final[dict[str, Combinable]] = {
    "id": F("id"),
    "externalid": F("external_id"),
    "displayname": _letters("display_name"),
    "meta.created": F("created_at"),
    "meta.lastmodified": F("updated_at"),
}
USER_SORTS: Final[Mapping[str, Combinable]] = {
    **_SORTED_BOTH,
    "username": _letters("user_name"),
    "name.formatted": _letters(_FORMATTED),
    "name.givenname": _letters("given_name"),
    "name.familyname": _letters("family_name"),
    "emails": _letters("email"),
    "emails.value": _letters("email"),
    "active": _ACTIVE,
    **{name.lower(): _letters(_kept(name)) for name in _SIMPLE},
    **{f"{ENTERPRISE_URN}:{name}".lower(): _letters(_kept(ENTERPRISE_URN, name)) for name in _ENTERPRISE},
}
GROUP_SORTS: Final[Mapping[str, Combinable]] = _SORTED_BOTH


_USER_Q: Final = translator(USER_ATTRIBUTES, USER_ELEMENTS)
_GROUP_Q: Final = translator(GROUP_ATTRIBUTES, GROUP_ELEMENTS)


def users(workspace: Workspace, query: str | None) -> QuerySet[User]:
    """The people a provider sees, all or those a filter selects. Raises InvalidFilter."""
    rows = User.objects.filter(workspace=workspace).listed()
    return rows.filter(_USER_Q(parse_filter(query))) if query else rows


def user_name_in(query: str | None) -> str | None:
    """The name in `userName eq "…"`, which providers ask before every create; None for any other filter.

    Raises InvalidFilter.
    """
    if query is None or not query.lower().startswith("username eq "):
        return None
    match parse_filter(query):
        case Comparison(AttributePath(sub=None), "eq", str(name)) if name.isprintable():
            return name
    return None


def groups(workspace: Workspace, query: str | None) -> QuerySet[Team]:
    """The teams a provider sees, all or those a filter selects. Raises InvalidFilter."""
    rows = Team.objects.for_workspace(workspace).filter(disbanded_at=None)
    return rows.filter(_GROUP_Q(parse_filter(query))) if query else rows


class UserFilter:
    """django-scim2's seam for filtered reads of Users."""

    attr_map: ClassVar[dict[Any, str]] = {}  # read by the stock adapter's PATCH, which ours replaces

    @classmethod
    def search(cls, query: str, request: Any) -> QuerySet[User]:
        return users(request.workspace, query)


class GroupFilter:
    """django-scim2's seam for filtered reads of Groups."""

    attr_map: ClassVar[dict[Any, str]] = {}

    @classmethod
    def search(cls, query: str, request: Any) -> QuerySet[Team]:
        return groups(request.workspace, query)
