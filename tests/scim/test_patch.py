"""PATCH applied to a user, as the RFC has it and as identity providers send it (RFC 7644 section 3.5.2)."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.errors import (
    InvalidFilter,
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    Mutability,
    NoTarget,
    ScimError,
)
from scim.patch import Schema, apply

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM = "urn:okta:acme_1:1.0:user:custom"
USER = Schema(
    urn=CORE,
    attributes=frozenset(
        [
            "userName",
            "name",
            "displayName",
            "nickName",
            "title",
            "active",
            "emails",
            "roles",
            "addresses",
            "groups",
        ]
    ),
    multi_valued=frozenset(["emails", "roles", "addresses", "groups"]),
    complex=frozenset(["name"]),
    booleans=frozenset(["active", "emails.primary", "roles.primary"]),
    read_only=frozenset(["groups"]),
    extensions=frozenset([ENTERPRISE]),
)
WORK = {"type": "work", "value": "ada@acme.example", "primary": True}
HOME = {"type": "home", "value": "ada@home.example"}
ADA: dict[str, Any] = {
    "schemas": [CORE, ENTERPRISE],
    "id": "1",
    "userName": "ada@acme.example",
    "name": {"givenName": "Ada", "familyName": "Byron"},
    "active": True,
    "emails": [WORK, HOME],
    "groups": [{"value": "9"}],
    ENTERPRISE: {"department": "Engines", "manager": {"value": "26"}},
    "meta": {"resourceType": "User"},
}


def patched(*operations: dict[str, Any], **start: Any) -> dict[str, Any]:
    return apply({**ADA, **start}, list(operations), USER)


def add(path: str, value: Any, **start: Any) -> dict[str, Any]:
    return patched({"op": "add", "path": path, "value": value}, **start)


def replace(path: str, value: Any, **start: Any) -> dict[str, Any]:
    return patched({"op": "replace", "path": path, "value": value}, **start)


def remove(path: str, value: Any = None, **start: Any) -> dict[str, Any]:
    return patched({"op": "remove", "path": path, "value": value}, **start)


def put(value: Any, op: str = "replace") -> dict[str, Any]:
    return patched({"op": op, "value": value})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ADA.items() if key != name}


# Without a path


def test_okta_deactivates_without_a_path() -> None:
    assert put({"active": False}) == {**ADA, "active": False}


@pytest.mark.parametrize("op", ["add", "Add", "replace", "REPLACE"])
def test_entra_says_false_as_a_string(op: str) -> None:
    assert put({"active": "False"}, op)["active"] is False
    assert patched({"op": op, "path": "active", "value": "true"}, active=False)["active"] is True


def test_keys_may_be_plain_dotted_filtered_or_under_a_urn() -> None:
    found = put(
        {
            "DisplayName": "Ada B.",
            "name.givenName": "Augusta",
            f"{CORE}:title": "Countess",
            f"{CORE}:name.honorificPrefix": "Lady",
            f"{ENTERPRISE}:department": "Poetry",
            f"{ENTERPRISE}:manager.displayName": "Charles",
            'emails[type eq "home"].value': "new@home.example",
        }
    )
    assert found == {
        **ADA,
        "displayName": "Ada B.",
        "title": "Countess",
        "name": {"givenName": "Augusta", "familyName": "Byron", "honorificPrefix": "Lady"},
        "emails": [WORK, {"type": "home", "value": "new@home.example"}],
        ENTERPRISE: {"department": "Poetry", "manager": {"value": "26", "displayName": "Charles"}},
    }


def test_an_object_leaves_the_parts_it_does_not_name() -> None:
    assert put({"name": {"givenName": "Augusta"}})["name"] == {"givenName": "Augusta", "familyName": "Byron"}
    assert put({ENTERPRISE: {"division": "X"}})[ENTERPRISE] == {**ADA[ENTERPRISE], "division": "X"}
    assert put({CORE: {"title": "Countess"}}) == {**ADA, "title": "Countess"}


def test_an_unknown_extension_is_kept_as_sent() -> None:
    value = {"colour": "red", "nested": {"a": [1, {"b": None}]}}
    for urn in (CUSTOM, "urn:acme:custom", "urn:scim:schemas:extension:acme:1.0", "urn:x:acme:2.0:User"):
        assert put({urn: value}) == {**ADA, urn: value}
        assert add(urn, value) == {**ADA, urn: value}
    assert put({f"{CUSTOM}:colour": "red"}) == {**ADA, CUSTOM: {"colour": "red"}}


def test_an_object_under_a_known_extension_is_one_of_its_attributes() -> None:
    found = put({f"{ENTERPRISE}:manager": {"displayName": "C"}, CUSTOM: {"a": 1}, f"{CUSTOM}:home": {"city": "X"}})
    assert found[ENTERPRISE]["manager"] == {"value": "26", "displayName": "C"}
    assert found[CUSTOM] == {"a": 1, "home": {"city": "X"}}


def test_id_schemas_and_meta_in_a_value_are_ignored() -> None:
    echo = {
        "id": "2",
        "schemas": [],
        "meta": {"version": "x"},
        "meta.version": "y",
        "groups": [],
        "title": "T",
    }
    assert put(echo) == {**ADA, "title": "T"}
    assert put({f"{CORE}:id": "2"}) == ADA


def test_null_in_a_value_unassigns() -> None:
    assert put({"name": {"familyName": None}})["name"] == {"givenName": "Ada"}
    assert put({"emails": None}) == without("emails")
    assert put({ENTERPRISE: None}) == without(ENTERPRISE)
    assert put({"nickName": None}) == ADA


def test_a_single_object_is_one_element() -> None:
    assert put({"emails": HOME})["emails"] == [HOME]


# Names and types


@pytest.mark.parametrize(
    "name", ["nickname2", "foo.bar", f"{CORE}:foo", "urn:ietf:params:scim:schemas:core:2.0:Group:title"]
)
def test_an_unknown_core_name_is_refused_by_name(name: str) -> None:
    for operation in (
        {"op": "add", "value": {name: "x"}},
        {"op": "replace", "path": name, "value": "x"},
        {"op": "remove", "path": name},
    ):
        with pytest.raises(InvalidPath) as caught:
            patched(operation)
        assert name in caught.value.detail


@pytest.mark.parametrize("path", ["id", "ID", "meta", "meta.created", "groups", 'groups[value eq "9"]', f"{CORE}:id"])
@pytest.mark.parametrize("op", ["add", "replace", "remove"])
def test_a_path_to_what_is_read_only_is_refused(path: str, op: str) -> None:
    with pytest.raises(Mutability):
        patched({"op": op, "path": path, "value": "x"})


def test_the_resources_spelling_is_kept() -> None:
    assert replace("USERNAME", "x") == {**ADA, "userName": "x"}
    assert replace("NAME.GIVENNAME", "x")["name"] == {"givenName": "x", "familyName": "Byron"}
    assert replace(f"{ENTERPRISE.upper()}:DEPARTMENT", "x")[ENTERPRISE]["department"] == "x"
    assert add("NICKNAME", "x")["nickName"] == "x"
    assert replace('EMAILS[TYPE EQ "HOME"].VALUE', "x")["emails"][1] == {"type": "home", "value": "x"}


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("active", "yes", InvalidValue),
        ("active", 1, InvalidValue),
        ("active", [True], InvalidValue),
        ("active", {"value": True}, InvalidValue),
        ("title", {"a": 1}, InvalidValue),
        ("title", ["a"], InvalidValue),
        ("name", "Ada", InvalidValue),
        ("emails", [1], InvalidValue),
        ("emails", [[HOME]], InvalidValue),
        ("emails", [{"value": "x", "primary": "maybe"}], InvalidValue),
        ('emails[type eq "work"]', "x", InvalidValue),
        ('emails[type eq "work"].primary', "maybe", InvalidValue),
        (ENTERPRISE, "x", InvalidValue),
        ("title.x", "x", InvalidPath),
        ('title[value eq "x"]', "x", InvalidPath),
        ('name[givenName eq "x"]', "x", InvalidPath),
        ("title[", "x", InvalidFilter),
        ("a b", "x", InvalidPath),
    ],
)
def test_what_does_not_fit_the_attribute_is_refused(path: str, value: Any, error: type[ScimError]) -> None:
    for op in ("add", "replace"):
        with pytest.raises(error):
            patched({"op": op, "path": path, "value": value})


def test_empty_strings_are_no_error() -> None:
    assert replace("title", "")["title"] == ""


# Add


def test_add_to_a_multi_valued_attribute_appends() -> None:
    other = {"type": "other", "value": "o@acme.example"}
    assert add("emails", [other])["emails"] == [WORK, HOME, other]
    assert add("emails", other)["emails"] == [WORK, HOME, other]
    assert add("roles", ["a", "b"])["roles"] == ["a", "b"]


def test_add_makes_no_duplicates() -> None:
    assert add("emails", [HOME, HOME]) == ADA
    assert add("roles", ["a"], roles=["a", "b"])["roles"] == ["a", "b"]
    assert add("roles", [{"value": "a", "display": "A"}], roles=[{"value": "a"}])["roles"] == [
        {"value": "a", "display": "A"}
    ]
    assert add("addresses", {"street": "x"}, addresses=[{"street": "x"}])["addresses"] == [{"street": "x"}]


def test_the_same_value_of_another_type_is_another_element() -> None:
    assert len(add("emails", {**HOME, "type": "other"})["emails"]) == 3


@pytest.mark.parametrize("primary", [True, "True"])
def test_a_new_primary_takes_that_from_the_old_one(primary: Any) -> None:
    new = {"value": "n@acme.example", "primary": primary}
    assert [e.get("primary") for e in add("emails", new)["emails"]] == [False, None, True]
    assert [e["primary"] for e in replace('emails[type eq "home"].primary', primary)["emails"]] == [
        False,
        True,
    ]


def test_entras_add_makes_the_element_its_filter_describes() -> None:
    found = add('emails[type eq "other"].value', "o@acme.example")
    assert found["emails"][2] == {"type": "other", "value": "o@acme.example"}
    found = add('roles[primary eq "True" and type eq "x"].value', "r")
    assert found["roles"] == [{"primary": True, "type": "x", "value": "r"}]
    found = add('addresses[type eq "work"]', {"country": "GB"})
    assert found["addresses"] == [{"type": "work", "country": "GB"}]


def test_entras_add_changes_the_element_that_is_there() -> None:
    assert add('emails[type eq "work"].value', "n@acme.example")["emails"] == [
        {**WORK, "value": "n@acme.example"},
        HOME,
    ]
    assert add('emails[type eq "work"]', {"display": "W"})["emails"] == [{**WORK, "display": "W"}, HOME]


@pytest.mark.parametrize("condition", ['type ne "x"', 'type eq "x" or type eq "y"', 'value co "q"', "display pr"])
def test_an_add_cannot_make_an_element_out_of_a_filter_that_says_no_equalities(condition: str) -> None:
    with pytest.raises(NoTarget):
        add(f"roles[{condition}].value", "x")


# Replace


def test_replace_sets_the_whole_of_a_multi_valued_attribute() -> None:
    assert replace("emails", [HOME])["emails"] == [HOME]
    assert replace("emails", []) == without("emails")


def test_replace_of_what_is_not_there_adds_it() -> None:
    assert replace("nickName", "x")["nickName"] == "x"
    assert replace(f"{CUSTOM}:colour", "red")[CUSTOM] == {"colour": "red"}
    assert replace("roles.value", "r")["roles"] == [{"value": "r"}]


def test_replace_with_a_filter_replaces_the_entire_element() -> None:
    found = replace('emails[type eq "work"]', {"value": "n@acme.example"})
    assert found["emails"] == [{"type": "work", "value": "n@acme.example"}, HOME]


def test_elements_changed_together_share_nothing_afterwards() -> None:
    start = [{"type": "work", "country": "GB"}, {"type": "home", "country": "GB"}]
    found = patched(
        {"op": "add", "path": 'addresses[country eq "GB"]', "value": {"geo": {"lat": 1}}},
        {"op": "add", "path": 'addresses[type eq "home"]', "value": {"geo": {"lat": 2}}},
        addresses=start,
    )
    assert [each["geo"] for each in found["addresses"]] == [{"lat": 1}, {"lat": 2}]


def test_replace_with_a_filter_that_matches_nothing_has_no_target() -> None:
    for path in ('emails[type eq "other"].value', 'emails[type eq "other"]'):
        with pytest.raises(NoTarget):
            replace(path, {"value": "x"} if path.endswith("]") else "x")


def test_a_sub_attribute_without_a_filter_is_that_of_every_element() -> None:
    assert [e["type"] for e in replace("emails.type", "x")["emails"]] == ["x", "x"]


def test_an_attribute_of_an_extension_is_added_to_when_it_is_a_list() -> None:
    start = {CUSTOM: {"tags": ["a"]}}
    assert add(f"{CUSTOM}:tags", ["a", "b"], **start)[CUSTOM]["tags"] == ["a", "b"]
    assert add(CUSTOM, {"tags": ["b"]}, **start)[CUSTOM]["tags"] == ["a", "b"]
    assert replace(f"{CUSTOM}:tags", ["c"], **start)[CUSTOM]["tags"] == ["c"]
    assert remove(f"{CUSTOM}:tags", ["a"], **start) == ADA


# Remove


def test_remove_takes_the_attribute_away() -> None:
    assert remove("active") == without("active")
    assert remove("emails") == without("emails")
    assert remove("name") == without("name")
    assert remove("name.familyName")["name"] == {"givenName": "Ada"}
    assert remove(ENTERPRISE) == without(ENTERPRISE)
    assert remove(f"{ENTERPRISE}:manager")[ENTERPRISE] == {"department": "Engines"}
    assert remove(f"{ENTERPRISE}:manager.value")[ENTERPRISE] == {"department": "Engines"}


def test_remove_with_values_removes_just_those() -> None:
    assert remove("emails", [{"value": HOME["value"]}])["emails"] == [WORK]
    assert remove("emails", {"value": "nobody"}) == ADA
    assert remove("emails", []) == ADA
    assert remove("emails", [{}]) == ADA
    assert remove("roles", ["a"], roles=["a", {"value": "b"}])["roles"] == [{"value": "b"}]


def test_remove_with_a_filter_removes_the_matching_elements() -> None:
    assert remove('emails[type eq "home"]')["emails"] == [WORK]
    assert remove('emails[value ew ".example"]') == without("emails")
    assert remove('emails[type eq "home"].type')["emails"] == [WORK, {"value": HOME["value"]}]


def test_an_element_that_loses_its_value_goes() -> None:
    assert remove('emails[type eq "home"].value')["emails"] == [WORK]
    assert replace('emails[type eq "home"].value', None)["emails"] == [WORK]


@pytest.mark.parametrize(
    "path",
    ["nickName", "name.middleName", 'emails[type eq "x"]', 'roles[value eq "x"].type', CUSTOM, f"{CUSTOM}:a"],
)
def test_removing_what_is_not_there_is_no_error(path: str) -> None:
    assert remove(path) == ADA


def test_a_remove_needs_a_path() -> None:
    for operation in (
        {"op": "remove"},
        {"op": "remove", "value": {"title": "x"}},
        {"op": "remove", "path": CORE},
    ):
        with pytest.raises(NoTarget):
            patched(operation)


# The whole


def test_operations_run_in_order() -> None:
    operations = [
        {"op": "add", "path": "title", "value": "a"},
        {"op": "replace", "path": "title", "value": "b"},
    ]
    assert patched(*operations)["title"] == "b"
    assert patched(*operations, {"op": "remove", "path": "title"}) == ADA


def test_neither_resource_nor_operations_are_changed() -> None:
    resource, value = deepcopy(ADA), [{"value": "n", "primary": True}]
    operations = [
        {"op": "add", "path": "emails", "value": value},
        {"op": "replace", "path": "emails[primary eq true].display", "value": "N"},
        {"op": "add", "value": {CUSTOM: {"a": {"b": 1}}}},
        {"op": "add", "path": f"{CUSTOM}:a.c", "value": 2},
    ]
    before = deepcopy(operations)
    assert apply(resource, operations, USER)["emails"][2]["display"] == "N"
    with pytest.raises(NoTarget):
        apply(resource, [*operations, {"op": "remove"}], USER)
    assert (resource, operations) == (ADA, before)


@pytest.mark.parametrize("operations", [None, {}, [], ["x"]])
def test_operations_must_be_a_list_with_something_in_it(operations: Any) -> None:
    with pytest.raises(InvalidSyntax):
        apply(ADA, operations, USER)


def test_a_value_without_a_path_must_be_an_object() -> None:
    for value in ("x", [{"active": False}], None):
        with pytest.raises(InvalidValue):
            put(value)


NAMES = st.sampled_from(["title", "nickName", "displayName", "userName"])
FLAT = st.tuples(st.sampled_from(["add", "replace", "remove"]), NAMES, st.text("ab", max_size=2), st.booleans())


@given(st.lists(FLAT, min_size=1))
def test_flat_operations_do_what_a_dict_does(wanted: list[tuple[str, str, str, bool]]) -> None:
    expected = dict(ADA)
    operations: list[dict[str, Any]] = []
    for op, name, value, with_path in wanted:
        if op == "remove":
            expected.pop(name, None)
            operations.append({"op": op, "path": name.upper()})
        else:
            expected[name] = value
            operations.append(
                {"op": op, "path": name, "value": value} if with_path else {"op": op, "value": {name: value}}
            )
    assert apply(ADA, operations, USER) == expected


VALUES = st.lists(st.sampled_from("abcd"), max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["add", "replace", "remove"]), VALUES), min_size=1), VALUES)
def test_operations_on_plain_lists_do_what_a_set_does(wanted: list[tuple[str, list[str]]], start: list[str]) -> None:
    expected = set(start)
    for op, values in wanted:
        expected = {"add": expected | {*values}, "replace": {*values}, "remove": expected - {*values}}[op]
    operations = [{"op": op, "path": "roles", "value": values} for op, values in wanted]
    assert set(apply({"roles": start}, operations, USER).get("roles", [])) == expected


PATHS = st.sampled_from(
    [
        *(
            "title",
            "name",
            "name.givenName",
            "emails",
            "emails.type",
            "active",
            "schemas",
            "id",
            CORE,
            "",
            "x[",
        ),
        *('emails[type eq "work"]', 'emails[type eq "x"].value', 'roles[primary eq "x"]'),
        *(ENTERPRISE, f"{ENTERPRISE}:manager.value", CUSTOM, f'{CUSTOM}:a[b eq "c"]'),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(PATHS | st.sampled_from(["value", "type"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ANY_OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "Remove", "x"]),
        "path": PATHS | st.none(),
        "value": JSON,
    },
)


def outcome(operations: Any) -> dict[str, Any] | ScimError:
    try:
        return apply(ADA, operations, USER)
    except ScimError as error:
        return error


@given(st.lists(ANY_OPERATION, max_size=4))
def test_any_operations_give_a_resource_or_a_scim_error(operations: list[dict[str, Any]]) -> None:
    before = deepcopy(ADA)
    found = outcome(operations)
    assert before == ADA
    if isinstance(found, ScimError):
        assert found.status == 400
    else:
        assert json.dumps(found)
        assert (found["id"], found["meta"], found["groups"]) == (ADA["id"], ADA["meta"], ADA["groups"])
        assert not any(value in (None, [], {}) for value in found.values())
