"""Filters on the elements of multi-valued attributes kept as JSON: `phoneNumbers[type eq "work"]` as SQL.

The same answers as `scim.filters.matches` gives over the document. Names and operands travel as parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, F, Func

from scim.errors import InvalidFilter, shown
from scim.filters import AttributeType, operand_of
from scim.grammar import And, AttributePath, Comparison, Node, Not, Or, Present

Sql = tuple[str, list[Any]]

_PATTERNS: Final[dict[str, Callable[[str], str]]] = {
    "co": lambda text: f"%{_escaped(text)}%",
    "sw": lambda text: f"{_escaped(text)}%",
    "ew": lambda text: f"%{_escaped(text)}",
}
# Implied by `value eq "…"`, and answered by the index `user_emails`, whose expression this is word for word.
_INDEXED: Final = {
    "emails": "lower(({column} -> 'emails')::text)::jsonb @> jsonb_build_array(jsonb_build_object('value', lower(%s)))"
}
_ORDER: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


class AnyElement(Func):
    """Whether any element of `attributes.<name>` meets a filter whose names are those of one element."""

    output_field = BooleanField()

    def __init__(self, name: str, parts: Mapping[str, AttributeType], node: Node) -> None:
        super().__init__(F("attributes"))
        self.name = name
        self.value = _value_asked(node) if name in _INDEXED else None
        self.condition = _Condition(name, {part.lower(): (part, kind) for part, kind in parts.items()}).of(node)

    def as_sql(self, compiler: Any, connection: Any) -> Sql:  # type: ignore[override]  # takes no template
        column, params = compiler.compile(self.source_expressions[0])
        condition, more = self.condition
        elements = f"CASE jsonb_typeof({column}->%s) WHEN 'array' THEN {column}->%s ELSE '[]'::jsonb END"
        sql = f"EXISTS (SELECT FROM jsonb_array_elements({elements}) AS element WHERE {condition})"
        sql_params = [*params, self.name, *params, self.name, *more]
        if self.value is None:
            return sql, sql_params
        return f"({_INDEXED[self.name].format(column=column)} AND {sql})", [*params, self.value, *sql_params]

    @property
    def identity(self) -> Any:
        """What makes two of these equal for Django: the generic one knows nothing of the filter."""
        return (*super().identity, self.name, self.condition[0], tuple(self.condition[1]))


class AnyExtension(AnyElement):
    """Whether any extension's URN among the keys of `attributes` meets a filter on `value`."""

    def __init__(self, node: Node) -> None:
        super().__init__("schemas", {"value": AttributeType.EXACT}, node)

    def as_sql(self, compiler: Any, connection: Any) -> Sql:  # type: ignore[override]  # takes no template
        column, params = compiler.compile(self.source_expressions[0])
        condition, more = self.condition
        urns = f"jsonb_object_keys({column}) AS key WHERE starts_with(key, 'urn:')"
        elements = f"(SELECT jsonb_build_object('value', key) FROM {urns}) AS one (element)"  # noqa: S608  # a column
        return f"EXISTS (SELECT FROM {elements} WHERE {condition})", [*params, *more]


def _value_asked(node: Node) -> str | None:
    """The value that an element must have, where the filter says which."""
    match node:
        case Comparison(AttributePath(key="value"), "eq", str()):
            operand = operand_of(AttributeType.TEXT, node)
            return None if operand is None else str(operand)
        case And(terms):
            return next((value for value in map(_value_asked, terms) if value is not None), None)
    return None


@dataclass(frozen=True)
class _Condition:
    """From a filter to SQL over one `element`; `parts` maps lower-case names to their spelling and type."""

    name: str
    parts: Mapping[str, tuple[str, AttributeType]]

    def of(self, node: Node) -> Sql:
        match node:
            case And(terms):
                return _joined(" AND ", [self.of(term) for term in terms])
            case Or(terms):
                return _joined(" OR ", [self.of(term) for term in terms])
            case Not(term):
                return _negated(self.of(term))
            case Present(path):
                return "coalesce(element->>%s, '') <> ''", [self._part(path)[0]]
            case Comparison(path, "ne", value):
                return _negated(self.of(Comparison(path, "eq", value)))
            case Comparison():
                return self._comparison(node)
        raise InvalidFilter(f"A filter in brackets cannot stand in another one, on '{shown(self.name)}'.")

    def _part(self, path: AttributePath) -> tuple[str, AttributeType]:
        if path.key not in self.parts:
            known = ", ".join(sorted(part for part, _ in self.parts.values()))
            raise InvalidFilter(f"'{shown(self.name)}' has no '{shown(path)}'. Filterable: {known}.")
        return self.parts[path.key]

    def _comparison(self, node: Comparison) -> Sql:
        part, kind = self._part(node.path)
        operand = operand_of(kind, node)
        if node.value is None:
            return "coalesce(element->>%s, '') = ''", [part]
        if operand is None:
            return "false", []
        text = str(operand).lower() if isinstance(operand, bool) else str(operand)
        left, right = ("nullif(element->>%s, '')", "%s")  # an empty string is no value
        if kind is not AttributeType.EXACT:
            left, right = f"lower({left})", f"lower({right})"
        if node.operator == "eq":
            return f"coalesce({left} = {right}, false)", [part, text]
        if node.operator in _PATTERNS:
            return f"coalesce({left} LIKE {right}, false)", [part, _PATTERNS[node.operator](text)]
        return f'coalesce({left} COLLATE "C" {_ORDER[node.operator]} {right} COLLATE "C", false)', [part, text]


def _negated(condition: Sql) -> Sql:
    return f"NOT ({condition[0]})", condition[1]


def _joined(word: str, parts: list[Sql]) -> Sql:
    return word.join(f"({sql})" for sql, _ in parts), [param for _, params in parts for param in params]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
