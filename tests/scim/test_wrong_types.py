"""Any JSON value in any place of any message: never a 5xx, and `schemas` that are none are invalidSyntax everywhere."""

from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any, Final

import pytest
from django.db import transaction

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, GROUP, PATCH_OP, USER, Answer, Json, Provider

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(280)]

API: Final = "urn:ietf:params:scim:api:messages:2.0"
# Five of each type in a row, so that each fifth of the list has them all.
VALUES: Final[list[Any]] = [
    None, True, False, {USER: True}, 2.5,
    0, 1, -1, 10**17, 1.0,
    "", "x", "true", USER, "\x00",
    [], [[]], [None], [True], [5],
    ["x"], [USER, 5], [[USER]], [{}], [{"value": 5}],
    {}, {"value": "x"}, {"value": []}, {"x": {"y": [1]}}, {"": None},
]  # fmt: skip
NO_SCHEMAS: Final[list[Any]] = [
    True, False, 0, 7, 1.5, "", "x", USER, {}, {"value": USER}, [[USER]], [USER, 5], [None], [{}]
]  # fmt: skip
PERSON: Final[Json] = {
    "schemas": [USER, ENTERPRISE],
    "id": "x",
    "externalId": "00u1",
    "userName": "ada@acme.example",
    "name": {"givenName": "Ada", "familyName": "Byron", "formatted": "Ada Byron"},
    "displayName": "Ada",
    "active": True,
    "password": "x",
    "emails": [{"value": "ada@acme.example", "type": "work", "primary": True}],
    "phoneNumbers": [{"value": "1", "type": "work", "primary": True}],
    "roles": [{"value": "member", "display": "Member", "primary": True}],
    "groups": [{"value": "x"}],
    "meta": {"resourceType": "User", "version": "x"},
    ENTERPRISE: {"department": "Engines", "manager": {"value": "x", "displayName": "y"}},
    "urn:acme:1.0:User": {"shirt": "M"},
}
OTHER: Final = {"userName": "bob@acme.example", "emails": []}
SEARCH: Final[Json] = {
    "schemas": [f"{API}:SearchRequest"],
    "filter": 'id eq "ada"',
    "sortBy": "displayName",
    "sortOrder": "ascending",
    "startIndex": 1,
    "count": 10,
    "cursor": "",
    "attributes": ["userName"],
    "excludedAttributes": ["groups"],
}
SEARCHED: Final = ["/.search", "/Users/.search", "/Groups/.search", "/Roles/.search", "/Entitlements/.search"]


def messages(acme: Company) -> list[tuple[str, str, Json]]:
    """Of each kind of message one that is right, and where it is sent."""
    person, team = f"/Users/{acme.member.id}", f"/Groups/{acme.team.id}"
    group = {
        "schemas": [GROUP], "displayName": "Crew", "externalId": "00g1", "id": "x", "meta": {"version": "x"},
        "members": [{"value": str(acme.member.id), "type": "User", "display": "x", "$ref": "x"}],
    }  # fmt: skip
    of_people = patch(
        {"op": "replace", "path": "title", "value": "x"},
        {"op": "add", "path": "emails", "value": [{"value": "b@acme.example", "type": "home", "primary": False}]},
        {"op": "replace", "value": {"name": {"givenName": "A"}, "active": True, "roles": [{"value": "member"}]}},
        {"op": "remove", "path": 'emails[type eq "home"]', "value": None},
        {"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "x"}},
    )
    of_teams = patch(
        {"op": "add", "path": "members", "value": [{"value": str(acme.member.id)}]},
        {"op": "replace", "value": {"id": "x", "displayName": "Crew", "members": [{"value": str(acme.member.id)}]}},
        {"op": "remove", "path": f'members[value eq "{acme.member.id}"]'},
        {"op": "remove", "path": "members", "value": [{"value": str(acme.member.id)}]},
    )
    bulk = {
        "schemas": [f"{API}:BulkRequest"],
        "failOnErrors": 1,
        "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "a", "version": "x", "data": {**PERSON}},
            {"method": "PUT", "path": person, "bulkId": "b", "version": "*", "data": {**PERSON, **OTHER}},
            {"method": "PATCH", "path": team, "bulkId": "c", "version": "*", "data": of_teams},
            {"method": "DELETE", "path": person, "bulkId": "d", "version": "*"},
        ],
    }
    return [
        ("POST", "/Users", PERSON),
        ("PUT", person, PERSON),
        ("PATCH", person, of_people),
        ("POST", "/Groups", group),
        ("PUT", team, group),
        ("PATCH", team, of_teams),
        ("POST", "/Bulk", bulk),
        *[("POST", endpoint, SEARCH) for endpoint in SEARCHED],
    ]


def patch(*operations: Json) -> Json:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def places(message: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value stands in a message, the message itself first."""
    yield here
    parts = message.items() if isinstance(message, dict) else enumerate(message) if isinstance(message, list) else ()
    for key, part in parts:
        yield from places(part, (*here, key))


def with_value(message: Json, place: tuple[Any, ...], value: Any) -> Any:
    """The message with another value in one place."""
    if not place:
        return value
    changed = deepcopy(message)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return changed


def undone(okta: Provider, method: str, path: str, body: Any) -> Answer:
    with transaction.atomic():
        answer = okta.send(method, path, body)
        transaction.set_rollback(True)
    return answer


def test_the_messages_are_right_as_they_are(okta: Provider, acme: Company) -> None:
    for method, path, message in messages(acme):
        answer = undone(okta, method, path, message)
        assert answer.status in {200, 201, 204}, (path, answer.body)
        assert all(each["status"] < "3" for each in (answer.body or {}).get("Operations", [])), answer.body


def test_any_value_in_any_place_is_no_failure_of_ours(okta: Provider, acme: Company) -> None:
    """Each place takes a fifth of the values, of every JSON type, and its neighbours the others.

    What stands in the data of a Bulk was sent by itself already.
    """
    everywhere = [(*each, place) for each in messages(acme) for place in places(each[2]) if "data" not in place[:-1]]
    for number, (method, path, message, place) in enumerate(everywhere):
        for value in VALUES[number % 5 :: 5]:
            answer = undone(okta, method, path, with_value(message, place, value))
            assert answer.status < 500, (method, path, place, value, answer.body)
    assert len(everywhere) > 150


def test_schemas_that_are_no_list_of_urns_are_invalid_syntax(okta: Provider, acme: Company) -> None:
    for (method, path, message), value in product(messages(acme), NO_SCHEMAS):
        undone(okta, method, path, {**message, "schemas": value}).refused(400, "invalidSyntax")
        undone(okta, method, path, {**without_schemas(message), "SCHEMAS": value}).refused(400, "invalidSyntax")
        if path == "/Bulk":
            for place in range(3):
                wrong = with_value(message, ("Operations", place, "data", "schemas"), value)
                answer = undone(okta, method, path, {**wrong, "failOnErrors": 9}).ok()["Operations"][place]
                assert (answer["status"], answer["response"]["scimType"]) == ("400", "invalidSyntax")


def test_schemas_may_be_left_out_where_the_address_says_enough(okta: Provider, acme: Company) -> None:
    for method, path, message in messages(acme):
        needed = path == "/Bulk" or path in SEARCHED
        others: list[Json] = [{}, {"schemas": []}, {"schemas": ["urn:x:y"]}, {"schemas": None}, {"SCHEMAS": None}]
        for other in others:
            answer = undone(okta, method, path, {**without_schemas(message), **other})
            assert (answer.status == 400) == needed, (path, other, answer.body)


def without_schemas(message: Json) -> Json:
    return {name: value for name, value in message.items() if name != "schemas"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("failOnErrors", "1"), ("failOnErrors", -1), ("failOnErrors", True), ("failOnErrors", False),
        ("failOnErrors", 1.5), ("failOnErrors", []), ("Operations", {}), ("Operations", 1), ("Operations", [[]]),
    ],
)  # fmt: skip
def test_a_bulk_of_another_form_is_refused(okta: Provider, acme: Company, name: str, value: Any) -> None:
    message = next(body for _, path, body in messages(acme) if path == "/Bulk")
    assert undone(okta, "POST", "/Bulk", {**message, name: value}).status == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", 5), ("method", ["PUT"]), ("path", ["/Users"]), ("path", 5), ("bulkId", {}), ("bulkId", ["a"]),
        ("bulkId", 5), ("data", "x"), ("data", []), ("data", None), ("version", 5), ("version", ["*"]),
        ("version", True),
    ],
)  # fmt: skip
def test_an_operation_of_another_form_is_refused(okta: Provider, acme: Company, name: str, value: Any) -> None:
    message = next(body for _, path, body in messages(acme) if path == "/Bulk")
    assert undone(okta, "POST", "/Bulk", with_value(message, ("Operations", 0, name), value)).status == 400


WRONG_SEARCHES: Final[list[tuple[str, Any]]] = [
    ("count", "ten"), ("count", 1.5), ("count", True), ("count", [1]), ("startIndex", "x"), ("startIndex", {}),
    ("startIndex", False), ("filter", 5), ("filter", ["x"]), ("filter", True), ("sortBy", {}), ("sortBy", 5),
    ("sortOrder", 5), ("sortOrder", "up"), ("attributes", 5), ("attributes", False), ("attributes", {}),
    ("attributes", [5]), ("excludedAttributes", 0), ("excludedAttributes", [[]]), ("cursor", 5), ("cursor", []),
]  # fmt: skip


def test_a_search_of_another_form_is_refused(okta: Provider) -> None:
    for path in SEARCHED:
        for name, value in WRONG_SEARCHES:
            assert okta.post(path, {**SEARCH, name: value}).status == 400, (path, name, value)
