"""Leavers among the operations of a Bulk: of one that is refused, and of a Bulk that is refused whole."""

from typing import Any, Final

import pytest

from scim import tokens
from scim.models import Scope
from tests.companies import TESTS, Company
from tests.scim.dialects.http import ENTERPRISE, Answer, Json, Provider
from tests.scim.leaving import OFF, SENTENCE, UNKNOWN, ended, has_access, patch_op, put_body

pytestmark = pytest.mark.django_db

MANY: Final = "The access of 3 people has ended. "
BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def bulk(okta: Provider, *operations: Any, **more: Any) -> Answer:
    return okta.post("/Bulk", {"schemas": [BULK], "Operations": list(operations), **more})


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("PATCH", patch_op(OFF, UNKNOWN)),
        ("PATCH", {"schemas": True, "Operations": [OFF]}),
        ("PATCH", patch_op(OFF, {"op": "add", "path": f"{ENTERPRISE}:manager", "value": "bulkId:nobody"})),
        ("PUT", {"userName": "", "active": "False"}),
        ("PUT", {"userName": "a", "active": False, ENTERPRISE: {"manager": {"value": "bulkId:nobody"}}}),
    ],
)
def test_an_operation_of_bulk_is_held_to_the_same(
    okta: Provider, acme: Company, path: str, method: str, data: Any
) -> None:
    made = bulk(okta, {"method": method, "path": path, "data": data}).ok()["Operations"][0]
    assert made["status"] == "400"
    assert made["response"]["detail"].startswith(SENTENCE)
    assert not has_access(acme)


def test_a_bulk_operation_with_another_version_ends_nothing(okta: Provider, acme: Company, path: str) -> None:
    data = patch_op(OFF, UNKNOWN)
    made = bulk(okta, {"method": "PATCH", "path": path, "version": 'W/"1"', "data": data}).ok()["Operations"][0]
    assert (made["status"], has_access(acme)) == ("412", True)


BROKEN: Final[list[Json]] = [
    {"schemas": True}, {"schemas": []}, {"failOnErrors": -1}, {"failOnErrors": "x"}, {"x": 10**30}, {"x": "\x00"},
]  # fmt: skip
BESIDE: Final[list[Any]] = [
    7, {}, {"method": "BOIL", "path": "/Users/x"}, {"method": "POST", "path": "/Users"}, {"method": "PUT", "path": 4},
    {"method": "PATCH", "path": "/Users/x", "version": 4, "data": {}},
]  # fmt: skip


@pytest.mark.parametrize("wrong", [*[(each, []) for each in BROKEN], *[({}, [each]) for each in BESIDE]], ids=str)
def test_a_bulk_that_is_refused_whole_leaves_nobody_in(
    okta: Provider, acme: Company, rival: Company, path: str, wrong: Any
) -> None:
    more, beside = wrong
    second, third = (f"/Users/{acme.person(name).id}" for name in ("second", "third"))
    operations = [
        {"method": "PATCH", "path": path, "data": patch_op(OFF)},
        {"method": "PUT", "path": second, "data": put_body(acme, userName="")},
        {"method": "DELETE", "path": third},
        {"method": "PATCH", "path": f"/Users/{rival.member.id}", "data": patch_op(OFF)},
        *beside,
    ]
    answer = bulk(okta, *operations, **more)
    assert (answer.status, answer.body["detail"].startswith(MANY)) == (400, True), answer.body
    assert not has_access(acme)
    assert [okta.get(each).ok()["active"] for each in (path, second, third)] == [False] * 3  # and nobody is deleted
    again = bulk(okta, *operations, **more)
    assert again.body == {**answer.body, "detail": answer.body["detail"].removeprefix(MANY)}


def test_a_bulk_that_is_refused_says_how_many_are_out(okta: Provider, acme: Company, path: str) -> None:
    other = f"/Users/{acme.person('other').id}"
    stays = f"/Users/{acme.person('stays').id}"
    off, on = patch_op(OFF), patch_op({**OFF, "value": True})
    answer = bulk(
        okta,
        {"method": "PATCH", "path": path, "data": off},
        {"method": "PATCH", "path": other, "data": off},
        {"method": "PATCH", "path": stays, "data": off},
        {"method": "PATCH", "path": stays.upper().replace("/USERS", "/Users"), "data": on},
        {"method": "PATCH", "path": f"/Groups/{acme.team.id}", "data": off},
        None,
    )
    assert answer.refused(400, "invalidSyntax")["detail"].startswith("The access of 2 people has ended. ")
    assert [okta.get(each).ok()["active"] for each in (path, other, stays)] == [False, False, True]


def test_a_bulk_of_more_than_is_advertised_is_not_read(okta: Provider, acme: Company, path: str, settings: Any) -> None:
    settings.SCIM_BULK_OPERATIONS = 1
    leave = {"method": "PATCH", "path": path, "data": patch_op(OFF)}
    answer = bulk(okta, leave, leave)
    assert (answer.status, ended(answer), has_access(acme)) == (413, False, True)


def test_a_departure_is_no_error_to_stop_at(okta: Provider, acme: Company, path: str) -> None:
    other, stays = (f"/Users/{acme.person(name).id}" for name in ("other", "stays"))
    answer = bulk(
        okta,
        {"method": "PATCH", "path": path, "data": patch_op(OFF, UNKNOWN)},
        {"method": "PUT", "path": other, "data": {"userName": "", "active": False}},
        {"method": "PATCH", "path": stays, "data": patch_op(UNKNOWN)},
        {"method": "PATCH", "path": stays, "data": patch_op({"op": "add", "path": "title", "value": "x"})},
        failOnErrors=1,
    ).ok()["Operations"]
    said = [operation["response"]["detail"].startswith(SENTENCE) for operation in answer]
    assert ([operation["status"] for operation in answer], said) == (["400"] * 3, [True, True, False])
    assert [okta.get(each).ok()["active"] for each in (path, other, stays)] == [False, False, True]


# Operations that are wrong themselves


ODD: Final[dict[str, Json]] = {
    "bulkId": {"bulkId": 7},
    "slash": {"path": "/Users/{id}/"},
    "below the base": {"path": "/scim/v2/Users/{id}"},
    "address": {"path": "https://cerby.example/scim/v2/Users/{id}"},
    "query": {"path": "/Users/{id}?attributes=id"},
    "address and query": {"path": " https://cerby.example/scim/v2/users/{id}/?attributes=id&x=/Groups/1"},
    "no hyphens": {"path": "/scim/v2/Users/{hex}"},
    "bare operations": {"data": [OFF]},
    "one operation": {"data": [{"path": "active", "value": False}]},
    "method": {"method": "patch "},
    "put": {"method": "\tPut", "data": {"active": False}},
    "delete": {"method": "delete ", "data": None},
}


@pytest.mark.parametrize("odd", sorted(ODD))
@pytest.mark.parametrize("listed", [True, False, None])
def test_an_operation_that_is_wrong_itself_keeps_nobody_in(
    okta: Provider, acme: Company, path: str, odd: str, listed: bool | None
) -> None:
    operation = {"method": "PATCH", "path": path, "data": patch_op(OFF), **ODD[odd]}
    operation["path"] = operation["path"].format(id=acme.member.id, hex=acme.member.id.hex)
    operations = {True: [operation], False: operation, None: [[operation]]}[listed]
    answer = okta.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    assert (answer.status, ended(answer), has_access(acme)) == (400, True, False)


@pytest.mark.parametrize(
    "odd",
    [
        {"version": 7}, {"version": ["*"]}, {"version": 'W/"1"', "bulkId": 7}, {"path": "/Groups/{id}/"},
        {"path": "/Users/{id}/x"}, {"path": "/Users"}, {"path": "/Users/{id}x/"}, {"path": "Users{id}/"},
        {"path": "/xUsers/{id}"}, {"method": "post "}, {"method": ["PATCH"]}, {"method": "GET"},
        {"data": None}, {"data": "active"}, {"data": [False]}, {"path": ["/Users/{id}"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_operation_on_a_person_ends_nothing(okta: Provider, acme: Company, path: str, odd: Json) -> None:
    operation = {"method": "PATCH", "path": path, "data": patch_op(OFF), **odd}
    if isinstance(operation["path"], str):
        operation["path"] = operation["path"].format(id=acme.member.id)
    answer = bulk(okta, operation)
    assert (answer.status, ended(answer), has_access(acme)) == (400, False, True)


def test_nobody_of_another_workspace_leaves_and_nobody_by_a_narrow_token(
    okta: Provider, acme: Company, rival: Company
) -> None:
    def leave(company: Company) -> Json:
        return {"method": "PATCH ", "path": f"/scim/v2/Users/{company.member.id}/", "data": [OFF]}

    assert not ended(bulk(okta, leave(rival)))
    narrow = tokens.issue(acme.workspace, "narrow", actor=TESTS, scope=Scope.GROUPS)[1]
    headers = {**okta.headers, "authorization": f"Bearer {narrow.reveal()}"}
    assert not ended(bulk(Provider(headers, okta.content_type), leave(acme)))
    assert has_access(rival)
    assert has_access(acme)


def test_one_person_is_one_however_their_id_is_written(okta: Provider, acme: Company, path: str) -> None:
    on = patch_op({**OFF, "value": True})
    spelled = f"/Users/{acme.member.id.hex.upper()}/"
    leave, stay = {"method": "PATCH", "path": path, "data": patch_op(OFF)}, {"path": spelled, "data": on}
    assert not ended(bulk(okta, leave, {"method": "PATCH", **stay}))
    assert has_access(acme)
    assert ended(bulk(okta, {"method": "PATCH", **stay}, leave))
    assert not has_access(acme)


# References that nothing can be left out for


def test_what_is_named_by_its_own_bulk_id_is_refused_in_its_place(okta: Provider, acme: Company, path: str) -> None:
    def made(bulk_id: str, name: str, **more: Any) -> Json:
        return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"userName": name, **more}}

    answer = bulk(
        okta,
        made("q", "a", externalId="bulkId:q"),
        made("r", "b", displayName="bulkId:s"),
        made("s", "c", title="bulkId:r"),
        {"method": "PATCH", "path": path, "bulkId": "t", "data": patch_op(OFF)},
        made("t", "d@acme.example"),
        {"method": "PATCH", "path": "/Users/bulkId:t", "bulkId": "t", "data": patch_op(UNKNOWN)},
        {
            "method": "PATCH", "path": f"/Users/{acme.person('other').id}", "bulkId": "t",
            "data": patch_op({"op": "add", "path": f"{ENTERPRISE}:manager", "value": {"value": "bulkId:t"}}),
        },
    ).ok()  # fmt: skip
    statuses = [operation["status"] for operation in answer["Operations"]]
    assert statuses == ["400", "400", "400", "200", "201", "400", "200"], answer
    assert not has_access(acme)
