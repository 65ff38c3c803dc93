"""PATCH applied to a plain SCIM resource (RFC 7644 section 3.5.2). Members of groups: `scim.members`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from scim.elements import (
    append,
    as_list,
    keep_one_primary,
    matching,
    merge,
    remove_values,
    spelling,
    store,
    without,
)
from scim.errors import InvalidPath, InvalidValue, Mutability, NoTarget, TooMany, shown
from scim.filters import AttributeType, get
from scim.grammar import And, AttributePath, Comparison, Node, parse_path
from scim.members import Add, GroupChanges, Remove, Replace, member_changes
from scim.operations import Operation, parse_operations

__all__ = ["Add", "GroupChanges", "Remove", "Replace", "Schema", "apply", "member_changes"]

JsonObject = dict[str, Any]

MAX_OPERATIONS = 200
_UNASSIGNED: tuple[Any, ...] = (None, "", [], {})

_COMMON = frozenset({"id", "externalId", "schemas", "meta"})
# Okta sends the id inside a value without a path, and clients send back the resource they read.
_IGNORED_IN_A_VALUE = frozenset({"id", "schemas", "meta"})
_CORE_PREFIX = "urn:ietf:params:scim:schemas:core:"


@dataclass(frozen=True, slots=True)
class Schema:
    """What apply must know of a resource type. Letter case is of no account; the spelling is what is stored.

    `attributes` are the top-level names; `multi_valued` and `complex` (single-valued with sub-attributes) say
    what some of them are; `required` ones keep a value; `booleans` and `read_only` may be dotted
    ("emails.primary"); `extensions` are URNs, whose attributes, where they must be listed, are
    "urn:…:2.0:User:name". id, externalId, schemas and meta need not be named: id and meta are read-only,
    schemas is multi-valued.
    """

    urn: str
    attributes: frozenset[str]
    multi_valued: frozenset[str] = frozenset()
    complex: frozenset[str] = frozenset()
    booleans: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()


def apply(resource: JsonObject, operations: Any, schema: Schema) -> JsonObject:
    """The resource after all operations, as a new dict; `resource` and `operations` stay as they are.

    All or nothing: raises InvalidSyntax, InvalidPath, InvalidFilter, InvalidValue, NoTarget or Mutability.
    Removing what is not there is no error, so that a repeated request succeeds. Attributes left without a
    value are absent from the result. Read-only members of a path-less value are ignored; a path to one is an
    error. A group's `members` must have been parted off by `member_changes`.
    """
    parsed = parse_operations(operations)
    if len(parsed) > MAX_OPERATIONS:
        raise TooMany(f"At most {MAX_OPERATIONS} operations beside those on members are done in one PATCH.")
    patch = _Patch(_copied(resource), schema)
    for operation in parsed:
        patch.run(operation)
    patch.check_required(resource)
    return patch.resource


def _copied(value: Any) -> Any:
    """A copy of JSON; `deepcopy` looks for more than that, and takes ten times as long."""
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


@cache
def _spellings(names: frozenset[str]) -> Mapping[str, str]:
    return {name.lower(): name for name in names}


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an operation aims: a core attribute (`urn` None) or one of an extension; no name: all of it."""

    urn: str | None
    name: str | None
    sub: str | None = None
    filter: Node | None = None

    @property
    def key(self) -> str:
        return ":".join(part for part in (self.urn, self.name) if part).lower()

    def __str__(self) -> str:
        return shown(AttributePath(self.name, self.sub, self.urn) if self.name else self.urn)


class _Patch:
    """One resource while its operations run."""

    def __init__(self, resource: JsonObject, schema: Schema) -> None:
        self.resource = resource
        self.schema = schema
        self.multi_valued = _spellings(schema.multi_valued | {"schemas"})
        self.complex = _spellings(schema.complex | {"meta"})
        self.booleans = _spellings(schema.booleans)
        self.read_only = _spellings(schema.read_only | {"id", "meta"})
        self.types = dict.fromkeys(self.booleans, AttributeType.BOOLEAN)

    def run(self, operation: Operation) -> None:
        path = operation.path
        if path is not None and path.lower() != self.schema.urn.lower():
            self._at(operation.op, path, operation.value)
        elif operation.op == "remove":
            raise NoTarget("A remove operation needs a 'path' that says what to remove.")
        elif not isinstance(operation.value, dict):
            raise InvalidValue(f"A {operation.op} without a 'path' needs an object of attributes as its 'value'.")
        else:
            self._merge(operation.op, operation.value)

    def check_required(self, before: JsonObject) -> None:
        """A required attribute that becomes unassigned is an error of mutability (RFC 7644 section 3.5.2.2)."""
        for name in sorted(self.schema.required):
            if get(before, name) not in _UNASSIGNED and get(self.resource, name) in _UNASSIGNED:
                raise Mutability(f"'{name}' is required and cannot be removed.")

    def _merge(self, op: str, value: JsonObject) -> None:
        """A value without a path: its keys are paths: plain, dotted, filtered, under a URN."""
        for key, part in value.items():
            if key.lower() == self.schema.urn.lower() and isinstance(part, dict):
                self._merge(op, part)
            elif not self._is_ignored(key):
                self._at(op, key, part)

    def _is_ignored(self, key: str) -> bool:
        prefix = f"{self.schema.urn}:".lower()
        plain = key.lower().removeprefix(prefix)
        return re.split(r"[.\[]", plain)[0] in _IGNORED_IN_A_VALUE | self.read_only.keys()

    def _at(self, op: str, path: str, value: Any) -> None:
        target = self._resolve(path, value)
        if {target.key, f"{target.key}.{target.sub}".lower()} & self.read_only.keys():
            raise Mutability(f"'{target}' is read-only and cannot be changed by a client.")
        if op == "remove":
            self._remove(target, value)
        elif target.name is not None:
            self._write(op, target, value)
        else:
            self._write_extension(op, target, value)

    # Which attribute is meant

    def _resolve(self, path: str, value: Any) -> _Target:
        whole = self._extension(path, value)
        if whole is not None:
            return _Target(whole, None)
        parsed = parse_path(path)
        attribute = parsed.attribute
        if attribute.urn is None or attribute.urn.lower() == self.schema.urn.lower():
            return _Target(None, self._core_name(attribute), attribute.sub, parsed.filter)
        if attribute.urn.lower().startswith(_CORE_PREFIX):
            raise InvalidPath(f"'{shown(attribute)}' belongs to another resource type than {self.schema.urn}.")
        return _Target(self._spelled(attribute.urn), attribute.name, attribute.sub, parsed.filter)

    def _core_name(self, attribute: AttributePath) -> str:
        known = _spellings(self.schema.attributes | _COMMON)
        if attribute.name.lower() not in known:
            raise InvalidPath(f"There is no attribute '{shown(attribute)}' in {self.schema.urn}.")
        return known[attribute.name.lower()]

    def _extension(self, path: str, value: Any) -> str | None:
        """The URN when the path is that of a whole extension, else None.

        `urn:a:2.0:User` may be an extension, or the attribute User of `urn:a:2.0`. Known URNs decide; under
        an unknown one, an object is an extension (Okta's end in …:1.0:user:custom) and kept as sent.
        """
        if not path.lower().startswith("urn:") or "[" in path:
            return None
        if self._is_extension(path):
            return self._spelled(path)
        before = path.rpartition(":")[0]
        owned = self._is_extension(before) or before.lower().startswith(_CORE_PREFIX)
        if isinstance(value, dict) and not owned:
            return path
        return None

    def _is_extension(self, urn: str) -> bool:
        return urn.lower() in _spellings(self.schema.extensions) or spelling(self.resource, urn) is not None

    def _spelled(self, urn: str) -> str:
        return _spellings(self.schema.extensions).get(urn.lower(), urn)

    # Add and replace

    def _write_extension(self, op: str, target: _Target, value: Any) -> None:
        if value is None:
            self._remove(target, None)
        elif not isinstance(value, dict):
            raise InvalidValue(f"'{target}' is an extension and takes an object of its attributes.")
        else:
            for name, part in value.items():
                self._write(op, _Target(target.urn, name), part)

    def _write(self, op: str, target: _Target, value: Any) -> None:
        assert target.name is not None
        value = self._coerced(f"{target.key}.{target.sub}".lower() if target.sub else target.key, value)
        holder = self._holder(target, create=True)
        key = spelling(holder, target.name) or target.name
        if self._is_multi_valued(target, holder.get(key)):
            store(holder, key, self._elements(op, target, as_list(holder.get(key)), value))
        else:
            store(holder, key, self._single(target, holder.get(key), value))
        self._drop_if_empty(target)

    def _single(self, target: _Target, current: Any, value: Any) -> Any:
        self._check_shape(target, value)
        base = current if isinstance(current, dict) else {}
        if target.sub is not None:
            return merge(base, {target.sub: value})
        if target.urn is not None and target.key in self.complex and not isinstance(value, dict):
            return self._referred(target, value)
        return merge(base, value) if isinstance(value, dict) else value

    def _referred(self, target: _Target, value: Any) -> Any:
        """Entra sends the manager as a bare id, or as a list of one: what is known of the last one goes."""
        given = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(given, str):
            return {"value": given} if given else None
        if given is None or given == [] or isinstance(given, dict):
            return given
        raise InvalidValue(f"'{target}' takes an object.")

    def _check_shape(self, target: _Target, value: Any) -> None:
        """What a single-valued attribute cannot take; an extension's are not known and kept as sent."""
        if target.filter is not None:
            raise InvalidPath(f"'{target}' is not multi-valued, so no filter in brackets applies to it.")
        if target.urn is not None:
            return
        is_complex = target.key in self.complex
        if target.sub is not None and not is_complex:
            raise InvalidPath(f"'{target}' does not exist: the attribute has no sub-attributes.")
        holds_parts = is_complex and target.sub is None
        if value is not None and (isinstance(value, list) or isinstance(value, dict) is not holds_parts):
            raise InvalidValue(f"'{target}' takes {'an object' if holds_parts else 'a single value'}.")

    def _elements(self, op: str, target: _Target, elements: list[Any], value: Any) -> list[Any]:
        if target.filter is None and target.sub is None:
            given = self._checked(target, as_list(value))
            return given if op == "replace" else append(elements, given)
        elements = [each if isinstance(each, dict) else {"value": each} for each in elements]
        chosen = matching(elements, target.filter, self.types, target.key)
        if value is None:
            return without(elements, chosen, target.sub)
        if target.sub is None and not isinstance(value, dict):
            raise InvalidValue(f"'{target}[…]' takes an object, one element of the attribute.")
        if not chosen:
            chosen = [self._created(op, target)]
            elements.append(chosen[0])
        elif target.sub is None and op == "replace":
            for element in chosen:  # the entire element goes, but what the filter says of it still holds
                element.clear()
                element.update(self._equalities(target) or {})
        for element in chosen:
            merge(element, _copied(value) if target.sub is None else {target.sub: value})
        keep_one_primary(elements, chosen)
        return elements

    def _created(self, op: str, target: _Target) -> JsonObject:
        """What a path with no match makes: an element of the filter's `eq` terms, as Entra expects of add."""
        terms = self._equalities(target)
        if terms is None or (target.filter is not None and op == "replace"):
            raise NoTarget(f"No element of '{target}' matches the filter in the path.")
        return terms

    def _equalities(self, target: _Target) -> JsonObject | None:
        """{"type": "work"} out of `type eq "work"`, terms joined by `and`; None when it says more."""
        if target.filter is None:
            return {}
        found: JsonObject = {}
        for term in target.filter.terms if isinstance(target.filter, And) else (target.filter,):
            if not isinstance(term, Comparison) or term.operator != "eq" or term.path.sub or term.path.urn:
                return None
            found[term.path.name] = self._coerced(f"{target.key}.{term.path.key}", term.value)
        return found

    def _checked(self, target: _Target, given: list[Any]) -> list[Any]:
        if target.urn is None and not all(isinstance(each, str | dict) for each in given):
            raise InvalidValue(f"Each element of '{target}' is an object or a string.")
        return given

    def _is_multi_valued(self, target: _Target, current: Any) -> bool:
        if target.key in self.multi_valued or isinstance(current, list):
            return True
        return target.urn is not None and target.filter is not None

    def _coerced(self, key: str, value: Any) -> Any:
        """A copy with booleans in the places for booleans; Entra sends "True" and "False"."""
        if key in self.booleans and value is not None:
            found = {"true": True, "false": False}.get(str(value).lower())
            if found is None or not isinstance(value, bool | str):
                raise InvalidValue(f"'{shown(self.booleans[key])}' takes true or false.")
            return found
        if isinstance(value, dict):
            return {name: self._coerced(f"{key}.{name}".lower(), part) for name, part in value.items()}
        return [self._coerced(key, part) for part in value] if isinstance(value, list) else value

    # Remove

    def _remove(self, target: _Target, value: Any) -> None:
        holder = self._holder(target, create=False)
        key = spelling(holder, target.name) if target.name else None
        current = holder[key] if key else None
        if target.name is None:
            holder.clear()
        elif self._is_multi_valued(target, current):
            store(holder, key or target.name, self._without_elements(target, as_list(current), value))
        else:
            self._check_shape(target, None)
            sub = target.sub if isinstance(current, dict) else None
            store(holder, key or target.name, merge(current, {sub: None}) if sub and current else None)
        self._drop_if_empty(target)

    def _without_elements(self, target: _Target, elements: list[Any], value: Any) -> list[Any]:
        if target.filter is None and target.sub is None:
            return [] if value is None else remove_values(elements, as_list(value))
        return without(elements, matching(elements, target.filter, self.types, target.key), target.sub)

    # Where it is kept

    def _holder(self, target: _Target, *, create: bool) -> JsonObject:
        """The dict that holds the attribute: the resource, or one extension's; without one, a loose one."""
        if target.urn is None:
            return self.resource
        key = spelling(self.resource, target.urn) or target.urn
        found = self.resource.get(key)
        holder: JsonObject = found if isinstance(found, dict) else {}
        if create:
            self.resource[key] = holder
        return holder

    def _drop_if_empty(self, target: _Target) -> None:
        key = spelling(self.resource, target.urn) if target.urn else None
        if key is not None and not self.resource[key]:
            del self.resource[key]
