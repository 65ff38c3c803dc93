"""Who leaves by operations of a Bulk that are not done, read as far as each can be: only access ends by them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django_scim.exceptions import SCIMException

from scim import leavers, writes
from scim.errors import ScimError
from scim.filters import get
from scim.kinds import USERS
from scim.leavers import SENTENCE, AccessEnded
from scim.messages import Message
from workspace.errors import CerbyError
from workspace.identifiers import parse_uuid

# Also below the base URL, with the host before it, or with a query after it.
_PERSON: Final = re.compile(r"(?:^|/)users/([^/?]+)/?(?:\?.*)?$", re.IGNORECASE | re.DOTALL)
_METHODS: Final = {"PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class _Word:
    """What an operation says of a person: `data` is any JSON, `version` the one that it was sent with."""

    method: str
    person: UUID
    data: Any
    version: str


def refused(request: HttpRequest, body: Any, refusal: ScimError) -> ScimError:
    """The refusal of a whole request, once the access of everybody has ended who leaves by an operation of it."""
    ended = sum(_ends_access(request, word, refusal) for word in _last_words(_operations(body)))
    if not ended:
        return refusal
    return AccessEnded(refusal, SENTENCE if ended == 1 else f"The access of {ended} people has ended.")


def _operations(body: Any) -> list[Any]:
    """Those of a request, also without its envelope or in no list. More than are done in one request are not read."""
    given = list(leavers.flat(get(body, "Operations") if isinstance(body, dict) else body))
    return given if len(given) <= settings.SCIM_BULK_OPERATIONS else []


def _last_words(operations: Iterable[Any]) -> list[_Word]:
    """For each person the last operation that says whether they leave."""
    words = (_word(raw) for raw in operations)
    said = [word for word in words if word and (word.method == "DELETE" or leavers.mentions_it(word.data))]
    return list({word.person: word for word in said}.values())


def _word(raw: Any) -> _Word | None:
    """None for what is no change of a person. A version that is no string is no version of anybody."""
    method, path, version = (get(raw, name) for name in ("method", "path", "version"))
    if not isinstance(method, str) or not isinstance(path, str) or not isinstance(version, str | None):
        return None
    found = _PERSON.search(path.strip())
    person = parse_uuid(found[1]) if found else None
    method = method.strip().upper()
    if person is None or method not in _METHODS:
        return None
    return _Word(method, person, get(raw, "data"), version or "")


def _ends_access(request: HttpRequest, word: _Word, refusal: ScimError) -> bool:
    """Whether access ended by an operation of which nothing else is done."""
    leaving = Message({"active": False} if word.method == "DELETE" else word.data, refusal)
    write = writes.replace if word.method == "PUT" else writes.modify
    try:
        write(USERS, request, str(word.person), leaving, if_match=word.version)
    except (CerbyError, SCIMException) as error:
        return isinstance(error, AccessEnded)
    return False
