"""Reads more than is taken for a message: long numbers, a name twice, any depth, bytes that are no UTF-8, NaN, and
control characters as they stand in a text. What is JSON but for these is still JSON here.

What this returns is never stored and never acted on as it stands: `scim.leavers` looks into it.
"""

import json
import math
import re
from typing import Any, Final

UNCLEAR: Final = object()
"""Stands for a value that is given twice in one object, and not the same both times."""
_DEPTH: Final = 100
_DIGITS: Final = 18
# A string that is never closed is read to the end, once; the decoder refuses it.
_MARKS: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read(body: bytes) -> Any:
    """Raises ValueError for what is no JSON. Objects and lists nested deeper than 100 levels are None, numbers too long
    to be kept are infinite, and letter case makes no two names out of one."""
    return _DECODER.decode(_shallow(body.decode("utf-8-sig", errors="replace")))


def _shallow(text: str) -> str:
    """The text with null for each object or list below the depth that is read, which are JSON all the same.

    `open_at` are the places where those being cut out begin; `kept` holds for each what was read of it so far.
    """
    kept: list[list[str]] = [[]]
    depth, done = 0, 0
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark in "[{":
            if depth and depth % _DEPTH == 0:
                kept[-1].append(text[done : found.start()])
                kept.append([])
                done = found.start()
            depth += 1
        elif mark in "]}":
            depth -= 1
            if depth > 0 and depth % _DEPTH == 0:
                _DECODER.decode("".join([*kept.pop(), text[done : found.end()]]))
                kept[-1].append("null")
                done = found.end()
    if depth:
        raise ValueError("A bracket has no counterpart.")
    return "".join([*kept[0], text[done:]])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    for name, value in pairs:
        first = spellings.setdefault(name.lower(), name)
        found[first] = value if first not in found or _is_same(found[first], value) else UNCLEAR
    return found


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _int(text: str) -> float:
    return int(text) if len(text) <= _DIGITS else math.inf


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=lambda _: None, parse_int=_int, strict=False
)
