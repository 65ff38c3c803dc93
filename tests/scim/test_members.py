"""Membership parted off from a PATCH of a group, in every form that identity providers send."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim.errors import InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, ScimError
from scim.members import Run
from scim.patch import Add, GroupChanges, Remove, Replace, member_changes

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def runs(*operations: dict[str, Any]) -> tuple[Run, ...]:
    changes, rest = member_changes(list(operations))
    assert rest == []
    return changes.runs


def test_okta_mixes_filtered_removes_and_adds_in_one_request() -> None:
    assert runs(
        {"op": "remove", "path": 'members[value eq "1"]'},
        {"op": "remove", "path": 'members[value eq "2"]'},
        {"op": "add", "path": "members", "value": [{"value": "3", "display": "c@acme.example"}]},
        {"op": "add", "path": "members", "value": [{"value": "4", "display": "d@acme.example"}]},
    ) == (Remove(("1", "2")), Add(("3", "4")))


def test_order_is_kept_where_kinds_change() -> None:
    assert runs(
        {"op": "add", "path": "members", "value": "1"},
        {"op": "remove", "path": 'members[value eq "1"]'},
        {"op": "add", "path": "members", "value": "1"},
    ) == (Add(("1",)), Remove(("1",)), Add(("1",)))


def test_push_now_replaces_the_members_and_an_empty_list_replaces_them_with_none() -> None:
    assert runs({"op": "replace", "path": "members", "value": [{"value": "1"}]}) == (Replace(("1",)),)
    assert runs({"op": "replace", "path": "members", "value": []}) == (Replace(()),)
    assert runs({"op": "replace", "path": "members", "value": None}) == (Replace(()),)


def test_the_last_of_two_replaces_holds() -> None:
    assert runs(
        {"op": "replace", "path": "members", "value": ["1"]},
        {"op": "replace", "path": "members", "value": ["2"]},
        {"op": "add", "path": "members", "value": ["3"]},
    ) == (Replace(("2",)), Add(("3",)))


def test_entra_removes_a_list_of_values_and_nobody_else() -> None:
    assert runs({"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "1"}]}) == (Remove(("1",)),)
    assert runs({"op": "Remove", "path": "members", "value": {"Value": "1"}}) == (Remove(("1",)),)
    assert runs({"op": "Remove", "path": "members", "value": []}) == ()


def test_a_remove_of_members_without_a_value_removes_all() -> None:
    assert runs({"op": "remove", "path": "members"}) == (Replace(()),)


@pytest.mark.parametrize("path", ["members", "Members", f"{GROUP}:members"])
@pytest.mark.parametrize("value", [[{"value": "1"}], {"value": "1"}, ["1"], "1"])
def test_members_are_given_as_objects_or_ids_one_or_many(path: str, value: Any) -> None:
    assert runs({"op": "add", "path": path, "value": value}) == (Add(("1",)),)
    assert runs({"op": "add", "value": {path: value}}) == (Add(("1",)),)
    assert runs({"op": "replace", "value": {path: value}}) == (Replace(("1",)),)


def test_each_id_is_named_once_in_a_run() -> None:
    assert runs({"op": "add", "path": "members", "value": ["1", "2", "1"]}) == (Add(("1", "2")),)


def test_a_filter_may_name_several_members() -> None:
    path = 'members[value eq "1" or (VALUE EQ "2" or value eq "3")]'
    assert runs({"op": "remove", "path": path}) == (Remove(("1", "2", "3")),)


def test_what_is_not_membership_is_left_for_apply() -> None:
    rename = {"op": "Replace", "value": {"id": "7", "displayName": "X", "members": [{"value": "1"}]}}
    other = {"op": "replace", "path": "externalId", "value": "e"}
    changes, rest = member_changes([rename, other])
    assert changes == GroupChanges((Replace(("1",)),))
    assert rest == [{"op": "replace", "path": None, "value": {"id": "7", "displayName": "X"}}, other]
    assert rename["value"] == {"id": "7", "displayName": "X", "members": [{"value": "1"}]}


def test_a_rename_alone_changes_no_members() -> None:
    changes, rest = member_changes([{"op": "replace", "path": "displayName", "value": "members"}])
    assert not changes
    assert len(rest) == 1


def test_a_remove_without_a_path_is_left_for_apply_to_refuse() -> None:
    changes, rest = member_changes([{"op": "remove", "value": {"members": [{"value": "1"}]}}])
    assert not changes
    assert rest == [{"op": "remove", "path": None, "value": {"members": [{"value": "1"}]}}]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        ({"op": "add", "path": "members", "value": None}, InvalidValue),
        ({"op": "add", "path": "members", "value": [{"display": "x"}]}, InvalidValue),
        ({"op": "add", "path": "members", "value": [{"value": None}]}, InvalidValue),
        ({"op": "add", "path": "members", "value": [{"value": ""}]}, InvalidValue),
        ({"op": "add", "path": "members", "value": [7]}, InvalidValue),
        ({"op": "add", "path": "members", "value": [["1"]]}, InvalidValue),
        ({"op": "remove", "path": "members", "value": [{"display": "x"}]}, InvalidValue),
        ({"op": "replace", "value": {"members": [{}]}}, InvalidValue),
        ({"op": "remove", "path": 'members[display eq "x"]'}, InvalidFilter),
        ({"op": "remove", "path": 'members[value ne "x"]'}, InvalidFilter),
        ({"op": "remove", "path": 'members[value eq "x" and value eq "y"]'}, InvalidFilter),
        ({"op": "remove", "path": "members[value eq 5]"}, InvalidFilter),
        ({"op": "remove", "path": "members[value pr]"}, InvalidFilter),
        ({"op": "remove", "path": "members[value eq"}, InvalidFilter),
        ({"op": "replace", "path": 'members[value eq "x"]', "value": {"value": "y"}}, InvalidFilter),
        ({"op": "replace", "path": 'members[value eq "x"].display', "value": "y"}, InvalidPath),
        ({"op": "remove", "path": "members.value"}, InvalidPath),
        ({"op": "add", "value": {'members[value eq "1"]': "x"}}, InvalidPath),
        ({"path": "members"}, InvalidSyntax),
    ],
)
def test_other_forms_are_refused_with_what_is_supported(operation: dict[str, Any], error: type[ScimError]) -> None:
    with pytest.raises(error) as caught:
        member_changes([operation])
    assert caught.value.status == 400


IDS = st.lists(st.sampled_from("abcdef"), max_size=4)


def model(members: set[str], kind: str, ids: list[str]) -> set[str]:
    return members | set(ids) if kind == "add" else members - set(ids) if kind == "remove" else set(ids)


def applied(members: set[str], run: Run) -> set[str]:
    return model(members, {Add: "add", Remove: "remove", Replace: "replace"}[type(run)], list(run.ids))


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "replace"]), IDS), min_size=1), IDS)
def test_runs_do_what_the_operations_do_one_by_one(wanted: list[tuple[str, list[str]]], start: list[str]) -> None:
    changes, rest = member_changes([{"op": op, "path": "members", "value": ids} for op, ids in wanted])
    expected, found = set(start), set(start)
    for op, ids in wanted:
        expected = model(expected, op, ids)
    for run in changes.runs:
        found = applied(found, run)
    assert (found, rest) == (expected, [])
    assert all(type(a) is not type(b) for a, b in zip(changes.runs, changes.runs[1:], strict=False))
