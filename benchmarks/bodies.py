"""What Okta sends, in the shapes that `demo.okta` speaks, as bytes ready for a socket."""

import json
from typing import Any, Final
from urllib.parse import quote

from demo.okta import PATCH, USER, Person

_OFF_AND_ON: Final = {
    active: json.dumps({"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": active}}]}).encode()
    for active in (False, True)
}


def person(user_name: str) -> Person:
    return Person(user_name, "Ada", "Lovelace")


def match(endpoint: str, user_name: str) -> str:
    """The address of Okta's question whether somebody is known."""
    condition = quote(f'userName eq "{user_name}"')
    return f"{endpoint}?filter={condition}&startIndex=1&count=100"


def create(somebody: Person) -> bytes:
    """A create without the filler that Okta sends as password: stock django-scim2 would hash it for 0.2 s."""
    return json.dumps({"schemas": [USER], **somebody.profile(), "groups": []}).encode()


def put(read: bytes, family_name: str) -> bytes:
    """A PUT of what was read with a new family name merged in."""
    document = json.loads(read)
    document["name"]["familyName"] = family_name
    return json.dumps(document).encode()


def switch(*, active: bool) -> bytes:
    return _OFF_AND_ON[active]


def add_members(identifiers: list[str]) -> bytes:
    return _members("add", identifiers)


def remove_members(identifiers: list[str]) -> bytes:
    """With a list of values, which every server here understands."""
    return _members("remove", identifiers)


def _members(op: str, identifiers: list[str]) -> bytes:
    value: list[Any] = [{"value": identifier} for identifier in identifiers]
    return json.dumps({"schemas": [PATCH], "Operations": [{"op": op, "path": "members", "value": value}]}).encode()
