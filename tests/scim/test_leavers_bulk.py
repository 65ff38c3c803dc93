"""Leavers among the operations of a Bulk: of one that is refused, and of a Bulk that is refused whole."""

from typing import Any, Final

import pytest

from tests.companies import Company
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
