"""Which attributes can be filtered on, and the columns behind them.

The two classes are named by django-scim2's USER_FILTER_PARSER and GROUP_FILTER_PARSER. They stay out of the
adapters' module, because django-scim2's adapters import them while they are themselves being imported.
"""

from typing import Any, ClassVar, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from scim.filters import Attribute, AttributeType, boolean, exact, fixed, identifier, moment, text, to_q
from scim.grammar import parse_filter
from workspace.models import Team, TeamMembership, User, Workspace


def _member_of(live: QuerySet[TeamMembership], column: str) -> Attribute:
    """A reference through live memberships: which person is in the group, which group the person is in."""

    def build(operator: str, operand: Any) -> Q:
        return Q(Exists(live if operator == "pr" else live.filter(**{column: operand})))

    return Attribute(AttributeType.IDENTIFIER, build)


_MEMBER: Final = _member_of(TeamMembership.objects.filter(team=OuterRef("pk"), left_at=None), "user_id")
_GROUP: Final = _member_of(
    TeamMembership.objects.filter(user=OuterRef("pk"), left_at=None, team__disbanded_at=None), "team_id"
)

USER_ATTRIBUTES: dict[str, Attribute] = {
    "id": identifier("id"),
    "externalId": exact("external_id"),
    "userName": text("user_name"),
    "displayName": text("display_name"),
    "name.givenName": text("given_name"),
    "name.familyName": text("family_name"),
    "emails.value": text("email"),
    "active": boolean("is_active"),
    "groups.value": _GROUP,
    "meta.created": moment("created_at"),
    "meta.lastModified": moment("updated_at"),
}
# Inside the brackets of emails[…]: the address a person is known by, which is the primary one.
EMAIL_ELEMENT: dict[str, Attribute] = {"value": text("email"), "type": fixed("work"), "primary": fixed(value=True)}
GROUP_ATTRIBUTES: dict[str, Attribute] = {
    "id": identifier("id"),
    "externalId": exact("external_id"),
    "displayName": text("display_name"),
    "members.value": _MEMBER,
    "meta.created": moment("created_at"),
    "meta.lastModified": moment("updated_at"),
}


def users(workspace: Workspace, query: str | None) -> QuerySet[User]:
    """The people a provider sees, all or those a filter selects. Raises InvalidFilter."""
    rows = User.objects.filter(workspace=workspace).listed()
    elements = {"emails": lambda node: to_q(node, EMAIL_ELEMENT)}
    return rows.filter(to_q(parse_filter(query), USER_ATTRIBUTES, elements)) if query else rows


def groups(workspace: Workspace, query: str | None) -> QuerySet[Team]:
    """The teams a provider sees, all or those a filter selects. Raises InvalidFilter."""
    rows = Team.objects.for_workspace(workspace).filter(disbanded_at=None)
    elements = {"members": lambda node: to_q(node, {"value": _MEMBER})}
    return rows.filter(to_q(parse_filter(query), GROUP_ATTRIBUTES, elements)) if query else rows


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
