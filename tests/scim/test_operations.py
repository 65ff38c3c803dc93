"""PATCH operations as they arrive (RFC 7644 section 3.5.2)."""

from typing import Any

import pytest

from scim.errors import InvalidPath, InvalidSyntax, InvalidValue, ScimError
from scim.operations import Operation, parse_operations


def test_names_and_verbs_are_read_in_any_letter_case() -> None:
    assert parse_operations([{"Op": "Replace", "PATH": "title", "Value": "x"}, {"op": "REMOVE", "path": "a"}]) == [
        Operation("replace", "title", "x"),
        Operation("remove", "a", None),
    ]


def test_a_null_or_empty_path_is_no_path() -> None:
    for path in (None, ""):
        assert parse_operations([{"op": "add", "path": path, "value": {}}]) == [Operation("add", None, {})]


@pytest.mark.parametrize(
    ("operations", "error", "said"),
    [
        (None, InvalidSyntax, "Operations"),
        ({}, InvalidSyntax, "Operations"),
        ([], InvalidSyntax, "Operations"),
        (["replace"], InvalidSyntax, "Operation 1"),
        ([{"path": "a", "value": 1}], InvalidSyntax, "Operation 1 has no 'op'"),
        ([{"op": None, "value": 1}], InvalidSyntax, "no 'op'"),
        ([{"op": "add", "value": {}}, {"op": "move", "path": "a"}], InvalidValue, "Operation 2: 'move'"),
        ([{"op": "replace", "path": ["a"], "value": 1}], InvalidPath, "path"),
        ([{"op": "replace", "path": "a"}], InvalidValue, "no 'value'"),
        ([{"op": "add"}], InvalidValue, "no 'value'"),
        ([{"op": "add", "path": "a", "value": "x\0y"}], InvalidValue, "cannot be stored"),
        ([{"op": "add", "value": {"a\ud800": [1]}}], InvalidValue, "cannot be stored"),
    ],
)
def test_a_malformed_operation_is_refused_and_counted(operations: Any, error: type[ScimError], said: str) -> None:
    with pytest.raises(error, match=said):
        parse_operations(operations)


def test_depth_of_a_value_is_bounded_without_exhausting_the_stack() -> None:
    value: Any = "x"
    for _ in range(20_000):
        value = [value]
    with pytest.raises(InvalidValue, match="nested"):
        parse_operations([{"op": "add", "path": "a", "value": value}])
