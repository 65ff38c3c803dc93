"""Okta, app made with the App Integration Wizard: every change is a GET and a PUT of what we answered.

`tests/demo/test_okta.py` plays whole scenes with the miniature tenant; these are the requests one by one.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.companies import Company
from tests.scim.dialects.http import ENTERPRISE, GROUP, USER, Json, Provider, bearer, escaped
from workspace.models import User

pytestmark = pytest.mark.django_db

Members = Callable[[str], set[str]]


@pytest.fixture(params=["OAuth bearer token", "HTTP header"])
def okta(acme: Company, request: pytest.FixtureRequest) -> Provider:
    bare = request.param == "HTTP header"
    headers = {
        "authorization": acme.scim_token if bare else bearer(acme),
        "accept": "application/scim+json",
        "accept-charset": "utf-8",
        "accept-encoding": "gzip,deflate",
        "user-agent": "Okta SCIM Client 1.0.0",
    }
    return Provider(headers, "application/scim+json; charset=utf-8")


def isaac(**more: Any) -> Json:
    return {
        "schemas": [USER],
        "userName": "isaac@acme.example",
        "name": {"givenName": "Isaac", "familyName": "Brock"},
        "emails": [{"primary": True, "value": "isaac@acme.example", "type": "work"}],
        "displayName": "Isaac Brock",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
        **more,
    }


@pytest.fixture
def made(okta: Provider) -> Json:
    return okta.post("/Users", isaac()).ok(201)


def test_saving_the_settings_reads_two_people_and_a_page_of_groups(okta: Provider) -> None:
    people = okta.get("/Users?startIndex=1&count=2").ok()
    assert (people["totalResults"], people["startIndex"], people["itemsPerPage"]) == (2, 1, 2)
    groups = okta.get("/Groups?startIndex=1&count=100").ok()
    assert groups["itemsPerPage"] == len(groups["Resources"]) == 1


def test_an_import_walks_pages_of_a_hundred(okta: Provider, acme: Company) -> None:
    User.objects.bulk_create(
        User(workspace=acme.workspace, user_name=f"p{number}@acme.example", password="!") for number in range(203)
    )
    seen: list[str] = []
    for start in (1, 101, 201):
        page = okta.get(f"/Users?startIndex={start}&count=100").ok()
        assert page["totalResults"] == 205
        seen += [person["id"] for person in page["Resources"]]
    assert len(seen) == len(set(seen)) == 205
    assert okta.get("/Users?startIndex=301&count=100").ok()["Resources"] == []


def test_a_person_is_matched_then_created_and_read_back(okta: Provider) -> None:
    assert okta.find("Users", 'userName eq "isaac@acme.example"', "&startIndex=1&count=100")["Resources"] == []
    made = okta.post("/Users", isaac()).ok(201)
    assert "password" not in made
    sent = {name: value for name, value in isaac().items() if name not in {"schemas", "groups", "password", "name"}}
    assert {name: made[name] for name in sent} == sent
    assert okta.get(f"/Users/{made['id']}").ok() == made


def test_an_update_is_our_own_answer_with_changes_merged_in(okta: Provider, made: Json) -> None:
    ours = okta.get(f"/Users/{made['id']}").ok()
    changes = {"displayName": "Isaac B.", "name": {"givenName": "Isaac", "familyName": "B."}, ENTERPRISE: {}}
    changed = okta.put(f"/Users/{made['id']}", {**ours, **changes}).ok()
    assert (changed["id"], changed["displayName"], changed["name"]["familyName"]) == (made["id"], "Isaac B.", "B.")
    assert changed["name"]["formatted"] == "Isaac B."
    assert changed["emails"] == made["emails"]
    assert (changed["externalId"], changed["locale"]) == (made["externalId"], "en-US")


def test_what_is_read_only_is_ignored_in_a_put(okta: Provider, made: Json, rival: Company) -> None:
    lies = {
        "id": str(rival.member.id),
        "meta": {"created": "1999-01-01T00:00:00Z", "location": "https://elsewhere.example"},
        "groups": [{"value": str(rival.team.id), "display": "Operations"}],
    }
    answer = okta.put(f"/Users/{made['id']}", {**made, **lies}).ok()
    assert (answer["id"], answer["meta"]["location"]) == (made["id"], made["meta"]["location"])
    assert answer["meta"]["created"] == made["meta"]["created"]
    assert answer.get("groups", []) == []


def test_empty_strings_and_nulls_unassign(okta: Provider, made: Json) -> None:
    first = okta.put(f"/Users/{made['id']}", {**made, "title": "Singer", "nickName": "Ike"}).ok()
    assert (first["title"], first["nickName"]) == ("Singer", "Ike")
    answer = okta.put(f"/Users/{made['id']}", {**first, "title": "", "nickName": None, "timezone": ""}).ok()
    assert not {"title", "nickName", "timezone"} & answer.keys()


def test_deactivation_and_reactivation_are_puts(okta: Provider, made: Json) -> None:
    path = f"/Users/{made['id']}"
    off = okta.put(path, {**okta.get(path).ok(), "active": False}).ok()
    assert off["active"] is False
    found = okta.find("Users", 'userName eq "ISAAC@ACME.EXAMPLE"', "&startIndex=1&count=100")
    assert [(person["id"], person["active"]) for person in found["Resources"]] == [(made["id"], False)]
    on = okta.put(path, {**okta.get(path).ok(), "active": True}).ok()
    assert (on["id"], on["active"]) == (made["id"], True)
    assert okta.put(path, {**okta.get(path).ok(), **isaac()}).ok()["active"] is True


def test_a_create_repeated_after_a_timeout_makes_nobody_twice(okta: Provider, made: Json) -> None:
    okta.post("/Users", isaac()).refused(409, "uniqueness")
    found = okta.find("Users", 'userName eq "isaac@acme.example"')
    assert [(person["id"], person["externalId"]) for person in found["Resources"]] == [(made["id"], made["externalId"])]


def test_a_user_name_changes_in_place(okta: Provider, made: Json) -> None:
    renamed = okta.put(f"/Users/{made['id']}", {**made, "userName": "brock@acme.example"}).ok()
    assert (renamed["id"], renamed["userName"]) == (made["id"], "brock@acme.example")
    assert okta.find("Users", 'userName eq "isaac@acme.example"')["totalResults"] == 0


def test_a_deactivation_with_a_user_name_that_is_taken_is_one(okta: Provider, made: Json) -> None:
    okta.post("/Users", isaac(userName="eric@acme.example", externalId="00u2", emails=[])).ok(201)
    off = {**okta.get(f"/Users/{made['id']}").ok(), "userName": "eric@acme.example", "active": False}
    first, again = (okta.put(f"/Users/{made['id']}", off).refused(409, "uniqueness") for _ in range(2))
    assert first["detail"] == f"The person's access has ended. {again['detail']}"
    assert okta.get(f"/Users/{made['id']}").ok()["active"] is False


def test_an_inactive_create_leaves_the_person_without_access(okta: Provider) -> None:
    made = okta.post("/Users", isaac(active=False)).ok(201)
    assert made["active"] is False
    assert not User.objects.get(pk=made["id"]).is_active


def group_body(name: str, *members: Json) -> Json:
    listed = [{"value": person["id"], "display": person["userName"]} for person in members]
    return {"schemas": [GROUP], "displayName": name, "members": listed}


def test_a_group_is_found_created_read_and_put(okta: Provider, made: Json, members: Members) -> None:
    assert okta.find("Groups", 'displayName eq "Band"', "&startIndex=1&count=100")["totalResults"] == 0
    created = okta.post("/Groups", {"schemas": [GROUP], "displayName": "Band"}).ok(201)
    ours = okta.get(f"/Groups/{created['id']}").ok()
    full = okta.put(f"/Groups/{created['id']}", {**ours, **group_body("Band", made)}).ok()
    assert {member["value"] for member in full["members"]} == members(created["id"]) == {made["id"]}
    renamed = okta.put(f"/Groups/{created['id']}", {**full, "displayName": "The Band"}).ok()
    assert (renamed["displayName"], members(created["id"])) == ("The Band", {made["id"]})
    okta.put(f"/Groups/{created['id']}", {**renamed, **group_body("The Band")}).ok()
    assert members(created["id"]) == set()


def test_a_person_shows_the_groups_they_are_in(okta: Provider, made: Json) -> None:
    group = okta.post("/Groups", group_body("Band", made)).ok(201)
    groups = okta.get(f"/Users/{made['id']}").ok()["groups"]
    assert [(each["value"], each["display"]) for each in groups] == [(group["id"], "Band")]
    assert groups[0]["$ref"].endswith(f"/scim/v2/Groups/{group['id']}")


def test_a_group_of_a_taken_name_is_refused_with_the_name(okta: Provider) -> None:
    refusal = okta.post("/Groups", group_body("operations")).refused(409, "uniqueness")
    assert "operations" in refusal["detail"].lower()


def test_quotes_and_backslashes_in_a_group_name_are_matched(okta: Provider) -> None:
    name = 'R&D "core" \\ 100% _x'
    made = okta.post("/Groups", group_body(name)).ok(201)
    found = okta.find("Groups", f'displayName eq "{escaped(name)}"')
    assert [group["id"] for group in found["Resources"]] == [made["id"]]


def test_a_wrong_token_is_a_401_in_scim(okta: Provider) -> None:
    okta.headers["authorization"] = "Bearer cerby_wrong"
    answer = okta.get("/Users?startIndex=1&count=2")
    answer.refused(401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
