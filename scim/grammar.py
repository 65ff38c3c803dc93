"""SCIM attribute paths, filters and PATCH paths: text to syntax tree (RFC 7644 3.4.2.2, 3.5.2, 3.10).

A recursive-descent parser. `not` binds tighter than `and`, `and` tighter than `or`; names, operators and the
words true, false and null stand in any letter case. Length and depth are bounded: no text exhausts the stack.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from scim.errors import InvalidFilter, InvalidPath, ScimError, shown

MAX_LENGTH = 8192
MAX_DEPTH = 50
MAX_NUMBER_LENGTH = 64
OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
# Names under these URNs are the plain core names: urn:…:core:2.0:User:userName is userName.
CORE_URNS = frozenset(f"urn:ietf:params:scim:schemas:core:2.0:{resource}" for resource in ("user", "group"))

_NAME = r"(?:\$ref|[A-Za-z][A-Za-z0-9_-]*)"
_PATH = re.compile(
    rf"(?:(?P<urn>[Uu][Rr][Nn]:[A-Za-z0-9._~%+=@;$!*'/?#:-]+):)?(?P<name>{_NAME})(?:\.(?P<sub>{_NAME}))?"
)
_SUB = re.compile(rf"\.({_NAME})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?P<real>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)")
_TOKEN = re.compile(r"""\s*(?:(?P<mark>[()\[\]])|(?P<string>"(?:[^"\\]|\\.)*")|(?P<bare>[^\s()\[\]"]+))""", re.DOTALL)
_WORDS = {"true": True, "false": False, "null": None}

Literal = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class AttributePath:
    """`[urn:]name[.sub]`, spelled as sent."""

    name: str
    sub: str | None = None
    urn: str | None = None

    @property
    def key(self) -> str:
        """Lower-case dotted name, "name.givenname"; names outside the core schemas keep their URN."""
        plain = f"{self.name}.{self.sub}" if self.sub else self.name
        return (f"{self.extension}:{plain}" if self.extension else plain).lower()

    @property
    def extension(self) -> str | None:
        """The URN, unless it is that of a core schema, whose names are the plain ones."""
        return None if self.urn is None or self.urn.lower() in CORE_URNS else self.urn

    def __str__(self) -> str:
        plain = f"{self.name}.{self.sub}" if self.sub else self.name
        return f"{self.urn}:{plain}" if self.urn else plain


@dataclass(frozen=True, slots=True)
class Comparison:
    """`path operator value`, the operator one of OPERATORS in lower case."""

    path: AttributePath
    operator: str
    value: Literal


@dataclass(frozen=True, slots=True)
class Present:
    """`path pr`"""

    path: AttributePath


@dataclass(frozen=True, slots=True)
class And:
    """All terms, two or more."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any term of two or more."""

    terms: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`not (term)`"""

    term: "Node"


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`path[filter]`: one and the same element of a multi-valued attribute meets the whole filter."""

    path: AttributePath
    filter: "Node"


Node = Comparison | Present | And | Or | Not | ValuePath


@dataclass(frozen=True, slots=True)
class ParsedPath:
    """The target of a PATCH operation: `name`, `name.sub`, `name[filter]` or `name[filter].sub`.

    The sub-attribute stands in `attribute.sub` in both forms.
    """

    attribute: AttributePath
    filter: Node | None = None


def parse_filter(text: str) -> Node:
    """The tree of a `filter` query parameter. Raises InvalidFilter (RFC 7644 section 3.4.2.2)."""
    parser = _Parser(text, InvalidFilter)
    node = parser.disjunction()
    parser.end()
    return node


def parse_path(text: str) -> ParsedPath:
    """The target named by a PATCH `path`. Raises InvalidPath; InvalidFilter for what is in brackets."""
    parser = _Parser(text, InvalidPath)
    attribute = parser.attribute()
    node = parser.bracket(attribute) if parser.peek().text == "[" else None
    sub = parser.sub_attribute() if node is not None else None
    parser.end()
    if sub is not None:
        attribute = AttributePath(attribute.name, sub, attribute.urn)
    return ParsedPath(attribute, node)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    """One pass over one text. `error` is raised for faults outside brackets, InvalidFilter inside."""

    def __init__(self, text: str, error: type[ScimError]) -> None:
        self.error = error
        self.inside = False
        self.depth = 0
        self.next = 0
        if len(text) > MAX_LENGTH:
            raise error(f"A filter or path may have at most {MAX_LENGTH:,} characters; this one has {len(text):,}.")
        self.tokens = self._tokens(text)

    def _tokens(self, text: str) -> list[_Token]:
        found: list[_Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at, end)
            if match is None:
                raise self.error(f"A string is opened after character {at} and never closed.")
            kind = match.lastgroup or ""
            found.append(_Token(kind, match[kind], match.start(kind)))
            at = match.end()
        return [*found, _Token("end", "", end)]

    def peek(self, ahead: int = 0) -> _Token:
        return self.tokens[min(self.next + ahead, len(self.tokens) - 1)]

    def take(self) -> _Token:
        token = self.peek()
        self.next += 1
        return token

    def fail(self, token: _Token, wanted: str) -> ScimError:
        found = {"end": "the end", "string": "a string"}.get(token.kind, f"'{shown(token.text)}'")
        error = InvalidFilter if self.inside else self.error
        return error(f"At character {token.at + 1}: expected {wanted}, found {found}.")

    def end(self) -> None:
        if self.peek().kind != "end":
            raise self.fail(self.peek(), "'and', 'or' or the end" if self.error is InvalidFilter else "the end")

    def disjunction(self) -> Node:
        terms = self._joined("or", self._conjunction)
        return terms[0] if len(terms) == 1 else Or(terms)

    def _conjunction(self) -> Node:
        terms = self._joined("and", self._term)
        return terms[0] if len(terms) == 1 else And(terms)

    def _joined(self, word: str, parse: Callable[[], Node]) -> tuple[Node, ...]:
        terms = [parse()]
        while self.peek().text.lower() == word:
            self.take()
            terms.append(parse())
        return tuple(terms)

    def _term(self) -> Node:
        if self.peek().text == "(":
            return self._nested(")")
        if self.peek().text.lower() == "not" and self.peek(1).text == "(":
            self.take()
            return Not(self._nested(")"))
        path = self.attribute()
        return self._value_path(path) if self.peek().text == "[" else self._comparison(path)

    def _nested(self, closing: str) -> Node:
        self.take()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidFilter(f"A filter may be nested at most {MAX_DEPTH} levels deep.")
        node = self.disjunction()
        if self.peek().text != closing:
            raise self.fail(self.peek(), f"'and', 'or' or '{closing}'")
        self.take()
        self.depth -= 1
        return node

    def attribute(self) -> AttributePath:
        token = self.take()
        match = _PATH.fullmatch(token.text) if token.kind == "bare" else None
        if match is None:
            raise self.fail(token, "an attribute name")
        return AttributePath(match["name"], match["sub"], match["urn"])

    def bracket(self, path: AttributePath) -> Node:
        """`[filter]` behind a path; RFC 7644 figure 1 knows no brackets within, no sub-attribute before."""
        if self.inside or path.sub is not None:
            raise self.fail(self.peek(), "no bracket here: it stands behind a top-level multi-valued attribute")
        self.inside = True
        node = self._nested("]")
        self.inside = False
        return node

    def sub_attribute(self) -> str | None:
        token = self.peek()
        if token.kind != "bare" or not token.text.startswith("."):
            return None
        match = _SUB.fullmatch(self.take().text)
        if match is None:
            raise self.fail(token, "a sub-attribute such as '.value'")
        return match[1]

    def _value_path(self, path: AttributePath) -> Node:
        node = self.bracket(path)
        sub = self.sub_attribute()
        if sub is None:
            return ValuePath(path, node)
        # Entra ID, beyond the RFC: emails[type eq "work"].value eq "x"
        return ValuePath(path, And((node, self._comparison(AttributePath(sub)))))

    def _comparison(self, path: AttributePath) -> Node:
        token = self.take()
        operator = token.text.lower()
        if operator == "pr":
            return Present(path)
        if operator not in OPERATORS:
            raise self.fail(token, f"an operator after {shown(path)} ({', '.join(OPERATORS)} or pr)")
        return Comparison(path, operator, self._literal())

    def _literal(self) -> Literal:
        token = self.take()
        if token.kind == "string":
            return self._string(token)
        if token.text.lower() in _WORDS:
            return _WORDS[token.text.lower()]
        match = _NUMBER.fullmatch(token.text)
        if match is None or len(token.text) > MAX_NUMBER_LENGTH:
            raise self.fail(token, "a string in double quotes, a number, true, false or null")
        return self._real(token) if match["real"] else int(token.text)

    def _string(self, token: _Token) -> str:
        try:
            return str(json.loads(token.text))
        except ValueError:
            raise self.fail(token, "a valid JSON string (an escape or a control character in it is wrong)") from None

    def _real(self, token: _Token) -> float:
        number = float(token.text)
        if not math.isfinite(number):
            raise self.fail(token, "a number within range")
        return number
