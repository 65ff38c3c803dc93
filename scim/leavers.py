"""Whether a request that is refused says clearly, all the same, that the person leaves.

A request that is understood needs none of this: what it asks of `active` is done. One that is refused is looked
through as far as it can be read, since a leaver must not stay for the sake of something else in it. Said clearly is
`false` or the word "false", under any name of `active` that a provider may use; where it is said several times, the
last operation counts. An operation without a verb replaces. null, 0, "maybe", a `remove`, or two answers in one object
are not clear.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from django_scim.exceptions import SCIMException

from scim.definitions import USER_URN
from scim.errors import ScimError
from scim.filters import get
from scim.grammar import parse_path
from scim.http import translated
from scim.operations import VERBS
from workspace.errors import CerbyError

SENTENCE: Final = "The person's access has ended."
_WORDS: Final = {"true": True, "false": False}
# An answer may be wrapped as an element of a list, as an object with a value, or both.
_WRAPPINGS: Final = 3
# The name of the schema before an attribute's, with any mark between the two.
_OF_USER: Final = re.compile(rf"^{re.escape(USER_URN)}[.:/]", re.IGNORECASE)


class AccessEnded(ScimError):
    """Stands in for the refusal of a request by which a person left: the same status and type, and says that first."""

    def __init__(self, refusal: CerbyError | SCIMException, sentence: str = SENTENCE) -> None:
        error = translated(refusal)
        super().__init__(f"{sentence} {error.detail}", status=error.status, scim_type=error.scim_type)


def says_so(body: Any) -> bool:
    """Whether the body of a PUT or a PATCH says that the person leaves: a user, a PatchOp, or less than one of them."""
    return _agreed(_answers(body)) is False


def mentions_it(body: Any) -> bool:
    """Whether it says anything of `active`, clear or not."""
    return bool(_answers(body))


def _answers(body: Any) -> list[bool | None]:
    """Those of the last operation that gives any, or else those of a user's attributes."""
    said: list[bool | None] = []
    for operation in _operations(body):
        said = _in_operation(operation) or said
    return said or _in_attributes(body)


def _operations(body: Any) -> list[Any]:
    """Those of a PatchOp, also without its envelope, or a single one that is no list."""
    found = get(body, "Operations") if isinstance(body, dict) else body
    if found is None and (get(body, "op"), get(body, "path")) != (None, None):
        found = body
    return list(flat(found))


def flat(value: Any) -> Iterator[Any]:
    """What a list holds, and the lists in it; anything else as the only one."""
    if isinstance(value, list):
        for item in value:
            yield from flat(item)
    else:
        yield value


def _in_operation(operation: Any) -> list[bool | None]:
    """What an operation says of `active`: nothing, or an answer for each time that it is named."""
    if not isinstance(operation, dict):
        return []
    op, path, value = (get(operation, name) for name in ("op", "path", "value"))
    verb = "replace" if _word(op) == "" else _word(op)
    if verb not in VERBS or not isinstance(path, str | None):
        return []
    if verb == "remove":
        return [None] if _names_active(path or "") else []
    if _word(path) in ("", USER_URN.lower()):
        return [answer for part in flat(value) for answer in _in_attributes(part)]
    return [_answer(value)] if _names_active(path or "") else []


def _word(value: Any) -> str | None:
    """In lower case without what surrounds it, "" for nothing; None for what is no text."""
    if value is None:
        return ""
    return value.strip().lower() if isinstance(value, str) else None


def _in_attributes(attributes: Any) -> list[bool | None]:
    """The answers under each name of `active`, also in an object under the URN of the core schema."""
    if not isinstance(attributes, dict):
        return []
    core = [part for key, part in attributes.items() if key.lower() == USER_URN.lower() and isinstance(part, dict)]
    return [_answer(value) for part in (attributes, *core) for key, value in part.items() if _names_active(key)]


def _agreed(answers: list[bool | None]) -> bool | None:
    """What they all say; None where they say nothing or differ."""
    return answers[0] if answers and all(answer is answers[0] for answer in answers) else None


def _names_active(path: str) -> bool:
    if "active" not in path.lower():
        return False
    try:
        parsed = parse_path(_OF_USER.sub(f"{USER_URN}:", path.strip().strip("/")))
    except ScimError:
        return False
    urn = parsed.attribute.urn or USER_URN
    return parsed.filter is None and parsed.attribute.key == "active" and urn.lower() == USER_URN.lower()


def _answer(value: Any) -> bool | None:
    for _ in range(_WRAPPINGS):
        value = _sole(value)
        if isinstance(value, dict):
            inner = [part for key, part in value.items() if key.lower() in {"value", "active"}]
            value = _sole(inner)
    if isinstance(value, str):
        return _WORDS.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _sole(value: Any) -> Any:
    """The only element of a list; anything else as it is."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
