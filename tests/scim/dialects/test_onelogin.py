"""OneLogin: an e-mail that may be one object or lack `primary`, a match that may find nobody, PATCHed groups."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, GROUP, USER, Json, Provider, bearer
from workspace.models import User

pytestmark = pytest.mark.django_db

Members = Callable[[str], set[str]]
EMAILS: dict[str, Any] = {
    "object": {"value": "rey@acme.example", "type": "work", "primary": True},
    "object without primary": {"value": "rey@acme.example"},
    "list without primary": [{"value": "rey@acme.example", "type": "work"}],
    "list of two without primary": [
        {"value": "rey@home.example", "type": "home"},
        {"value": "rey@acme.example", "type": "work"},
    ],
    "list of strings": ["rey@acme.example"],
}


@pytest.fixture
def onelogin(acme: Company) -> Provider:
    headers = {"authorization": bearer(acme), "accept": "application/json", "user-agent": "OneLogin"}
    return Provider(headers, "application/json")


def rey(**more: Any) -> Json:
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": "rey@acme.example",
        "externalId": "142877431",
        "name": {"givenName": "Rey", "familyName": "S", "formatted": "Rey S"},
        "displayName": "Rey S",
        "emails": [{"value": "rey@acme.example", "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE: {"department": "Scavenging", "manager": {"value": "", "displayName": ""}},
        **more,
    }


def test_connecting_looks_for_somebody_who_is_not_there(onelogin: Provider) -> None:
    assert onelogin.find("Users", 'userName eq "nobody-ed3a"')["Resources"] == []


@pytest.mark.parametrize("emails", EMAILS.values(), ids=EMAILS.keys())
def test_every_shape_of_an_email_is_understood(onelogin: Provider, emails: Any) -> None:
    made = onelogin.post("/Users", rey(emails=emails)).ok(201)
    assert User.objects.get(pk=made["id"]).email == "rey@acme.example"
    assert isinstance(made["emails"], list)
    assert "rey@acme.example" in [each["value"] for each in made["emails"]]
    again = onelogin.put(f"/Users/{made['id']}", {**made, "emails": emails}).ok()
    assert again["emails"] == made["emails"]


@pytest.mark.parametrize("emails", EMAILS.values(), ids=EMAILS.keys())
def test_an_email_is_found_by_filter_whatever_its_shape_was(onelogin: Provider, emails: Any) -> None:
    made = onelogin.post("/Users", rey(emails=emails)).ok(201)
    for condition in ('emails.value eq "REY@acme.example"', 'emails eq "rey@acme.example"'):
        assert [each["id"] for each in onelogin.find("Users", condition)["Resources"]] == [made["id"]]


def test_an_empty_manager_is_no_manager(onelogin: Provider) -> None:
    made = onelogin.post("/Users", rey()).ok(201)
    read = onelogin.get(f"/Users/{made['id']}").ok()
    assert read[ENTERPRISE]["department"] == "Scavenging"
    assert onelogin.find("Users", f"{ENTERPRISE}:manager.value pr")["totalResults"] == 0


def test_a_profile_is_updated_by_put(onelogin: Provider) -> None:
    made = onelogin.post("/Users", rey()).ok(201)
    answer = onelogin.put(f"/Users/{made['id']}", rey(displayName="Rey Skywalker", title="Jedi")).ok()
    assert (answer["id"], answer["displayName"], answer["title"]) == (made["id"], "Rey Skywalker", "Jedi")


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_suspending_is_active_false_by_either_verb(onelogin: Provider, verb: str) -> None:
    made = onelogin.post("/Users", rey()).ok(201)
    path = f"/Users/{made['id']}"
    if verb == "PUT":
        onelogin.put(path, rey(active=False)).ok()
    else:
        onelogin.patch(path, {"op": "replace", "path": "active", "value": False}).ok()
    assert onelogin.get(path).ok()["active"] is False


def test_deleting_frees_the_match(onelogin: Provider) -> None:
    made = onelogin.post("/Users", rey()).ok(201)
    onelogin.delete(f"/Users/{made['id']}").ok(204)
    assert onelogin.find("Users", 'userName eq "rey@acme.example"')["Resources"] == []


def test_groups_are_read_as_a_whole_created_and_patched(onelogin: Provider, acme: Company, members: Members) -> None:
    assert [group["displayName"] for group in onelogin.get("/Groups").ok()["Resources"]] == ["Operations"]
    made = onelogin.post("/Groups", {"schemas": [GROUP], "displayName": "Jedi"}).ok(201)
    ids = [str(acme.owner.id), str(acme.member.id)]
    path = f"/Groups/{made['id']}"
    onelogin.patch(path, {"op": "add", "path": "members", "value": [{"value": each} for each in ids]}).ok(200, 204)
    assert members(made["id"]) == set(ids)
    onelogin.patch(path, {"op": "remove", "path": f'members[value eq "{ids[0]}"]'}).ok(200, 204)
    assert members(made["id"]) == {ids[1]}
    onelogin.patch(path, {"op": "replace", "path": "members", "value": [{"value": ids[0]}]}).ok(200, 204)
    assert members(made["id"]) == {ids[0]}


def test_a_single_member_may_be_an_object(onelogin: Provider, acme: Company, members: Members) -> None:
    made = onelogin.post("/Groups", {"schemas": [GROUP], "displayName": "Jedi"}).ok(201)
    member = {"value": str(acme.owner.id)}
    onelogin.patch(f"/Groups/{made['id']}", {"op": "add", "path": "members", "value": member}).ok(200, 204)
    assert members(made["id"]) == {str(acme.owner.id)}
