"""Which attributes can be filtered and sorted on, and what stands behind them in the database.

The two classes are named by django-scim2's USER_FILTER_PARSER and GROUP_FILTER_PARSER. They stay out of the
adapters' module, because django-scim2's adapters import them while they are themselves being imported.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, Lower, NullIf, Trim

from scim import definitions
from scim.definitions import ENTERPRISE_URN, Definition
from scim.elements_sql import AnyElement
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
from scim.grammar import AttributePath, Comparison, Literal, Node, Present, parse_filter
from workspace.models import Role, Team, TeamMembership, User, Workspace

_TIMES: Final = {"meta.created": moment("created_at"), "meta.lastModified": moment("updated_at")}
_SIMPLE: Final = (
    "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
)  # fmt: skip
# Kept as JSON; emails are in a table of their own below, since a local person has one without JSON.
_MULTI_VALUED: Final = ("phoneNumbers", "ims", "photos", "addresses", "entitlements", "x509Certificates")


def _member_of(live: QuerySet[TeamMembership], column: str) -> Attribute:
    """A reference through live memberships: which person is in the group, which group the person is in."""

    def build(operator: str, operand: Any) -> Q:
        return Q(Exists(live if operator == "pr" else live.filter(**{column: operand})))

    return Attribute(AttributeType.IDENTIFIER, build)


def _membership(live: QuerySet[TeamMembership], column: str) -> ValuePathBuilder:
    """`members[…]`: any one membership that meets the whole filter, `not` and `ne` within included."""
    return lambda node: Q(Exists(live.filter(to_q(node, {"value": identifier(column)}))))


_GROUPS_OF_A_PERSON: Final = TeamMembership.objects.filter(user=OuterRef("pk"), left_at=None, team__disbanded_at=None)


def _element(name: str, part: str) -> Attribute:
    """`phoneNumbers.value`: any element of a multi-valued attribute kept as JSON."""

    def build(operator: str, operand: Literal) -> Q:
        path = AttributePath(part)
        node = Present(path) if operator == "pr" else Comparison(path, operator, operand)
        return _elements(name)(node)

    return Attribute(_parts(name)[part], build)


def _elements(name: str) -> ValuePathBuilder:
    """`phoneNumbers[…]`"""
    return lambda node: Q(AnyElement(name, _parts(name), node))


def _emails(node: Node) -> Q:
    """`emails[…]`: the addresses as sent; for a local person the one they are known by."""
    lone = {"value": text("email"), "type": fixed("work"), "primary": fixed(value=True), "display": fixed("")}
    local = Q(to_q(node, lone), ~Q(email=""), attributes__emails__isnull=True)
    return Q(AnyElement("emails", _parts("emails"), node)) | local


def _email(part: str) -> Attribute:
    """`emails.value`: of any address, a local person's included."""

    def build(operator: str, operand: Any) -> Q:
        path = AttributePath(part)
        return _emails(Present(path) if operator == "pr" else Comparison(path, operator, operand))

    return Attribute(_parts("emails")[part], build)


def _has_role() -> Q:
    """Whether a person's document shows a role: a plain Member's does only where the provider sent it."""
    sent = Comparison(AttributePath("value"), "eq", Role.MEMBER.value)
    return ~Q(role=Role.MEMBER) | Q(AnyElement("roles", _parts("roles"), sent))


def _role(operator: str, operand: Any) -> Q:
    path = AttributePath("value")
    return _roles(Present(path) if operator == "pr" else Comparison(path, operator, operand))


def _roles(node: Node) -> Q:
    """`roles[…]`: the role a person has; for somebody without access, what is kept for the day they are let in."""
    has = Q(to_q(node, {"value": text("role")}), _has_role(), is_active=True)
    return has | Q(AnyElement("roles", {"value": AttributeType.TEXT}, node), is_active=False)


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
_ENTERPRISE: Final = ("employeeNumber", "costCenter", "organization", "division", "department")

USER_ATTRIBUTES: Final[dict[str, Attribute]] = {
    "id": identifier("id"),
    "externalId": exact("external_id"),
    "userName": text("user_name"),
    "displayName": text("display_name"),
    "name.formatted": text(_FORMATTED),
    "name.givenName": text("given_name"),
    "name.familyName": text("family_name"),
    **{f"name.{part}": text(_kept("name", part)) for part in ("middleName", "honorificPrefix", "honorificSuffix")},
    "active": boolean("is_active"),
    **{f"emails.{part}": _email(part) for part in _parts("emails")},
    "roles.value": Attribute(AttributeType.TEXT, _role),
    "groups.value": _member_of(_GROUPS_OF_A_PERSON, "team_id"),
    **{name: text(_kept(name)) for name in _SIMPLE},
    "profileUrl": exact(_kept("profileUrl")),
    **{f"{name}.{part}": _element(name, part) for name in _MULTI_VALUED for part in _parts(name)},
    **{f"{ENTERPRISE_URN}:{name}": text(_kept(ENTERPRISE_URN, name)) for name in _ENTERPRISE},
    f"{ENTERPRISE_URN}:manager.value": exact(_kept(ENTERPRISE_URN, "manager", "value")),
    f"{ENTERPRISE_URN}:manager.displayName": text(_kept(ENTERPRISE_URN, "manager", "displayName")),
    **_TIMES,
}
USER_ELEMENTS: Final[dict[str, ValuePathBuilder]] = {
    "emails": _emails,
    "roles": _roles,
    "groups": _membership(_GROUPS_OF_A_PERSON, "team_id"),
    **{name: _elements(name) for name in _MULTI_VALUED},
}
_PEOPLE_OF_A_GROUP: Final = TeamMembership.objects.filter(team=OuterRef("pk"), left_at=None)
GROUP_ATTRIBUTES: Final[dict[str, Attribute]] = {
    "id": identifier("id"),
    "externalId": exact("external_id"),
    "displayName": text("display_name"),
    "members.value": _member_of(_PEOPLE_OF_A_GROUP, "user_id"),
    **_TIMES,
}
GROUP_ELEMENTS: Final[dict[str, ValuePathBuilder]] = {"members": _membership(_PEOPLE_OF_A_GROUP, "user_id")}


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
    "active": F("is_active"),
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
