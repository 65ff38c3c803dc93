"""Microsoft Entra ID and its SCIM validator, groups: read without members, changed one member at a time."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.companies import Company
from tests.scim.dialects.http import GROUP, Json, Provider, bearer
from workspace.models import User

pytestmark = pytest.mark.django_db

Members = Callable[[str], set[str]]
WITHOUT_MEMBERS = "&excludedAttributes=members"


@pytest.fixture
def entra(acme: Company) -> Provider:
    headers = {"authorization": bearer(acme), "accept": "application/scim+json"}
    return Provider(headers, "application/scim+json; charset=utf-8")


@pytest.fixture
def crowd(acme: Company) -> list[str]:
    return [str(acme.person(f"p{number}").id) for number in range(4)]


def body(name: str, **more: Any) -> Json:
    legacy = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
    external = "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"
    meta = {"resourceType": "Group"}
    return {"schemas": [GROUP, legacy], "externalId": external, "displayName": name, "meta": meta, **more}


@pytest.fixture
def made(entra: Provider) -> Json:
    return entra.post("/Groups", body("Scholars", members=[])).ok(201)


@pytest.fixture
def path(made: Json) -> str:
    return f"/Groups/{made['id']}"


def add(*ids: str) -> Json:
    return {"op": "Add", "path": "members", "value": [{"$ref": None, "value": each} for each in ids]}


def remove(*ids: str) -> Json:
    return {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": each} for each in ids]}


def test_a_group_is_created_with_its_external_id_and_members(
    entra: Provider, crowd: list[str], members: Members
) -> None:
    made = entra.post("/Groups", body("Gyptians", members=[{"value": crowd[0]}, {"value": crowd[1]}])).ok(201)
    assert (made["displayName"], made["externalId"]) == ("Gyptians", body("")["externalId"])
    assert members(made["id"]) == {crowd[0], crowd[1]}


def test_a_duplicate_is_a_conflict(entra: Provider, made: Json) -> None:
    entra.post("/Groups", body("SCHOLARS")).refused(409, "uniqueness")


def test_every_read_leaves_the_members_out(entra: Provider, path: str, made: Json, crowd: list[str]) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    assert "members" not in entra.get(f"{path}?excludedAttributes=members").ok()
    for condition in ('displayName eq "scholars"', f'externalId eq "{made["externalId"]}"'):
        [found] = entra.find("Groups", condition, WITHOUT_MEMBERS)["Resources"]
        assert found["id"] == made["id"]
        assert "members" not in found
    assert len(entra.get(path).ok()["members"]) == 4


def test_an_unknown_group_is_an_empty_list_and_a_404(entra: Provider) -> None:
    assert entra.find("Groups", f'displayName eq "{uuid4()}"', WITHOUT_MEMBERS)["Resources"] == []
    entra.get(f"/Groups/{uuid4()}?excludedAttributes=members").refused(404)


def test_many_requests_add_and_remove_one_member_each(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    for each in crowd:
        entra.patch(path, add(each)).ok(200, 204)
    assert members(made["id"]) == set(crowd)
    for each in crowd[1:]:
        entra.patch(path, remove(each)).ok(200, 204)
    assert members(made["id"]) == {crowd[0]}


def test_one_request_has_many_operations(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, *[add(each) for each in crowd]).ok(200, 204)
    entra.patch(path, remove(crowd[0], crowd[1]), remove(crowd[2])).ok(200, 204)
    assert members(made["id"]) == {crowd[3]}


def test_members_are_removed_by_filter_as_well(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    entra.patch(path, {"op": "Remove", "path": f'members[value eq "{crowd[0]}"]'}).ok(200, 204)
    assert members(made["id"]) == set(crowd[1:])


@pytest.mark.parametrize("change", [add, remove])
def test_a_change_that_is_done_already_succeeds(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members, change: Callable[..., Json]
) -> None:
    entra.patch(path, add(crowd[0])).ok(200, 204)
    for _ in range(2):
        entra.patch(path, change(crowd[0])).ok(200, 204)
    assert members(made["id"]) == ({crowd[0]} if change is add else set())


def test_a_remove_with_an_empty_list_wipes_nobody(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    entra.patch(path, {"op": "Remove", "path": "members", "value": []})
    assert members(made["id"]) == set(crowd)


def test_a_remove_without_a_value_empties_the_group(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    entra.patch(path, {"op": "Remove", "path": "members"}).ok(200, 204)
    assert members(made["id"]) == set()


def test_a_probe_asks_whether_one_person_is_in_one_group(
    entra: Provider, path: str, made: Json, crowd: list[str]
) -> None:
    entra.patch(path, add(crowd[0])).ok(200, 204)
    for person, expected in ((crowd[0], [made["id"]]), (crowd[1], [])):
        found = entra.find("Groups", f'id eq "{made["id"]}" and members eq "{person}"', "&attributes=id")
        assert [group["id"] for group in found["Resources"]] == expected
    by_brackets = entra.find("Groups", f'members[value eq "{crowd[0]}"]', WITHOUT_MEMBERS)
    assert [group["id"] for group in by_brackets["Resources"]] == [made["id"]]


def test_attributes_are_replaced_by_path_and_without(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    entra.patch(path, {"op": "Replace", "path": "displayName", "value": "Fellows"}).ok(200, 204)
    assert entra.get(path).ok()["displayName"] == "Fellows"
    changes = {"displayName": "Masters", "externalId": "0001"}
    entra.patch(path, {"op": "Replace", "value": changes}).ok(200, 204)
    read = entra.get(f"{path}?excludedAttributes=members").ok()
    assert {name: read[name] for name in changes} == changes
    assert members(made["id"]) == set(crowd)


def test_members_of_two_kinds_of_person_are_answered_alike(entra: Provider, path: str, crowd: list[str]) -> None:
    entra.patch(path, add(crowd[0])).ok(200, 204)
    [member] = entra.get(path).ok()["members"]
    assert (member["value"], member["type"]) == (crowd[0], "User")
    assert member["$ref"].endswith(f"/scim/v2/Users/{crowd[0]}")


def test_a_deleted_person_leaves_every_group(
    entra: Provider, path: str, made: Json, crowd: list[str], members: Members
) -> None:
    entra.patch(path, add(*crowd)).ok(200, 204)
    entra.delete(f"/Users/{crowd[0]}").ok(204)
    assert members(made["id"]) == set(crowd[1:])
    assert User.objects.filter(pk=crowd[0], is_active=False).exists()


def test_a_group_is_deleted_once(entra: Provider, path: str) -> None:
    entra.delete(path).ok(204)
    entra.delete(path).refused(404)
    entra.get(path).refused(404)
