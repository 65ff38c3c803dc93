"""Okta, app of the Okta Integration Network: people switched on and off and groups changed by PATCH."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.companies import Company
from tests.scim.dialects.http import GROUP, USER, Json, Provider, bearer
from workspace.models import Team, User

pytestmark = pytest.mark.django_db

Members = Callable[[str], set[str]]


@pytest.fixture
def okta(acme: Company) -> Provider:
    headers = {
        "authorization": bearer(acme),
        "accept": "application/scim+json",
        "accept-encoding": "gzip,deflate",
        "user-agent": "Okta SCIM Client 1.0.0",
    }
    return Provider(headers, "application/scim+json; charset=utf-8")


@pytest.fixture
def crowd(acme: Company) -> list[str]:
    return [str(acme.person(f"p{number}").id) for number in range(5)]


@pytest.fixture
def band(okta: Provider) -> str:
    return str(okta.post("/Groups", {"schemas": [GROUP], "displayName": "Band", "members": []}).ok(201)["id"])


def create(okta: Provider, name: str) -> Json:
    address = f"{name}@acme.example"
    return okta.post(
        "/Users",
        {
            "schemas": [USER],
            "userName": address,
            "name": {"givenName": name.title(), "familyName": "Moon"},
            "emails": [{"primary": True, "value": address, "type": "work"}],
            "displayName": f"{name.title()} Moon",
            "locale": "en-US",
            "externalId": f"00u{name}",
            "groups": [],
            "password": "filler-Xy7",
            "active": True,
        },
    ).ok(201)


def switch(active: bool) -> Json:
    return {"op": "replace", "value": {"active": active}}


def named(group: str, name: str) -> Json:
    return {"op": "replace", "value": {"id": group, "displayName": name}}


def leaves(user_id: str) -> Json:
    return {"op": "remove", "path": f'members[value eq "{user_id}"]'}


def join(*ids: str) -> Json:
    return {"op": "add", "path": "members", "value": [{"value": each, "display": f"{each}@x"} for each in ids]}


def exactly(*ids: str) -> Json:
    return {"op": "replace", "path": "members", "value": [{"value": each, "display": f"{each}@x"} for each in ids]}


def test_deactivation_is_a_patch_without_a_path_and_stays_readable(okta: Provider) -> None:
    path = f"/Users/{create(okta, 'keith')['id']}"
    assert okta.patch(path, switch(False)).ok()["active"] is False
    assert okta.get(path).ok()["active"] is False
    assert okta.find("Users", 'userName eq "keith@acme.example"')["totalResults"] == 1


def test_a_deactivation_with_an_attribute_that_is_unknown_is_one(okta: Provider) -> None:
    path = f"/Users/{create(okta, 'keith')['id']}"
    answer = okta.patch(path, {"op": "replace", "value": {"active": False, "shoeSize": 44}}).refused(400, "invalidPath")
    assert answer["detail"].startswith("The person's access has ended. ")
    assert okta.get(path).ok()["active"] is False


def test_a_leaver_who_returns_is_matched_read_put_and_switched_on(okta: Provider) -> None:
    made = create(okta, "keith")
    path = f"/Users/{made['id']}"
    okta.patch(path, switch(False)).ok()
    [found] = okta.find("Users", 'userName eq "keith@acme.example"')["Resources"]
    assert found["active"] is False
    okta.put(path, {**okta.get(path).ok(), "displayName": "Keith M."}).ok()
    again = okta.patch(path, switch(True)).ok()
    assert (again["id"], again["active"], again["displayName"]) == (made["id"], True, "Keith M.")


def test_a_put_that_only_updates_a_profile_does_not_wake_a_leaver(okta: Provider) -> None:
    path = f"/Users/{create(okta, 'keith')['id']}"
    okta.patch(path, switch(False)).ok()
    assert okta.put(path, {**okta.get(path).ok(), "title": "Drummer"}).ok()["active"] is False


def test_a_profile_by_patch_is_one_value_without_a_path(okta: Provider) -> None:
    path = f"/Users/{create(okta, 'keith')['id']}"
    value = {
        "displayName": "Keith John Moon",
        "name": {"givenName": "Keith John", "familyName": "Moon"},
        "emails": [{"primary": True, "value": "kjm@acme.example", "type": "work"}],
        "title": "Drummer",
    }
    answer = okta.patch(path, {"op": "replace", "value": value}).ok()
    assert (answer["displayName"], answer["title"]) == ("Keith John Moon", "Drummer")
    assert answer["emails"] == value["emails"]
    assert (answer["name"]["givenName"], answer["active"]) == ("Keith John", True)


def test_password_sync_is_answered_and_never_shown(okta: Provider) -> None:
    made = create(okta, "keith")
    answer = okta.patch(f"/Users/{made['id']}", {"op": "replace", "value": {"password": "S3cret-from-okta"}})
    assert "password" not in answer.ok()
    assert "S3cret-from-okta" not in str(okta.get(f"/Users/{made['id']}").body)
    assert not User.objects.get(pk=made["id"]).has_usable_password()


def test_a_rename_carries_the_id_inside_the_value(okta: Provider, band: str) -> None:
    okta.patch(f"/Groups/{band}", named(band, "The Band")).ok(200, 204)
    assert okta.get(f"/Groups/{band}").ok()["displayName"] == "The Band"


def test_a_foreign_id_inside_the_value_moves_nothing(okta: Provider, band: str, acme: Company) -> None:
    okta.patch(f"/Groups/{band}", named(str(acme.team.id), "Renamed")).ok(200, 204)
    assert Team.objects.get(pk=acme.team.pk).display_name == "Operations"
    assert Team.objects.get(pk=band).display_name == "Renamed"


def test_members_come_and_go_in_one_request_in_order(
    okta: Provider, band: str, crowd: list[str], members: Members
) -> None:
    okta.patch(f"/Groups/{band}", named(band, "Band"), join(*crowd[:3])).ok(200, 204)
    okta.patch(
        f"/Groups/{band}", named(band, "Band"), leaves(crowd[0]), leaves(crowd[1]), join(crowd[3], crowd[4]),
        join(crowd[0]), leaves(crowd[4]),
    ).ok(200, 204)  # fmt: skip
    assert members(band) == {crowd[0], crowd[2], crowd[3]}


def test_members_without_a_type_or_a_display_join(
    okta: Provider, band: str, crowd: list[str], members: Members
) -> None:
    okta.patch(f"/Groups/{band}", {"op": "add", "path": "members", "value": [{"value": crowd[0]}]}).ok(200, 204)
    assert members(band) == {crowd[0]}


def test_push_now_sets_exactly_these(okta: Provider, band: str, crowd: list[str], members: Members) -> None:
    okta.patch(f"/Groups/{band}", join(*crowd)).ok(200, 204)
    okta.patch(f"/Groups/{band}", exactly(crowd[1], crowd[2])).ok(200, 204)
    assert members(band) == {crowd[1], crowd[2]}
    okta.patch(f"/Groups/{band}", exactly()).ok(200, 204)
    assert members(band) == set()


def test_push_now_is_also_seen_without_a_path(okta: Provider, band: str, crowd: list[str], members: Members) -> None:
    okta.patch(f"/Groups/{band}", join(*crowd)).ok(200, 204)
    value: dict[str, Any] = {"id": band, "displayName": "Band", "members": [{"value": crowd[0]}]}
    okta.patch(f"/Groups/{band}", {"op": "replace", "value": value}).ok(200, 204)
    assert members(band) == {crowd[0]}
    okta.patch(f"/Groups/{band}", {"op": "replace", "value": {**value, "members": []}}).ok(200, 204)
    assert members(band) == set()


def test_a_batch_of_256_changes_is_one_request(okta: Provider, acme: Company, band: str, members: Members) -> None:
    made = User.objects.bulk_create(
        User(workspace=acme.workspace, user_name=f"b{number}@acme.example", password="!") for number in range(256)
    )
    ids = [str(user.pk) for user in made]
    okta.patch(f"/Groups/{band}", named(band, "Band"), *[join(each) for each in ids]).ok(200, 204)
    assert members(band) == set(ids)
    okta.patch(f"/Groups/{band}", named(band, "Band"), *[leaves(each) for each in ids[:200]], join(ids[0])).ok(200, 204)
    assert members(band) == {ids[0], *ids[200:]}


def test_a_repeated_request_changes_nothing_the_second_time(
    okta: Provider, band: str, crowd: list[str], members: Members
) -> None:
    for _ in range(2):
        okta.patch(f"/Groups/{band}", join(crowd[0], crowd[1]), leaves(crowd[1])).ok(200, 204)
        assert members(band) == {crowd[0]}


def test_unlinking_with_deletion_removes_the_group_and_a_second_time_finds_none(okta: Provider, band: str) -> None:
    okta.delete(f"/Groups/{band}").ok(204)
    okta.delete(f"/Groups/{band}").refused(404)
    assert okta.find("Groups", 'displayName eq "Band"')["totalResults"] == 0
    okta.post("/Groups", {"schemas": [GROUP], "displayName": "Band", "members": []}).ok(201)


def test_governance_discovers_roles_by_resource_type_and_schema(okta: Provider) -> None:
    types = okta.get("/ResourceTypes").ok()["Resources"]
    role = next(each for each in types if each["schema"] == "urn:okta:scim:schemas:core:1.0:Role")
    assert role["schema"] in {schema["id"] for schema in okta.get("/Schemas").ok()["Resources"]}
    page = okta.get(f"{role['endpoint']}?startIndex=1&count=100").ok()
    assert page["totalResults"] == len(page["Resources"])
    assert all(each["id"] and each["displayName"] for each in page["Resources"])
    assert all(each["schemas"] == [role["schema"]] for each in page["Resources"])


def test_governance_gives_a_role_and_takes_it_away(okta: Provider) -> None:
    made = create(okta, "keith")
    path = f"/Users/{made['id']}"
    admin = next(each for each in okta.get("/Roles").ok()["Resources"] if each["displayName"] == "Admin")
    given = {"op": "replace", "value": {"roles": [{"value": admin["id"], "display": "Admin"}]}}
    assert [role["value"] for role in okta.patch(path, given).ok()["roles"]] == [admin["id"]]
    assert User.objects.get(pk=made["id"]).role == admin["id"]
    okta.patch(path, {"op": "replace", "value": {"roles": []}}).ok()
    assert User.objects.get(pk=made["id"]).role == "member"


def test_an_owner_is_not_made_where_the_workspace_forbids_it(okta: Provider) -> None:
    made = create(okta, "keith")
    given = {"op": "replace", "value": {"roles": [{"value": "owner", "display": "Owner"}]}}
    refusal = okta.patch(f"/Users/{made['id']}", given).refused(403)
    assert "Owner" in refusal["detail"]
    assert User.objects.get(pk=made["id"]).role == "member"
