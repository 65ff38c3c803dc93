"""A person who leaves by a request is out, whatever else in that request is refused.

The rule that the generated requests are held to: send the same twice, once saying that the person stays and once that
they leave. Where the first is refused, the second gets the same refusal behind one sentence, and access has ended.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scim import tokens
from scim.models import ProvisioningEvent, Scope
from tests.companies import TESTS, Company
from tests.scim.dialects.http import ENTERPRISE, PATCH_OP, USER, Answer, Json, Provider
from tests.scim.leaving import OFF, SENTENCE, UNKNOWN, ended, has_access, patch_op, put_body
from workspace.models import AuditEvent, Role, Session

pytestmark = pytest.mark.django_db

EXAMPLES: Final = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


# What leaves, and what is refused beside it

SAYS: Final[dict[str, Callable[[Any], Json]]] = {
    "path": lambda word: {"op": "replace", "path": "active", "value": word},
    "Entra": lambda word: {"op": "Replace", "path": "Active", "value": str(word)},
    "add": lambda word: {"op": "Add", "path": "ACTIVE", "value": str(word).lower()},
    "URN": lambda word: {"op": "replace", "path": f"{USER}:active", "value": word},
    "urn": lambda word: {"op": "replace", "path": f"{USER.upper()}:Active", "value": word},
    "no path": lambda word: {"op": "replace", "value": {"active": word}},
    "Okta": lambda word: {"op": "replace", "path": None, "value": {"id": "x", "Active": word}},
    "empty path": lambda word: {"OP": "REPLACE", "Path": "", "VALUE": {"active": str(word)}},
    "key with a URN": lambda word: {"op": "add", "value": {f"{USER}:active": word}},
    "object under a URN": lambda word: {"op": "replace", "value": {USER: {"active": word}}},
    "path of the schema": lambda word: {"op": "replace", "path": USER, "value": {"active": word}},
}
OPERATIONS: Final[list[Any]] = [
    UNKNOWN,
    {"op": "replace", "path": "id", "value": "x"},
    {"op": "replace", "path": "groups", "value": []},
    {"op": "boil", "path": "title", "value": "x"},
    {"op": 4, "path": "title", "value": "x"},
    {"path": "title", "value": "x"},
    {"op": "replace", "path": 'phoneNumbers[type eq "fax"].value', "value": "1"},
    {"op": "replace", "path": "phoneNumbers[type eq", "value": "1"},
    {"op": "replace", "path": ["title"], "value": "x"},
    {"op": "replace", "path": 5, "value": "x"},
    {"op": "add", "path": "title"},
    {"op": "replace", "path": "userName", "value": ""},
    {"op": "replace", "path": "userName", "value": "owner@acme.example"},
    {"op": "replace", "path": "userName", "value": "x" * 5000},
    {"op": "replace", "path": "userName", "value": {"a": 1}},
    {"op": "replace", "path": "emails", "value": [{"value": "owner@acme.example", "primary": True}]},
    {"op": "replace", "path": "emails", "value": [3]},
    {"op": "replace", "path": "emails", "value": [{"value": {"a": 1}}]},
    {"op": "replace", "path": "name", "value": "Ada"},
    {"op": "replace", "path": "name.givenName", "value": ["x"]},
    {"op": "replace", "path": "roles", "value": [{"value": "owner"}]},
    {"op": "replace", "path": "roles", "value": [{"value": "emperor"}]},
    {"op": "replace", "path": "title", "value": "\x00"},
    {"op": "replace", "path": "title", "value": [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]},
    {"op": "replace", "path": ENTERPRISE, "value": 4},
    {"op": "replace", "value": "x"},
    {"op": "replace", "value": {"shoeSize": 4}},
    {"op": "remove"},
    {"op": "remove", "path": "userName"},
    {"op": "replace", "path": "emails[" * 40, "value": 1},
    "replace", None, 7, [], {},
]  # fmt: skip
ATTRIBUTES: Final[list[Json]] = [
    {"userName": ""}, {"userName": None}, {"userName": 5}, {"userName": ["a"]}, {"userName": "x" * 5000},
    {"userName": "OWNER@acme.example"}, {"userName": "\x00"}, {"displayName": {}, "name": "Ada"}, {"name": ["Ada"]},
    {"name": {"givenName": 5}}, {"emails": [5]}, {"emails": [{"value": {"a": 1}}]}, {"emails": 5},
    {"emails": [{"value": "owner@acme.example", "primary": True}]}, {"externalId": True},
    {"roles": [{"value": "emperor"}]}, {"roles": [{"value": "owner"}]}, {"roles": 4}, {"schemas": True},
    {"schemas": "x"}, {"schemas": None}, {"schemas": [["x"]]}, {"displayName": "\ud800"}, {"displayName": 1.5},
    {"title": [[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]}, {"title": 10**30}, {"displayName": "x" * 5000},
]  # fmt: skip
QUERIES: Final = ["", "", "", "?attributes=userName,[", "?excludedAttributes=a.b.c"]
PATCHES: Final = st.builds(
    lambda says, before, beside, after, envelope: (says, before, [beside, *after], envelope),
    st.sampled_from(sorted(SAYS)),
    st.lists(st.sampled_from(OPERATIONS), max_size=1),
    st.sampled_from(OPERATIONS),
    st.lists(st.sampled_from(OPERATIONS), max_size=2),
    st.sampled_from([{"schemas": [PATCH_OP]}, {"schemas": [PATCH_OP]}, {}, {"schemas": True}, {"schemas": [USER]}]),
)


def same_but_for_the_sentence(okta: Provider, acme: Company, send: Callable[[bool], Answer]) -> None:
    """Each of the two requests is undone, so that every example begins with the same person."""
    with transaction.atomic():
        stays = send(True)
        assert has_access(acme)
        transaction.set_rollback(True)
    with transaction.atomic():
        leaves = send(False)
        assert not has_access(acme)
        transaction.set_rollback(True)
    assert leaves.status == stays.status < 500, (leaves.body, stays.body)
    if stays.status >= 400:
        assert leaves.body == {**stays.body, "detail": SENTENCE + stays.body["detail"]}


def test_a_patch_that_is_refused_ends_access_and_is_refused_alike(okta: Provider, acme: Company, path: str) -> None:
    refused = 0

    @EXAMPLES
    @given(PATCHES, st.sampled_from(["Operations", "operations"]), st.sampled_from(QUERIES))
    def rule(parts: Any, name: str, query: str) -> None:
        says, before, after, envelope = parts

        def send(stays: bool) -> Answer:
            nonlocal refused
            answer = okta.send("PATCH", path + query, {**envelope, name: [*before, SAYS[says](stays), *after]})
            refused += answer.status >= 400
            return answer

        same_but_for_the_sentence(okta, acme, send)

    rule()
    assert refused > 100


def test_a_put_that_is_refused_ends_access_and_is_refused_alike(okta: Provider, acme: Company, path: str) -> None:
    refused = 0

    @EXAMPLES
    @given(
        st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=3),
        st.sampled_from(["active", "Active", "ACTIVE", f"{USER}:active"]),
        st.sampled_from([bool, str, lambda word: str(word).lower()]),
        st.sampled_from(QUERIES),
    )
    def rule(beside: list[Json], name: str, spelled: Callable[[bool], Any], query: str) -> None:
        def send(stays: bool) -> Answer:
            nonlocal refused
            body = {"userName": acme.member.user_name, name: spelled(stays)}
            for each in beside:
                body.update(each)
            answer = okta.put(path + query, body)
            refused += answer.status >= 400
            return answer

        same_but_for_the_sentence(okta, acme, send)

    rule()
    assert refused > 100


def test_each_of_these_is_refused_to_a_leaver_who_is_out(okta: Provider, acme: Company, path: str) -> None:
    for beside in OPERATIONS:
        with transaction.atomic():
            answer = okta.patch(path, OFF, beside)
            assert answer.status in {400, 403, 409}, (beside, answer.body)
            assert (ended(answer), has_access(acme)) == (True, False), beside
            transaction.set_rollback(True)


def test_each_of_these_in_a_put_leaves_nobody_in(okta: Provider, acme: Company, path: str) -> None:
    for beside in ATTRIBUTES:
        with transaction.atomic():
            answer = okta.put(path, put_body(acme, **beside))
            assert (answer.status == 200 or ended(answer), has_access(acme)) == (True, False), beside
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    "body",
    [
        patch_op(*[OFF, *[{"op": "add", "path": "title", "value": "x"}] * 200]),
        {"schemas": [PATCH_OP], "Operations": OFF},
        {"schemas": [USER], "active": False},
        {"active": "False", "Operations": "none"},
        [OFF],
        OFF,
        patch_op({**OFF, "value": [False]}, UNKNOWN),
        patch_op({**OFF, "value": [{"$ref": None, "value": "False"}]}, UNKNOWN),
        patch_op({**OFF, "value": {"active": False}}),
        patch_op({"op": "replace", "value": [{"active": False}]}),
        patch_op({"op": "replace", "value": [{"title": "x"}, {"active": False}]}),
        patch_op({"op": "replace", "value": [{"active": "False"}, [{f"{USER}:active": False}]]}),
        patch_op({**OFF, "op": "replace "}),
        patch_op({**OFF, "op": "\tAdd"}, {"op": "remove ", "path": "title"}),
        patch_op({"path": "active", "value": False}),
        patch_op({"op": None, "path": " Active\n", "value": "false"}),
        patch_op({"op": "", "path": "active", "value": False}),
        patch_op({"value": {"active": False}}),
        patch_op({"op": "replace", "path": " ", "value": {"active": False}}),
        patch_op({**OFF, "path": "/active"}),
        patch_op({**OFF, "path": f"{USER}.active"}),
        patch_op({**OFF, "path": f"/{USER.lower()}/active/"}),
        patch_op([OFF]),
        patch_op([{"op": "replace", "path": "title", "value": "x"}, [OFF]]),
        {"path": "active", "value": False},
    ],
)
def test_less_than_a_patch_is_refused_and_clear_all_the_same(
    okta: Provider, acme: Company, path: str, body: Any
) -> None:
    answer = okta.send("PATCH", path, body)
    assert (answer.status, ended(answer), has_access(acme)) == (400, True, False)


@pytest.mark.parametrize(
    "says", ["perhaps", "maybe", None, 0, "", "no", [], {}, [False, True], {"value": None}, 10**30]
)
def test_an_active_that_is_not_clear_ends_nothing(okta: Provider, acme: Company, path: str, says: Any) -> None:
    for answer in (
        okta.patch(path, {"op": "replace", "path": "active", "value": says}, UNKNOWN),
        okta.patch(path, OFF, {"op": "replace", "value": {"active": says}}),
        okta.put(path, put_body(acme, active=says, userName="")),
    ):
        assert answer.status == 400
        assert not ended(answer)
    assert has_access(acme)


def test_the_last_word_counts(okta: Provider, acme: Company, path: str) -> None:
    spellings = st.sampled_from(sorted(SAYS))

    @settings(EXAMPLES, max_examples=80)
    @given(st.lists(st.tuples(spellings, st.booleans()), min_size=1, max_size=4), st.booleans())
    def rule(said: list[tuple[str, bool]], refused: bool) -> None:
        operations = [SAYS[spelling](stays) for spelling, stays in said]
        with transaction.atomic():
            answer = okta.patch(path, *operations, *([UNKNOWN] if refused else []))
            assert (answer.status, has_access(acme)) == (400 if refused else 200, said[-1][1])
            assert not refused or ended(answer) is not said[-1][1]
            transaction.set_rollback(True)

    rule()


@pytest.mark.parametrize(
    "operations",
    [
        [OFF, {"op": "remove", "path": "active"}],
        [{"op": "remove", "path": "active"}],
        [{"op": "remove", "path": "active", "value": False}],
        [{"op": "replace", "value": {"active": False, f"{USER}:active": True}}, UNKNOWN],
        [{"op": "set", "path": "active", "value": False}],
        [{"op": "test", "path": "active", "value": False}],
        [{"op": "disable", "path": "active", "value": False}],
        [{"op": 4, "path": "active", "value": False}],
        [{"op": ["replace"], "path": "active", "value": False}],
        [OFF, {"op": "remove ", "path": "/active"}],
        [OFF, {"path": "active ", "value": True}],
        [{"op": "replace", "value": [{"active": False}, {"active": True}]}],
        [{"op": "replace", "path": f"{ENTERPRISE}.active", "value": False}, UNKNOWN],
        [{"op": "replace", "path": "active/value", "value": False}],
        [{"op": "replace", "path": "active.value", "value": False}],
        [{"op": "replace", "path": 'active[value eq "x"]', "value": False}],
        [{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:active", "value": False}],
        [{"op": "replace", "path": f"{ENTERPRISE}:active", "value": False}, UNKNOWN],
        [{"op": "replace", "path": "inactive", "value": False}],
        [{"op": "replace", "value": {"name": {"active": False}}}, UNKNOWN],
    ],
)
def test_what_does_not_say_that_somebody_leaves(okta: Provider, acme: Company, path: str, operations: Any) -> None:
    answer = okta.patch(path, *operations)
    assert (answer.status, ended(answer), has_access(acme)) == (400, False, True)


def test_a_put_may_name_active_under_the_schema(okta: Provider, acme: Company, path: str) -> None:
    okta.put(path, {"userName": acme.member.user_name, USER: {"active": False}}).ok()
    assert not has_access(acme)


# What comes first


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("first", ["401", "403 read", "403 groups", "404", "412", "429"])
def test_who_may_not_ask_ends_nothing(
    okta: Provider, acme: Company, rival: Company, path: str, first: str, method: str, settings: Any
) -> None:
    status, _, scope = first.partition(" ")
    headers = dict(okta.headers)
    match status:
        case "401":
            headers["authorization"] = "Bearer scim_no_such"
        case "403":
            secret = tokens.issue(acme.workspace, "narrow", actor=TESTS, scope=Scope(scope))[1]
            headers["authorization"] = f"Bearer {secret.reveal()}"
        case "404":
            path = f"/Users/{rival.member.id}"
        case "412":
            headers["if-match"] = 'W/"1"'
        case "429":
            settings.SCIM_REQUESTS_PER_MINUTE = 1
            for _ in range(3):
                okta.get("/Users?count=0")
    body = put_body(acme, userName="") if method == "PUT" else patch_op(OFF, UNKNOWN)
    answer = Provider(headers, okta.content_type).send(method, path, body)
    assert (answer.status, ended(answer), has_access(acme), has_access(rival)) == (int(status), False, True, True)


def test_any_version_is_a_version(okta: Provider, acme: Company, path: str) -> None:
    okta.headers["if-match"] = "*"
    assert ended(okta.patch(path, OFF, UNKNOWN))
    assert not has_access(acme)


def test_a_group_has_nothing_to_leave(okta: Provider, acme: Company) -> None:
    for answer in (okta.patch(f"/Groups/{acme.team.id}", OFF), okta.put(f"/Groups/{acme.team.id}", {"active": False})):
        assert answer.status == 400
        assert not ended(answer)
    assert has_access(acme)


def test_a_create_ends_nothing(okta: Provider, acme: Company) -> None:
    answer = okta.post("/Users", put_body(acme))
    assert (answer.status, ended(answer), has_access(acme)) == (409, False, True)


# What is left behind


def test_repeated_it_is_an_ordinary_refusal(okta: Provider, acme: Company, path: str) -> None:
    first, again = (okta.patch(path, OFF, UNKNOWN).refused(400, "invalidPath") for _ in range(2))
    assert first["detail"] == SENTENCE + again["detail"]
    put = okta.put(path, put_body(acme, userName="")).refused(400, "invalidValue")
    assert not put["detail"].startswith(SENTENCE)


def test_the_log_has_the_departure_and_the_refusal(okta: Provider, acme: Company, path: str) -> None:
    okta.patch(path, OFF, UNKNOWN)
    okta.put(path, put_body(acme, userName=""))
    log = ProvisioningEvent.objects.for_workspace(acme.workspace).order_by("at")
    assert [(event.operation, event.status, event.attributes, event.detail[: len(SENTENCE)]) for event in log] == [
        ("modify", 200, ["active"], ""),
        ("modify", 400, [], SENTENCE),
        ("replace", 400, [], "userName is required and must n"),
    ]
    assert {event.resource_id for event in log} == {acme.member.pk}
    left = AuditEvent.objects.filter(verb="person.deactivated", subject_id=str(acme.member.pk))
    assert left.count() == 1


def test_nothing_else_of_the_request_is_done(okta: Provider, acme: Company, path: str) -> None:
    title = {"op": "replace", "path": "title", "value": "Countess"}
    okta.patch(path, title, OFF, title, UNKNOWN).refused(400, "invalidPath")
    assert "title" not in okta.get(path).ok()


def test_sessions_end_too(okta: Provider, acme: Company, path: str) -> None:
    browser = acme.browser(acme.member)
    assert Session.objects.filter(user=acme.member).exists()
    okta.patch(path, OFF, UNKNOWN)
    assert not Session.objects.filter(user=acme.member).exists()
    assert browser.get("/").status_code == 302


def test_of_two_things_that_are_refused_the_same_one_is_named(okta: Provider, acme: Company, path: str) -> None:
    taken = {"op": "replace", "path": "userName", "value": acme.owner.user_name}
    owner = {"op": "replace", "path": "roles", "value": [{"value": "owner"}]}
    stays = okta.patch(path, taken, owner).refused(409, "uniqueness")
    assert okta.patch(path, taken, OFF, owner).refused(409, "uniqueness")["detail"] == SENTENCE + stays["detail"]


def test_a_role_that_is_refused_leaves_the_profile_as_it_was(okta: Provider, acme: Company, path: str) -> None:
    okta.patch(path, OFF, {"op": "replace", "value": {"title": "x", "roles": [{"value": "owner"}]}}).refused(403)
    assert "title" not in okta.get(path).ok()


def test_an_owner_who_leaves_with_an_echo_of_their_role_is_refused_nothing(okta: Provider, acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    path = f"/Users/{second.id}"
    left = okta.put(path, {**okta.get(path).ok(), "title": "Countess", "active": False}).ok()
    assert (left["active"], left["title"], "roles" in left) == (False, "Countess", False)


def test_an_owner_who_leaves_by_a_document_that_makes_them_a_member_is_refused_nothing(
    okta: Provider, acme: Company
) -> None:
    second = acme.person("second", role=Role.OWNER)
    body = {"userName": second.user_name, "roles": [{"value": "member"}]}
    okta.put(f"/Users/{second.id}", {**body, "active": True}).refused(403)
    okta.put(f"/Users/{second.id}", {**body, "active": False}).ok()
    second.refresh_from_db()
    assert (second.is_active, second.role) == (False, Role.MEMBER)
