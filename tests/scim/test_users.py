"""Users as Okta and Entra speak of them, custom app and catalogue app."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from rotation.models import Offboarding
from scim import erasure
from tests.companies import TESTS, Company
from workspace import access, deactivation
from workspace.models import Grant, Role, Session, User

pytestmark = pytest.mark.django_db

SCIM = "application/scim+json; charset=utf-8"
OKTA_OFF = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "value": {"active": False}}],
}
OKTA_ON = {**OKTA_OFF, "Operations": [{"op": "replace", "value": {"active": True}}]}


def create_body(name: str = "ada", **more: Any) -> dict[str, Any]:
    """What Okta sends to create a person."""
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": f"{name}@acme.example",
        "name": {"givenName": name.title(), "familyName": "Lovelace"},
        "emails": [{"primary": True, "value": f"{name}@acme.example", "type": "work"}],
        "displayName": f"{name.title()} Lovelace",
        "locale": "en-US",
        "externalId": f"00u{name}",
        "groups": [],
        "password": "random-filler-1",
        "active": True,
        **more,
    }


def operation(op: str, **rest: Any) -> dict[str, Any]:
    return {"Operations": [{"op": op, **rest}]}


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    """A request as Okta sends it; the answer with `.data`."""
    text = json.dumps(body) if body is not None else ""
    response: Any = client.generic(method, f"/scim/v2{path}", text, content_type=SCIM)
    response.data = json.loads(response.content) if response.content else None
    return response


def test_the_connection_test_is_a_list_with_integer_counters(acme: Company, rival: Company) -> None:
    answer = send(acme.okta(), "GET", "/Users?startIndex=1&count=2")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/scim+json"
    assert (answer.data["totalResults"], answer.data["startIndex"], answer.data["itemsPerPage"]) == (2, 1, 2)
    assert {user["userName"] for user in answer.data["Resources"]} == {"owner@acme.example", "member@acme.example"}


def test_a_match_finds_nobody_with_200_and_an_empty_list(acme: Company) -> None:
    answer = send(acme.okta(), "GET", '/Users?filter=userName eq "no@acme.example"&startIndex=1&count=100')
    assert (answer.status_code, answer.data["totalResults"], answer.data["Resources"]) == (200, 0, [])


def test_create_answers_201_with_the_whole_user_and_drops_the_password(acme: Company) -> None:
    answer = send(acme.okta(), "POST", "/Users", create_body())

    assert answer.status_code == 201
    assert answer["Location"] == answer.data["meta"]["location"]
    assert answer.data["externalId"] == "00uada"
    assert answer.data["name"] == {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"}
    assert answer.data["emails"] == [{"primary": True, "value": "ada@acme.example", "type": "work"}]
    assert answer.data["active"] is True
    assert "password" not in answer.data
    user = User.objects.get(pk=answer.data["id"])
    assert not user.has_usable_password()
    assert (user.workspace, user.email, user.provisioned_at is not None) == (acme.workspace, "ada@acme.example", True)


@pytest.mark.parametrize("name", ["ADA@acme.example", "ada@ACME.example"])
def test_a_match_ignores_letter_case_and_finds_the_disabled(acme: Company, name: str) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    send(acme.okta(), "PATCH", f"/Users/{made['id']}", OKTA_OFF)

    found = send(acme.okta(), "GET", f'/Users?filter=userName eq "{name}"').data
    assert [(user["id"], user["active"]) for user in found["Resources"]] == [(made["id"], False)]


def test_a_second_create_of_an_active_user_is_409_with_a_reason(acme: Company) -> None:
    first = send(acme.okta(), "POST", "/Users", create_body())
    again = send(acme.okta(), "POST", "/Users", create_body())

    assert again.status_code == 409
    assert again.data["scimType"] == "uniqueness"
    assert again.data["status"] == "409"
    assert "ada@acme.example" in again.data["detail"]
    assert send(acme.okta(), "GET", f"/Users/{first.data['id']}").data["externalId"] == "00uada"


def test_put_of_our_own_get_changes_what_okta_changed_and_round_trips_the_rest(acme: Company) -> None:
    extension = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    custom = "urn:okta:acme:1.0:user:custom"
    more: dict[str, Any] = {extension: {"department": "Engines"}, custom: {"shirt": "M"}, "nickName": ""}
    body = create_body(**more)
    made = send(acme.okta(), "POST", "/Users", body).data
    changed = {**made, "name": {"givenName": "Augusta", "familyName": "King"}, "displayName": "Augusta King"}

    answer = send(acme.okta(), "PUT", f"/Users/{made['id']}", changed)

    assert answer.status_code == 200
    assert answer.data["id"] == made["id"]
    assert answer.data["displayName"] == "Augusta King"
    assert answer.data[extension] == {"department": "Engines"}
    assert answer.data[custom] == {"shirt": "M"}
    assert set(answer.data["schemas"]) >= {extension, custom}
    assert answer.data["locale"] == "en-US"
    assert answer.data["name"]["familyName"] == "King"


@pytest.mark.parametrize("style", ["custom", "catalogue"])
def test_deactivation_ends_access_and_the_user_stays_readable(acme: Company, rival: Company, style: str) -> None:
    acme.browser(acme.member)
    path = f"/Users/{acme.member.id}"
    if style == "custom":
        whole = send(acme.okta(), "GET", path).data
        answer = send(acme.okta(), "PUT", path, {**whole, "active": False})
    else:
        answer = send(acme.okta(), "PATCH", path, OKTA_OFF)

    assert (answer.status_code, answer.data["active"]) == (200, False)
    assert send(acme.okta(), "GET", path).data["active"] is False
    assert not Session.objects.filter(user=acme.member).exists()
    assert not access.reachable_accounts(User.objects.get(pk=acme.member.pk)).exists()
    offboarding = Offboarding.objects.get(user=acme.member)
    assert [exposure.account for exposure in offboarding.exposures.open()] == [acme.account]
    assert not Offboarding.objects.for_workspace(rival.workspace).exists()


def test_a_deactivation_delivered_twice_changes_nothing_the_second_time(acme: Company) -> None:
    path = f"/Users/{acme.member.id}"
    first = send(acme.okta(), "PATCH", path, OKTA_OFF)
    second = send(acme.okta(), "PATCH", path, OKTA_OFF)

    assert first.data == second.data
    assert Offboarding.objects.filter(user=acme.member).count() == 1


@pytest.mark.parametrize("style", ["custom", "catalogue"])
def test_reactivation_keeps_the_id_and_gives_no_grant_back(acme: Company, style: str) -> None:
    direct = access.grant(acme.account, acme.member, actor=TESTS)
    path = f"/Users/{acme.member.id}"
    send(acme.okta(), "PATCH", path, OKTA_OFF)
    whole = send(acme.okta(), "GET", path).data
    on = {**whole, "active": True}
    answer = send(acme.okta(), "PUT", path, on) if style == "custom" else send(acme.okta(), "PATCH", path, OKTA_ON)

    assert (answer.status_code, answer.data["active"], answer.data["id"]) == (200, True, str(acme.member.id))
    direct.refresh_from_db()
    assert direct.ended_at is not None
    assert not access.reachable_accounts(User.objects.get(pk=acme.member.pk)).exists()


@pytest.mark.parametrize("gone", ["disabled", "deleted"])
def test_a_create_revives_the_same_person_under_the_same_id(acme: Company, gone: str) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    if gone == "disabled":
        send(acme.okta(), "PATCH", f"/Users/{made['id']}", OKTA_OFF)
    else:
        assert send(acme.okta(), "DELETE", f"/Users/{made['id']}").status_code == 204
        assert send(acme.okta(), "GET", f"/Users/{made['id']}").status_code == 404

    again = send(acme.okta(), "POST", "/Users", create_body())
    assert (again.status_code, again.data["id"], again.data["active"]) == (201, made["id"], True)
    assert again.data["externalId"] == "00uada"


def test_a_rename_by_deactivate_and_create_with_the_old_external_id_keeps_the_id(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    send(acme.okta(), "PATCH", f"/Users/{made['id']}", OKTA_OFF)
    renamed = send(acme.okta(), "POST", "/Users", create_body("augusta", externalId="00uada"))

    assert (renamed.status_code, renamed.data["id"]) == (201, made["id"])
    assert renamed.data["userName"] == "augusta@acme.example"


def test_nobody_is_adopted_by_email(acme: Company) -> None:
    body = create_body("stranger")
    body["emails"] = [{"value": acme.member.email, "primary": True}]
    answer = send(acme.okta(), "POST", "/Users", body)

    assert answer.status_code == 409
    acme.member.refresh_from_db()
    assert acme.member.user_name == "member@acme.example"


def test_access_ends_even_when_the_rest_of_the_request_cannot_be_done(acme: Company) -> None:
    whole = send(acme.okta(), "GET", f"/Users/{acme.member.id}").data
    answer = send(
        acme.okta(), "PUT", f"/Users/{acme.member.id}", {**whole, "userName": acme.owner.user_name, "active": False}
    )
    assert answer.status_code == 409
    assert "access has ended" in answer.data["detail"]
    assert not User.objects.get(pk=acme.member.pk).is_active


def test_a_patch_with_a_conflict_and_active_false_still_ends_access(acme: Company) -> None:
    operations = [{"op": "replace", "value": {"active": False, "userName": acme.owner.user_name}}]
    answer = send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", {"Operations": operations})
    assert answer.status_code == 409
    assert not User.objects.get(pk=acme.member.pk).is_active


def test_a_disabled_owner_comes_back_as_a_member(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    send(acme.okta(), "PATCH", f"/Users/{second.id}", OKTA_OFF)
    send(acme.okta(), "PATCH", f"/Users/{second.id}", OKTA_ON)
    second.refresh_from_db()
    assert (second.is_active, second.role) == (True, Role.MEMBER)


def test_entra_says_false_as_a_word_and_uses_paths(acme: Company) -> None:
    operations = [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "new@acme.example"},
        {"op": "Replace", "path": "name.familyName", "value": "Byron"},
    ]
    answer = send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", {"Operations": operations})
    assert answer.status_code == 200, answer.data
    assert answer.data["active"] is False
    assert answer.data["name"]["familyName"] == "Byron"
    assert answer.data["emails"][0]["value"] == "new@acme.example"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "scim_type"),
    [
        ("GET", "/Users?filter=userName eq", None, 400, "invalidFilter"),
        ("GET", '/Users?filter=shoeSize eq "4"', None, 400, "invalidFilter"),
        ("GET", "/Users?startIndex=one", None, 400, "invalidValue"),
        ("GET", "/Users/not-an-id", None, 404, None),
        ("POST", "/Users", {"userName": ""}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": 5}, 400, "invalidValue"),
        ("POST", "/Users", [], 400, "invalidSyntax"),
        ("PATCH", "/Users/{member}", operation("boil", value={}), 400, None),
        ("PATCH", "/Users/{member}", operation("replace", path="shoeSize", value=4), 400, "invalidPath"),
        ("PATCH", "/Users/{member}", operation("replace", path="id", value="x"), 400, "mutability"),
        ("PUT", "/Users", {}, 405, None),
        ("POST", "/Bulk", {}, 400, "invalidSyntax"),
        ("GET", "/Me", None, 501, None),
        ("GET", "/Nothing", None, 404, None),
        ("GET", "/%0A", None, 404, None),
        ("PATCH", "/Nothing%0A/x", {}, 404, None),
        ("GET", "/Me/%0A", None, 404, None),
    ],
)
def test_what_is_not_understood_is_refused_in_scim(
    acme: Company, method: str, path: str, body: Any, status: int, scim_type: str | None
) -> None:
    answer = send(acme.okta(), method, path.replace("{member}", str(acme.member.id)), body)
    assert answer.status_code == status, answer.data
    assert answer["Content-Type"] == "application/scim+json"
    assert answer.data["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.data["status"] == str(status)
    assert answer.data["detail"]
    if scim_type:
        assert answer.data["scimType"] == scim_type


NO_OBJECTS = [
    "{", '{"userName":"a","userName":"b"}', "\xff", '{"a":NaN}', '{"a":1e999}', '{"a":' + "9" * 5000 + "}",
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("body", NO_OBJECTS)
def test_a_body_that_is_no_json_object_is_invalid_syntax(acme: Company, body: str) -> None:
    answer: Any = acme.okta().generic("POST", "/scim/v2/Users", body.encode("latin-1"), content_type=SCIM)
    assert answer.status_code == 400
    assert json.loads(answer.content)["scimType"] == "invalidSyntax"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_rivals_person_is_a_404_and_stays_as_they_are(acme: Company, rival: Company, method: str) -> None:
    body = {**create_body("thief"), "Operations": OKTA_OFF["Operations"]} if method in {"PUT", "PATCH"} else None
    answer = send(acme.okta(), method, f"/Users/{rival.member.id}", body)

    assert answer.status_code == 404
    fresh = User.objects.get(pk=rival.member.pk)
    assert (fresh.is_active, fresh.user_name) == (True, rival.member.user_name)
    assert fresh.updated_at == rival.member.updated_at


@pytest.mark.parametrize(
    "query",
    [
        "",
        'filter=id eq "{id}"',
        'filter=id eq "{id}" or userName pr',
        'filter=not (id eq "none")',
        'filter=userName eq "member@rival.example" or active eq true',
        'filter=groups eq "{team}"',
    ],
)
def test_no_filter_reaches_a_rivals_people(acme: Company, rival: Company, query: str) -> None:
    query = query.format(id=rival.member.id, team=rival.team.id)
    answer = send(acme.okta(), "GET", f"/Users?{query}")
    assert answer.status_code == 200, answer.data
    assert "rival" not in answer.content.decode()


def test_a_page_of_people_costs_the_same_queries_whatever_their_number(
    acme: Company, django_assert_num_queries: Any
) -> None:
    client = acme.okta()
    send(client, "GET", "/Users")
    for _ in range(2):
        with django_assert_num_queries(2):  # the token; the page with the total and everybody's groups
            send(client, "GET", "/Users")
        for _ in range(10):
            acme.person(uuid4().hex)


def test_paging_reaches_everybody_once(acme: Company) -> None:
    for number in range(7):
        acme.person(f"p{number}")
    seen: list[str] = []
    start = 1
    while True:
        page = send(acme.okta(), "GET", f"/Users?startIndex={start}&count=2").data
        seen += [user["id"] for user in page["Resources"]]
        start += 2
        if start > page["totalResults"]:
            break
    assert len(seen) == len(set(seen)) == 9


def test_start_index_below_one_is_clamped_and_count_zero_asks_for_the_total(acme: Company) -> None:
    assert send(acme.okta(), "GET", "/Users?startIndex=0").data["startIndex"] == 1
    empty = send(acme.okta(), "GET", "/Users?count=0").data
    assert (empty["totalResults"], empty["Resources"]) == (2, [])


def test_a_purged_person_is_gone_for_the_provider_and_the_name_is_free(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    erasure.purge(User.objects.get(pk=acme.member.pk), actor=TESTS)

    assert send(acme.okta(), "GET", f"/Users/{acme.member.id}").status_code == 404
    again = send(acme.okta(), "POST", "/Users", create_body("member"))
    assert (again.status_code, again.data["id"] != str(acme.member.id)) == (201, True)


def test_excluded_and_wanted_attributes_are_obeyed(acme: Company) -> None:
    path = f"/Users/{acme.member.id}"
    assert "groups" in send(acme.okta(), "GET", path).data
    assert "groups" not in send(acme.okta(), "GET", f"{path}?excludedAttributes=groups").data
    only = send(acme.okta(), "GET", f"{path}?attributes=userName,name.givenName").data
    assert set(only) == {"schemas", "id", "userName", "name"}
    assert set(only["name"]) == {"givenName"}


def test_grants_outlive_nobody(acme: Company) -> None:
    access.grant(acme.account, acme.member, actor=TESTS)
    send(acme.okta(), "DELETE", f"/Users/{acme.member.id}")
    assert not Grant.objects.filter(user=acme.member, ended_at=None).exists()


def test_a_successor_of_the_same_name_is_not_the_predecessors_to_sign_in_as(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    former = User.objects.get(pk=made["id"])
    former.set_password("the former Ada's own 1")
    former.save()
    send(acme.okta(), "DELETE", f"/Users/{made['id']}")
    again = send(acme.okta(), "POST", "/Users", create_body(externalId="00usuccessor"))
    assert again.status_code == 201
    assert not User.objects.get(pk=again.data["id"]).has_usable_password()


def test_a_patch_of_too_many_operations_is_refused(acme: Company) -> None:
    operations = [{"op": "add", "path": "emails", "value": [{"value": f"{n}@x.example"}]} for n in range(201)]
    answer = send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", {"Operations": operations})
    assert (answer.status_code, answer.data["scimType"]) == (400, "tooMany")


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "active", "value": None}],
        [{"op": "replace", "value": {"active": None}}],
        [{"op": "remove", "path": "active"}],
    ],
)
def test_an_active_without_a_value_is_refused_and_never_ignored(acme: Company, operations: Any) -> None:
    path = f"/Users/{acme.member.id}"
    patched = send(acme.okta(), "PATCH", path, {"Operations": operations})
    whole = send(acme.okta(), "GET", path).data
    put = send(acme.okta(), "PUT", path, {**whole, "active": None})
    for answer in (patched, put):
        assert (answer.status_code, answer.data["scimType"] in {"invalidValue", "mutability"}) == (400, True)
