"""Group membership asked for by a PATCH, as runs of ids (RFC 7644 section 3.5.2).

A team can have 100,000 members, so membership is never read into a resource, patched and written back: what
the operations want is collected here, and the team's verbs apply it in the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scim.errors import InvalidFilter, InvalidPath, InvalidValue
from scim.filters import get
from scim.grammar import Comparison, Node, Or, ParsedPath, parse_path
from scim.operations import Operation, parse_operations

_SUPPORTED = 'Supported: "members", and "members[value eq \\"…\\"]" with remove; several joined by or.'


@dataclass(frozen=True, slots=True)
class Add:
    """These ids become members; the others stay."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """These ids are members no longer; the others stay."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """Exactly these ids are members."""

    ids: tuple[str, ...]


Run = Add | Remove | Replace


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What a PATCH wants of a group's members, in order; neighbours are of different kinds, ids as sent."""

    runs: tuple[Run, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.runs)


def member_changes(operations: Any) -> tuple[GroupChanges, list[dict[str, Any]]]:
    """Part the membership from the rest: the changes, and the operations left for `apply`, possibly none.

    Understands Okta's `members[value eq "id"]`, Entra's list of values on remove, path "members" with one or
    many members (objects or plain ids) and a path-less value with `members`. A remove of "members" without a
    value is Replace(()); one with an empty list changes nothing. Raises what `parse_operations` raises,
    InvalidValue for a member without a value, InvalidFilter or InvalidPath for other targets.
    """
    runs: list[tuple[type[Run], dict[str, None]]] = []
    rest: list[dict[str, Any]] = []
    for operation in parse_operations(operations):
        if operation.path is None:
            operation = _take_members(operation, runs)
            if operation.value == {}:
                continue
        elif (path := _members_path(operation.path)) is not None:
            _push(runs, *_targeted(operation, path))
            continue
        rest.append({"op": operation.op, "path": operation.path, "value": operation.value})
    return GroupChanges(tuple(kind(tuple(ids)) for kind, ids in runs)), rest


def member_ids(value: Any) -> tuple[str, ...]:
    """The ids in a whole document's `members`: objects, one object, plain ids or null. Raises InvalidValue."""
    return _ids(value, "replace")


def _push(runs: list[tuple[type[Run], dict[str, None]]], kind: type[Run], ids: Iterable[str]) -> None:
    """Append a run, or let a last one of its kind take it up; a dict keeps ids once, in order."""
    wanted = dict.fromkeys(ids)
    if kind is Replace:
        if runs and runs[-1][0] is Replace:
            runs.pop()
        runs.append((kind, wanted))
    elif wanted and runs and runs[-1][0] is kind:
        runs[-1][1].update(wanted)
    elif wanted:
        runs.append((kind, wanted))


def _take_members(operation: Operation, runs: list[tuple[type[Run], dict[str, None]]]) -> Operation:
    """The path-less operation without its `members`, which join the runs."""
    if operation.op == "remove" or not isinstance(operation.value, dict):
        return operation
    rest = dict(operation.value)
    for key in operation.value:
        path = _members_path(key)
        if path is None:
            continue
        if path.filter is not None or path.attribute.sub is not None:
            raise InvalidPath(f"'members' in a value without a path takes a list of members. {_SUPPORTED}")
        _push(runs, Replace if operation.op == "replace" else Add, _ids(rest.pop(key), operation.op))
    return Operation(operation.op, None, rest)


def _members_path(text: str) -> ParsedPath | None:
    """The parsed path when it aims at members; anything else, malformed or not, is for `apply` to judge."""
    if "members" not in text.lower():
        return None
    path = parse_path(text)
    aims = path.attribute.extension is None and path.attribute.name.lower() == "members"
    return path if aims else None


def _targeted(operation: Operation, path: ParsedPath) -> tuple[type[Run], tuple[str, ...]]:
    if path.attribute.sub is not None:
        raise InvalidPath(f"Sub-attributes of members cannot be changed. {_SUPPORTED}")
    if path.filter is not None:
        if operation.op != "remove":
            raise InvalidFilter(f"A filter on members cannot be used with {operation.op}. {_SUPPORTED}")
        return Remove, tuple(_filtered(path.filter))
    if operation.op == "remove":
        return (Replace, ()) if operation.value is None else (Remove, _ids(operation.value, "remove"))
    return (Replace if operation.op == "replace" else Add), _ids(operation.value, operation.op)


def _filtered(node: Node) -> Iterable[str]:
    match node:
        case Or(terms):
            return [member for term in terms for member in _filtered(term)]
        case Comparison(path, "eq", str(member)) if path.key == "value" and member:
            return [member]
    raise InvalidFilter(f"This filter on members is not supported. {_SUPPORTED}")


def _ids(value: Any, op: str) -> tuple[str, ...]:
    if value is None and op == "replace":
        return ()  # null is "unassigned", RFC 7643 section 2.5
    return tuple(_id(member) for member in (value if isinstance(value, list) else [value]))


def _id(member: Any) -> str:
    found = get(member, "value") if isinstance(member, dict) else member
    if not isinstance(found, str) or not found:
        raise InvalidValue('A member must be given as {"value": "<id of the user>"}.')
    return found
