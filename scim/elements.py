"""Elements of multi-valued attributes and parts of complex ones, changed in place (RFC 7643 section 2.4)."""

from collections.abc import Mapping
from typing import Any

from scim.filters import AttributeType, get, matches
from scim.grammar import Node

JsonObject = dict[str, Any]


def spelling(holder: Mapping[str, Any], name: str) -> str | None:
    """The spelling under which a dict has a name, None when it has it in no letter case."""
    return name if name in holder else next((key for key in holder if key.lower() == name.lower()), None)


def as_list(value: Any) -> list[Any]:
    """The elements of a value: none of null, one of a single value (OneLogin sends `emails` so)."""
    return [] if value is None else value if isinstance(value, list) else [value]


def store(holder: JsonObject, key: str, value: Any) -> None:
    """Set a value; null, [] and {} mean unassigned (RFC 7643 section 2.5) and take the key away."""
    if value is None or value == [] or value == {}:
        holder.pop(key, None)
    else:
        holder[key] = value


def merge(base: JsonObject, parts: Mapping[str, Any]) -> JsonObject:
    """`base` with the sub-attributes named in `parts` set, under base's spelling; those not named stay."""
    for name, part in parts.items():
        key = spelling(base, name) or name
        if isinstance(part, dict) and isinstance(base.get(key), dict):
            merge(base[key], part)
        elif part is None:
            base.pop(key, None)
        else:
            base[key] = part
    return base


def append(elements: list[Any], given: list[Any]) -> list[Any]:
    """`elements` with each given one added, or merged into the one it repeats."""
    for each in given:
        found = next((element for element in elements if _is_same(element, each)), None)
        if found is None:
            elements.append(each)
        elif isinstance(found, dict) and isinstance(each, dict):
            merge(found, each)
        keep_one_primary(elements, [each if found is None else found])
    return elements


def remove_values(elements: list[Any], given: list[Any]) -> list[Any]:
    """What is left when the given values go (Entra: a list of values on remove)."""
    return [element for element in elements if not any(_is_same(element, each) for each in given)]


def matching(elements: list[Any], condition: Node | None, types: Mapping[str, AttributeType], within: str) -> list[Any]:
    """The elements that meet the filter of a path, all when there is none."""
    return [e for e in elements if condition is None or matches(condition, _as_object(e), types, within=within)]


def without(elements: list[Any], chosen: list[Any], sub: str | None) -> list[Any]:
    """`elements` without the chosen ones, or without one sub-attribute of these.

    An element that loses its `value`, or all it had, goes: a work address without an address is none.
    """
    gone = {id(element) for element in chosen}
    if sub is None:
        return [element for element in elements if id(element) not in gone]
    for element in chosen:
        if isinstance(element, dict):
            merge(element, {sub: None})
    return [e for e in elements if id(e) not in gone or (e != {} and sub.lower() != "value")]


def keep_one_primary(elements: list[Any], chosen: list[Any]) -> None:
    """A chosen element that is primary takes that from the others: once at most (RFC 7643 section 2.4)."""
    for winner in chosen:
        if not isinstance(winner, dict) or get(winner, "primary") is not True:
            continue
        for element in elements:
            key = spelling(element, "primary") if isinstance(element, dict) else None
            if element is not winner and key is not None and element[key] is True:
                element[key] = False


def _as_object(element: Any) -> JsonObject:
    return element if isinstance(element, dict) else {"value": element}


def _is_same(one: Any, other: Any) -> bool:
    """Whether two elements are one: the same value, and no different type; without values, equal in all."""
    mine, theirs = _as_object(one), _as_object(other)
    if get(mine, "value") is None or get(theirs, "value") is None:
        return bool(one == other)
    kinds = {str(kind).lower() for kind in (get(mine, "type"), get(theirs, "type")) if kind is not None}
    return get(mine, "value") == get(theirs, "value") and len(kinds) < 2
