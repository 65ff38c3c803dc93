"""What a SCIM filter selects: rows (a Django Q, through a table of attributes) or plain JSON (a predicate).

Both readings give the same answer, RFC 7644 section 3.4.2.2:
- `ne` is the true complement of `eq`: an attribute without a value is `ne "x"`; `eq null` is `not (… pr)`.
- `pr` is "neither null nor empty". Every other operator is false without a value, and "" is none.
- A multi-valued attribute meets a comparison when any element does; `emails eq "x"` means `emails.value`.
- A string that no column can hold (U+0000, a lone surrogate) and an id that is no UUID match nothing.
"""

import operator as python
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.db.models import F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Collate, Lower
from django.db.models.lookups import (
    Contains,
    EndsWith,
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IsNull,
    LessThan,
    LessThanOrEqual,
    StartsWith,
)

from scim.errors import InvalidFilter, shown
from scim.grammar import And, AttributePath, Comparison, Literal, Node, Not, Or, Present, ValuePath
from workspace.identifiers import parse_uuid


class AttributeType(Enum):
    """The data types of RFC 7643 section 2.3 as far as they differ in a comparison; values are for people."""

    TEXT = "string"
    EXACT = "case-exact string"
    BOOLEAN = "boolean"
    MOMENT = "dateTime"
    IDENTIFIER = "id"
    NUMBER = "number"


Operand = str | bool | datetime | UUID | int | float
# From an operator (eq co sw ew gt ge lt le pr; never ne) and an operand of the attribute's type (pr: None).
# The condition must be true or false in every row, never SQL's NULL: it may be negated.
Builder = Callable[[str, Any], Q]
# From the filter in the brackets, whose names are those of one element: value, type, primary.
ValuePathBuilder = Callable[[Node], Q]
# A column, or an expression such as KT("extra__department").
Column = str | Combinable

NO_ROW = Q(pk__in=[])
_ORDER = frozenset({"gt", "ge", "lt", "le"})
_EQUALITY = frozenset({"eq", "ne"})
_SUBSTRING = frozenset({"co", "sw", "ew"})
_ALLOWED: Mapping[AttributeType, frozenset[str]] = {
    AttributeType.TEXT: _EQUALITY | _SUBSTRING | _ORDER,
    AttributeType.EXACT: _EQUALITY | _SUBSTRING | _ORDER,
    AttributeType.BOOLEAN: _EQUALITY,
    AttributeType.MOMENT: _EQUALITY | _ORDER,
    AttributeType.IDENTIFIER: _EQUALITY,
    AttributeType.NUMBER: _EQUALITY | _ORDER,
}
_WANTED = {
    AttributeType.TEXT: "a string in double quotes",
    AttributeType.EXACT: "a string in double quotes",
    AttributeType.BOOLEAN: "true or false",
    AttributeType.MOMENT: 'a time with its zone, such as "2026-05-13T04:42:34Z"',
    AttributeType.NUMBER: "a number",
}
_LOOKUPS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": Exact,
    "co": Contains,
    "sw": StartsWith,
    "ew": EndsWith,
    "gt": GreaterThan,
    "ge": GreaterThanOrEqual,
    "lt": LessThan,
    "le": LessThanOrEqual,
}
_PREDICATES: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": python.eq,
    "co": python.contains,
    "sw": str.startswith,
    "ew": str.endswith,
    "gt": python.gt,
    "ge": python.ge,
    "lt": python.lt,
    "le": python.le,
}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One filterable name: its type and how a comparison with it becomes a condition on rows."""

    type: AttributeType
    build: Builder


def text(column: Column) -> Attribute:
    """A case-insensitive string. `eq` is LOWER(column) = LOWER('…'), which an index on Lower(column) serves.

    Both sides are lowered by PostgreSQL, whose idea of lower case the index holds; nothing is registered.
    """
    return _string(column, AttributeType.TEXT, Lower)


def exact(column: Column) -> Attribute:
    """A case-exact string: externalId, a member's value kept as text."""
    return _string(column, AttributeType.EXACT, lambda expression: expression)


def boolean(column: Column) -> Attribute:
    """A boolean; Entra's "True" and "False" are read as such."""
    return Attribute(AttributeType.BOOLEAN, _scalar(column))


def moment(column: Column) -> Attribute:
    """A timestamp with time zone; operands are aware datetimes in UTC."""
    return Attribute(AttributeType.MOMENT, _scalar(column))


def identifier(column: Column) -> Attribute:
    """A UUID. A literal that is none matches nothing: Entra probes ids and wants an empty list."""
    return Attribute(AttributeType.IDENTIFIER, _scalar(column))


def fixed(value: str | bool, *, case_exact: bool = False) -> Attribute:
    """A name that holds one value in every row, such as the `type` of a lone work address; "" is no value."""
    text_kind = AttributeType.EXACT if case_exact else AttributeType.TEXT
    kind = AttributeType.BOOLEAN if isinstance(value, bool) else text_kind

    def build(operator: str, operand: Any) -> Q:
        holds = value != "" if operator == "pr" else _holds(kind, operator, value, operand)
        return ~NO_ROW if holds else NO_ROW

    return Attribute(kind, build)


def _string(column: Column, kind: AttributeType, fold: Callable[[Any], Any]) -> Attribute:
    source = F(column) if isinstance(column, str) else column

    def build(operator: str, operand: Any) -> Q:
        if operator == "pr":
            return Q(IsNull(source, False), ~Q(Exact(source, Value(""))))
        # By code point, as in `matches`, and not by whichever collation the database was created with.
        left = Collate(fold(source), "C") if operator in _ORDER else fold(source)
        found = Q(IsNull(source, False), _LOOKUPS[operator](left, fold(Value(operand))))
        # An empty column holds no value; only what lies below or within everything could find one.
        return found & build("pr", None) if operand == "" or operator in {"lt", "le"} else found

    return Attribute(kind, build)


def _scalar(column: Column) -> Builder:
    source = F(column) if isinstance(column, str) else column

    def build(operator: str, operand: Any) -> Q:
        known = Q(IsNull(source, False))
        return known if operator == "pr" else Q(known, _LOOKUPS[operator](source, Value(operand)))

    return build


def to_q(
    node: Node,
    attributes: Mapping[str, Attribute],
    value_paths: Mapping[str, ValuePathBuilder] = MappingProxyType({}),
) -> Q:
    """The condition on rows that a filter stands for.

    `attributes` maps dotted names ("userName", "emails.value", "urn:…:2.0:User:department") to columns, in
    the spelling an error should show; `value_paths` maps names ("members") to what `members[…]` means.
    Raises InvalidFilter for a name, operator or literal that cannot be served.
    """
    return _Rows(attributes, value_paths).q(node)


def translator(attributes: Mapping[str, Attribute], value_paths: Mapping[str, ValuePathBuilder]) -> Callable[[Node], Q]:
    """`to_q` for tables that are used again and again: their names are folded once."""
    return _Rows(attributes, value_paths).q


class _Rows:
    """Translation into Q, over tables whose names are folded once."""

    def __init__(self, attributes: Mapping[str, Attribute], value_paths: Mapping[str, ValuePathBuilder]) -> None:
        self.attributes = {name.lower(): attribute for name, attribute in attributes.items()}
        self.value_paths = {name.lower(): builder for name, builder in value_paths.items()}
        self.names = ", ".join(sorted(attributes, key=str.lower))

    def q(self, node: Node) -> Q:
        match node:
            case And(terms):
                return Q(*map(self.q, terms), _connector=Q.AND)
            case Or(terms):
                return Q(*map(self.q, terms), _connector=Q.OR)
            case Not(term):
                return ~self.q(term)
            case ValuePath(path, inner):
                return self._value_path(path, inner)
            case Present(path):
                return self._present(path)
            case Comparison():
                return self._comparison(node)

    def _value_path(self, path: AttributePath, inner: Node) -> Q:
        if path.key not in self.value_paths:
            known = ", ".join(sorted(self.value_paths)) or "none"
            raise InvalidFilter(f"No filter in brackets is supported on '{shown(path)}' (supported: {known}).")
        return self.value_paths[path.key](inner)

    def _present(self, path: AttributePath) -> Q:
        if not {path.key, f"{path.key}.value"} & self.attributes.keys():
            parts = [a for name, a in self.attributes.items() if name.startswith(f"{path.key}.")]
            if parts:  # `name pr`: a complex attribute is there when one of its sub-attributes is
                return Q(*(part.build("pr", None) for part in parts), _connector=Q.OR)
        return self._find(path).build("pr", None)

    def _comparison(self, node: Comparison) -> Q:
        attribute = self._find(node.path)
        operand = operand_of(attribute.type, node)
        if node.value is None:
            condition = ~attribute.build("pr", None)
        elif operand is None:
            condition = NO_ROW
        else:
            condition = attribute.build("eq" if node.operator == "ne" else node.operator, operand)
        return ~condition if node.operator == "ne" else condition

    def _find(self, path: AttributePath) -> Attribute:
        found = self.attributes.get(path.key) or self.attributes.get(f"{path.key}.value")
        if found is None:
            raise InvalidFilter(f"No filter is supported on '{shown(path)}'. Filterable: {self.names}.")
        return found


def matches(
    node: Node,
    resource: Mapping[str, Any],
    types: Mapping[str, AttributeType] = MappingProxyType({}),
    *,
    within: str = "",
) -> bool:
    """Whether a SCIM resource (plain JSON) meets the filter.

    `types` has lower-case dotted names; a name not in it is taken for what the literal is, strings without
    regard to case. `within` ("emails") says that `resource` is one element of that attribute. Raises
    InvalidFilter.
    """
    match node:
        case And(terms):
            return all(matches(term, resource, types, within=within) for term in terms)
        case Or(terms):
            return any(matches(term, resource, types, within=within) for term in terms)
        case Not(term):
            return not matches(term, resource, types, within=within)
        case ValuePath(path, inner):
            elements = [e if isinstance(e, dict) else {"value": e} for e in _values(resource, path)]
            return any(matches(inner, element, types, within=path.key) for element in elements)
        case Present(path):
            return any(map(_is_present, _values(resource, path)))
        case Comparison():
            return _compare(node, resource, types, within)


def _compare(node: Comparison, resource: Mapping[str, Any], types: Mapping[str, AttributeType], within: str) -> bool:
    key = f"{within}.{node.path.key}" if within else node.path.key
    kind = types.get(key) or types.get(f"{key}.value") or _type_of(node.value)
    operand = operand_of(kind, node)
    values = [get(v, "value") if isinstance(v, dict) else v for v in _values(resource, node.path)]
    operator = "eq" if node.operator == "ne" else node.operator
    if node.value is None:
        result = not any(map(_is_present, values))
    else:
        result = operand is not None and any(_holds(kind, operator, value, operand) for value in values)
    return result is not (node.operator == "ne")


def operand_of(kind: AttributeType, node: Comparison) -> Operand | None:
    """The literal in the attribute's type; None where it can equal nothing, or is null itself.

    Raises InvalidFilter.
    """
    name = shown(node.path)
    allowed = _EQUALITY if node.value is None else _ALLOWED[kind]
    if node.operator not in allowed:
        what = "null" if node.value is None else f"'{name}', a {kind.value}"
        usable = ", ".join(sorted(allowed))
        raise InvalidFilter(f"The operator {node.operator} does not apply to {what}. Usable: {usable} and pr.")
    operand = _read(kind, node.value)
    if operand is None and node.value is not None and kind in _WANTED:
        raise InvalidFilter(f"'{name}' is a {kind.value} and is compared with {_WANTED[kind]}.")
    if isinstance(operand, str) and _UNSTORABLE.search(operand):
        return None
    return operand


def _holds(kind: AttributeType, operator: str, value: Any, operand: Operand) -> bool:
    if kind is AttributeType.TEXT and isinstance(value, bool):
        value = str(value)  # nothing said that the name is a boolean, and Entra compares it with "True"
    left = _read(kind, value)
    if left is None or left == "":
        return False
    if kind is AttributeType.TEXT:
        left, operand = str(left).lower(), str(operand).lower()
    return _PREDICATES[operator](left, operand)


def _read(kind: AttributeType, value: Any) -> Operand | None:
    """A JSON value in the given type, or None when it is none of that type."""
    match kind, value:
        case ((AttributeType.TEXT | AttributeType.EXACT), str()):
            return value
        case AttributeType.BOOLEAN, bool() | str():
            return {"true": True, "false": False}.get(str(value).lower())
        case AttributeType.NUMBER, int() | float() if not isinstance(value, bool):
            return value
        case AttributeType.MOMENT, str():
            return _moment(value)
        case AttributeType.IDENTIFIER, str():
            return parse_uuid(value)
    return None


def _moment(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):  # year 1 or 9999 with an offset leaves the calendar
        return None


def _type_of(value: Literal) -> AttributeType:
    if isinstance(value, bool):
        return AttributeType.BOOLEAN
    return AttributeType.NUMBER if isinstance(value, int | float) else AttributeType.TEXT


def _values(resource: Mapping[str, Any], path: AttributePath) -> list[Any]:
    holder = get(resource, path.extension) if path.extension else resource
    values = _elements(get(holder, path.name))
    if path.sub is None:
        return values
    return [leaf for value in values for leaf in _elements(get(value, path.sub))]


def _elements(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _is_present(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_present, value.values()))
    return any(map(_is_present, value)) if isinstance(value, list) else value not in (None, "")


def get(holder: Any, name: str) -> Any:
    """The value under a name in any letter case, None without one; a plain element is its own `value`."""
    if not isinstance(holder, Mapping):
        return holder if name.lower() == "value" else None
    if name in holder:
        return holder[name]
    return next((value for key, value in holder.items() if key.lower() == name.lower()), None)
