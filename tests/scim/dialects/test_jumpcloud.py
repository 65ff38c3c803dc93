"""JumpCloud: a test user and a test group are made and taken away whenever the integration is activated."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, GROUP, USER, Json, Provider, bearer
from workspace.models import Team, User

pytestmark = pytest.mark.django_db

Members = Callable[[str], set[str]]


@pytest.fixture
def jumpcloud(acme: Company) -> Provider:
    headers = {"authorization": bearer(acme), "accept": "application/scim+json, application/json"}
    return Provider(headers, "application/scim+json")


def body(**more: Any) -> Json:
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": "scimtest@acme.example",
        "externalId": "5d0c1f2e9a4b",
        "name": {"givenName": "JumpCloud", "familyName": "Test"},
        "displayName": "JumpCloud Test",
        "emails": [{"type": "work", "primary": True, "value": "scimtest@acme.example"}],
        "addresses": [],
        "phoneNumbers": [],
        "active": True,
        ENTERPRISE: {},
        **more,
    }


def activate(jumpcloud: Provider) -> str:
    """What pressing "Activate" sends, in order. Returns the id of the test user."""
    jumpcloud.get("/Users?count=1&startIndex=1").ok()
    assert jumpcloud.find("Users", 'userName eq "scimtest@acme.example"')["totalResults"] == 0
    user = jumpcloud.post("/Users", body()).ok(201)
    jumpcloud.get(f"/Users/{user['id']}").ok()
    jumpcloud.put(f"/Users/{user['id']}", body(displayName="JumpCloud Test 2")).ok()
    jumpcloud.get("/Groups?count=1&startIndex=1").ok()
    group = jumpcloud.post("/Groups", {"schemas": [GROUP], "displayName": "JumpCloud Test", "members": []}).ok(201)
    member = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
    jumpcloud.patch(f"/Groups/{group['id']}", member).ok(200, 204)
    jumpcloud.patch(f"/Groups/{group['id']}", {**member, "op": "remove"}).ok(200, 204)
    jumpcloud.delete(f"/Groups/{group['id']}").ok(204)
    jumpcloud.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}}).ok()
    jumpcloud.delete(f"/Users/{user['id']}").ok(204)
    return str(user["id"])


def test_activation_leaves_nothing_behind(jumpcloud: Provider, acme: Company) -> None:
    people, groups = jumpcloud.get("/Users").ok(), jumpcloud.get("/Groups").ok()
    activate(jumpcloud)
    assert jumpcloud.get("/Users").ok() == people
    assert jumpcloud.get("/Groups").ok() == groups


def test_activation_can_be_repeated_with_the_same_test_user(jumpcloud: Provider, acme: Company) -> None:
    assert activate(jumpcloud) == activate(jumpcloud)
    assert User.objects.filter(workspace=acme.workspace, user_name="scimtest@acme.example").count() == 1
    assert not Team.objects.filter(workspace=acme.workspace, disbanded_at=None, display_name="JumpCloud Test").exists()


def test_a_person_is_updated_by_put_and_suspended(jumpcloud: Provider) -> None:
    made = jumpcloud.post("/Users", body()).ok(201)
    answer = jumpcloud.put(f"/Users/{made['id']}", body(title="Tester", active=False)).ok()
    assert (answer["title"], answer["active"]) == ("Tester", False)


def test_empty_lists_and_extensions_are_no_values(jumpcloud: Provider) -> None:
    made = jumpcloud.post("/Users", body()).ok(201)
    assert not {"addresses", "phoneNumbers", ENTERPRISE} & made.keys()
    assert made["schemas"] == [USER]


def test_a_group_is_put_as_a_whole(jumpcloud: Provider, acme: Company, members: Members) -> None:
    made = jumpcloud.post("/Groups", {"schemas": [GROUP], "displayName": "Crew"}).ok(201)
    crew = {"schemas": [GROUP], "displayName": "Crew", "members": [{"value": str(acme.owner.id)}]}
    jumpcloud.put(f"/Groups/{made['id']}", crew).ok()
    assert members(made["id"]) == {str(acme.owner.id)}
    jumpcloud.put(f"/Groups/{made['id']}", {**crew, "displayName": "Crew 2", "members": []}).ok()
    assert members(made["id"]) == set()
    assert jumpcloud.get(f"/Groups/{made['id']}").ok()["displayName"] == "Crew 2"


def test_members_are_replaced_in_one_operation(jumpcloud: Provider, acme: Company, members: Members) -> None:
    ids = [str(acme.person(f"p{number}").id) for number in range(3)]
    values = [{"value": each} for each in ids]
    jumpcloud.patch(f"/Groups/{acme.team.id}", {"op": "replace", "path": "members", "value": values}).ok(200, 204)
    assert members(str(acme.team.id)) == set(ids)
