"""SCIM documents and what they say: a request's JSON becomes wishes, a row becomes JSON.

What has a column is kept there; every other attribute and extension is kept as sent and comes back the same
(Okta updates by PUT of our own GET). A password is dropped: Okta's is random filler when password sync is off.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from scim import etags
from scim.definitions import GROUP_URN, SCHEMAS, USER_URN, Definition
from scim.errors import InvalidValue
from scim.filters import get
from scim.http import Built
from scim.members import member_ids
from scim.paging import resource_location
from workspace import statements
from workspace.identifiers import parse_uuid
from workspace.models import Role, Team, User
from workspace.people import Profile

_SERVER_OWNED: Final = {"id", "schemas", "meta"}
_USER_COLUMNS: Final = _SERVER_OWNED | {
    "username", "displayname", "externalid", "name", "emails", "active", "password", "groups",
}  # fmt: skip
_GROUP_COLUMNS: Final = _SERVER_OWNED | {"displayname", "externalid", "members"}
_NAME_COLUMNS: Final = {"givenname", "familyname"}


def _spelled(attributes: Iterable[Definition]) -> dict[str, Any]:
    """Lower-case name → (our spelling, the same for its sub-attributes)."""
    return {item["name"].lower(): (item["name"], _spelled(item.get("subAttributes", ()))) for item in attributes}


_SPELLINGS: Final = _spelled(item for schema in SCHEMAS for item in schema["attributes"])


@dataclass(frozen=True)
class UserWishes:
    """What a document wants of a person; `active` and `role` None leave that as it is."""

    profile: Profile
    active: bool | None
    role: Role | None

    def without_role(self) -> "UserWishes":
        """The same of somebody whose role ends."""
        attributes = {name: value for name, value in self.profile.attributes.items() if name != "roles"}
        return replace(self, profile=replace(self.profile, attributes=attributes), role=None)


@dataclass(frozen=True)
class GroupWishes:
    """What a document wants of a team; `members` None leaves them as they are."""

    display_name: str
    external_id: str
    attributes: dict[str, Any]
    members: list[UUID] | None


def user_wishes(document: Mapping[str, Any], *, derived_name: str = "") -> UserWishes:
    """Read a User document (RFC 7643 section 4.1). Raises InvalidValue naming the attribute that is wrong.

    `derived_name` is the name.formatted that we made up for the person as they are: Okta sends it back with a new
    givenName beside it, and then it is not what anybody wants.
    """
    name = _object(document, "name")
    user_name = _text(document, "userName")
    emails = _emails(document)
    attributes = _kept(document, _USER_COLUMNS)
    other_names = _kept(name, _NAME_COLUMNS)
    if other_names.get("formatted") == derived_name:
        other_names.pop("formatted", None)
    if other_names:
        attributes["name"] = other_names
    if emails:
        attributes["emails"] = emails
    if isinstance(attributes.get("roles"), dict):
        attributes["roles"] = [attributes["roles"]]
    return UserWishes(
        Profile(
            user_name=user_name,
            email=_primary(emails) or (user_name if "@" in user_name else ""),
            given_name=_text(name, "givenName"),
            family_name=_text(name, "familyName"),
            display_name=_text(document, "displayName"),
            external_id=_text(document, "externalId"),
            attributes=attributes,
        ),
        _active(get(document, "active")),
        role_in(document),
    )


def group_wishes(document: Mapping[str, Any]) -> GroupWishes:
    """Read a Group document (RFC 7643 section 4.2). Raises InvalidValue naming the attribute that is wrong."""
    named = any(key.lower() == "members" for key in document)
    return GroupWishes(
        _text(document, "displayName"),
        _text(document, "externalId"),
        _kept(document, _GROUP_COLUMNS),
        as_ids(member_ids(get(document, "members"))) if named else None,
    )


def as_ids(texts: Iterable[str]) -> list[UUID]:
    """Member ids as UUIDs. One that cannot be an id here is nobody's, and is refused like any stranger's."""
    return [parse_uuid(text) or UUID(int=0) for text in texts]


def user_document(user: User, teams: Iterable[Sequence[str]], *, active: bool) -> dict[str, Any]:
    """A person as a User resource; `teams` are (id, displayName) of those they are in. `active` says whether they are
    let in now, which a guest past their time is not, also before that is written down."""
    kept: dict[str, Any] = dict(user.attributes)
    name = {**kept.pop("name", {}), "givenName": user.given_name, "familyName": user.family_name}
    emails = kept.pop("emails", None) or ([_email(user.email)] if user.email else [])
    name.setdefault("formatted", derived_name(user))
    document: dict[str, Any] = {
        "schemas": [USER_URN, *sorted(key for key in kept if key.startswith("urn:"))],
        "id": str(user.id),
        "externalId": user.external_id,
        "userName": user.user_name,
        "name": {key: value for key, value in name.items() if value},
        "displayName": user.display_name,
        "emails": emails,
        "active": active,
        **kept,
        "roles": _roles(user) if active == user.is_active else [],
        "groups": [_group_reference(*team) for team in teams],
        "meta": _meta("User", "Users", user),
    }
    return _without_empty(document)


def _roles(user: User) -> list[dict[str, Any]]:
    """The person's role: as the provider sent it while it is still theirs. A plain Member has none to show.

    Of somebody without access, the role that waits for them: what was sent since they left.
    """
    if not user.is_active:
        return user.attributes.get("roles") or []
    sent = [item for item in user.attributes.get("roles") or [] if get(item, "value") == user.role]
    if sent:
        return sent
    if user.role == Role.MEMBER:
        return []
    return [{"value": user.role, "display": user.get_role_display(), "primary": True}]


def derived_name(user: User) -> str:
    """The name.formatted of a person whose provider sent none."""
    return f"{user.given_name} {user.family_name}".strip()


def group_document(team: Team, members: Built | list[Any] | None) -> dict[str, Any]:
    """A team as a Group resource; None leaves its members out."""
    document: dict[str, Any] = {
        "schemas": [GROUP_URN, *sorted(key for key in team.attributes if key.startswith("urn:"))],
        "id": str(team.id),
        "externalId": team.external_id,
        "displayName": team.display_name,
        **team.attributes,
        "meta": _meta("Group", "Groups", team),
    }
    document = _without_empty(document)
    if members is not None:
        document["members"] = members
    return document


_MEMBERS: Final = """
    SELECT m.team_id, '[' || string_agg('{"value":"' || m.user_id || '","type":"User","$ref":' || %s || m.user_id
           || '"}', ',' ORDER BY m.user_id) || ']'
      FROM workspace_teammembership m
     WHERE m.team_id {condition} AND m.left_at IS NULL GROUP BY m.team_id
"""
# Of a single team the index gives the members in their order, and nothing is sorted.
_MEMBERS_OF_ONE: Final = _MEMBERS.replace("{condition}", "= %s")
_MEMBERS_OF_MANY: Final = _MEMBERS.replace("{condition}", "= ANY(%s)")


def members_of(team_ids: list[UUID]) -> dict[UUID, Built]:
    """The `members` of these teams; who has none is left out. The database builds the JSON: a team has 100,000."""
    location = json.dumps(resource_location("Users", ""))[:-1]
    one = len(team_ids) == 1
    found = statements.rows(_MEMBERS_OF_ONE if one else _MEMBERS_OF_MANY, [location, team_ids[0] if one else team_ids])
    return {team_id: Built(members) for team_id, members in found}


def _group_reference(team_id: str, display: str) -> dict[str, str]:
    location = resource_location("Groups", team_id)
    return {"value": team_id, "display": display, "type": "direct", "$ref": location}


def _meta(kind: str, endpoint: str, row: User | Team) -> dict[str, str]:
    """RFC 7643 section 3.1; times as xsd:dateTime in UTC."""
    return {
        "resourceType": kind,
        "created": row.created_at.isoformat().replace("+00:00", "Z"),
        "lastModified": row.updated_at.isoformat().replace("+00:00", "Z"),
        "location": resource_location(endpoint, row.id),
        "version": etags.of(row.updated_at),
    }


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    """An attribute without a value is left out (RFC 7643 section 2.5)."""
    return {key: value for key, value in document.items() if value not in ("", None, [], {}) or key == "active"}


def _email(address: str) -> dict[str, Any]:
    return {"value": address, "type": "work", "primary": True}


def _kept(document: Mapping[str, Any], columns: set[str]) -> dict[str, Any]:
    """What has no column, in our spelling; null, [] and {} are "unassigned" (RFC 7643 section 2.5)."""
    kept = {key: value for key, value in document.items() if key.lower() not in columns and value not in (None, [], {})}
    respelled: dict[str, Any] = _respelled(kept, _SPELLINGS)
    return respelled


def _respelled(value: Any, spellings: Mapping[str, Any]) -> Any:
    """Known attributes and sub-attributes in the schema's spelling, so that filters find them; the rest as sent."""
    if isinstance(value, list):
        return [_respelled(item, spellings) for item in value]
    if not isinstance(value, dict):
        return value
    respelled = {}
    for key, part in value.items():
        if key.lower().startswith("urn:"):
            name, inner = key, _SPELLINGS
        else:
            name, inner = spellings.get(key.lower(), (key, {}))
        respelled[name] = _respelled(part, inner)
    return respelled


def _text(document: Mapping[str, Any], name: str) -> str:
    value = get(document, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} must be a string.")
    return value


def _object(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = get(document, name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise InvalidValue(f"{name} must be an object.")
    return value


def _emails(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The addresses as sent; OneLogin sends a single object, and some a bare string."""
    value = get(document, "emails")
    given = value if isinstance(value, list) else [value] if value else []
    emails = [{"value": item} if isinstance(item, str) else item for item in given]
    for item in emails:
        if not isinstance(item, dict) or not isinstance(get(item, "value") or "", str):
            raise InvalidValue('emails must be a list of objects such as {"value": "a@example.com"}.')
    return [_respelled(item, _SPELLINGS["emails"][1]) for item in emails if get(item, "value")]


def _primary(emails: list[dict[str, Any]]) -> str:
    """The address marked primary, else the one for work, else the first."""
    ranked = sorted(
        emails, key=lambda item: (get(item, "primary") not in (True, "true", "True"), get(item, "type") != "work")
    )
    return str(get(ranked[0], "value")) if ranked else ""


def role_in(document: Mapping[str, Any]) -> Role | None:
    """The strongest of the roles named; none named is a Member, no `roles` at all changes nothing."""
    given = get(document, "roles")
    if given is None:
        return None
    roles = given if isinstance(given, list) else [given]
    values = [get(item, "value") for item in roles]
    unknown = [value for value in values if value not in Role.values]
    if unknown:
        raise InvalidValue(f"roles: known are {', '.join(Role.values)}. See /Roles.")
    return next((role for role in Role if role in values), Role.MEMBER)


def _active(value: Any) -> bool | None:
    """A boolean, or Entra's "True" and "False"."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise InvalidValue("active must be true or false.")
