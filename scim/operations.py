"""PATCH operations as they arrive: structure, verbs and what no column can hold (RFC 7644 section 3.5.2)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scim.errors import InvalidPath, InvalidSyntax, InvalidValue, shown

VERBS = ("add", "replace", "remove")
MAX_VALUE_DEPTH = 20
# PostgreSQL keeps neither U+0000 nor half of a surrogate pair, in text or in jsonb.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `op` in lower case, `path` or None, `value` (None when null or absent)."""

    op: str
    path: str | None
    value: Any


def parse_operations(operations: Any) -> list[Operation]:
    """The checked operations of a PatchOp message, in order.

    Names and verbs are read in any letter case (Entra sends "Op": "Add"); a null or empty path is no path.
    Raises InvalidSyntax, InvalidPath or InvalidValue, saying which operation is meant, counted from 1.
    """
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("'Operations' must be a list with at least one operation.")
    return [_parse(each, f"Operation {number}") for number, each in enumerate(operations, start=1)]


def check_storable(value: Any, where: str) -> None:
    """Raises InvalidValue for JSON nested too deep, or with a character that the database cannot keep."""
    for leaf, depth in _walk(value):
        if depth > MAX_VALUE_DEPTH:
            raise InvalidValue(f"{where}: a value may be nested at most {MAX_VALUE_DEPTH} levels deep.")
        if isinstance(leaf, str) and _UNSTORABLE.search(leaf):
            raise InvalidValue(f"{where}: a text holds U+0000 or half a surrogate pair, which cannot be stored.")


def _walk(value: Any) -> Iterator[tuple[Any, int]]:
    """Every key and value below, with its depth; no recursion, for that is what is guarded against."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        yield item, depth
        parts = [*item, *item.values()] if isinstance(item, dict) else item if isinstance(item, list) else []
        waiting.extend((part, depth + 1) for part in parts)


def _parse(raw: Any, where: str) -> Operation:
    if not isinstance(raw, Mapping):
        raise InvalidSyntax(f"{where} must be an object with 'op', and 'path' or 'value'.")
    members = {str(name).lower(): part for name, part in raw.items()}
    op, path = _verb(members, where), members.get("path")
    if path is not None and not isinstance(path, str):
        raise InvalidPath(f"{where}: 'path' must be a string.")
    if op != "remove" and "value" not in members:
        raise InvalidValue(f"{where} ({op}) has no 'value'.")
    check_storable(members.get("value"), where)
    return Operation(op, path or None, members.get("value"))


def _verb(members: Mapping[str, Any], where: str) -> str:
    op = members.get("op")
    if not isinstance(op, str):
        raise InvalidSyntax(f"{where} has no 'op' (one of {', '.join(VERBS)}).")
    if op.lower() not in VERBS:
        raise InvalidValue(f"{where}: '{shown(op)}' is no operation; use one of {', '.join(VERBS)}.")
    return op.lower()
