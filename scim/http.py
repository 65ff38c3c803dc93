"""SCIM over HTTP: reading a body, writing an answer, translating errors at the edge."""

import json
import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django_scim.exceptions import SCIMException

from scim.errors import InvalidSyntax, InvalidValue, ScimError, Uniqueness
from scim.operations import MAX_VALUE_DEPTH, check_storable
from workspace.errors import CerbyError, Conflict, Invalid, NotFound

CONTENT_TYPE: Final = "application/scim+json"
_DIGITS: Final = 18
_NOT_JSON: Final = {
    "application/xml", "text/xml", "text/html", "multipart/form-data", "application/x-www-form-urlencoded",
}  # fmt: skip


def read_object(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidSyntax with what is wrong, or 415 as `check_content_type` does."""
    check_content_type(request)
    try:
        text = request.body.decode("utf-8-sig")
        document = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise InvalidSyntax(f"The body is not UTF-8 (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise InvalidSyntax(f"The body is not JSON: {error.msg} at character {error.pos}.") from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise InvalidSyntax("The body holds a number that is too long.") from error
    except RecursionError as error:
        raise InvalidSyntax("The body is nested too deeply.") from error
    if not isinstance(document, dict):
        raise InvalidSyntax("The body must be a JSON object.")
    if "\\u" in text or text.count("{") + text.count("[") > MAX_VALUE_DEPTH:
        check_storable(document, "The body")  # nothing that cannot be stored is written in another way
    return document


def check_content_type(request: HttpRequest) -> None:
    """Any kind of JSON is read, and what does not say what it is; raises 415 for what says it is something else."""
    if request.method not in {"POST", "PUT", "PATCH"}:
        return
    kind = (request.content_type or "").lower()
    if kind in _NOT_JSON:
        raise ScimError(f"Send {CONTENT_TYPE}, not {kind}.", status=415)
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise ScimError("Send the body as it is: compressed ones are not read here.", status=415)


@dataclass(frozen=True)
class Built:
    """A part of a document that is JSON already, built by the database."""

    json: str


def answer(document: dict[str, Any], *, status: int = 200) -> HttpResponse:
    response = HttpResponse(_json(document), status=status, content_type=CONTENT_TYPE)
    location = document.get("meta", {}).get("location")
    if location:
        response["Location"] = location
    return response


def _json(document: dict[str, Any]) -> str:
    """Built parts are left out, and put into their places afterwards: a place is marked by U+0000, which no text that
    the database keeps can hold."""
    parts: list[str] = []

    def place(part: Any) -> str:
        if not isinstance(part, Built):
            raise TypeError(f"{type(part).__name__} is not JSON.")
        parts.append(part.json)
        return "\x00"

    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=place)
    if not parts:
        return text
    between = text.split('"\\u0000"')
    return "".join(piece for pair in zip_longest(between, parts, fillvalue="") for piece in pair)


def answer_error(error: ScimError) -> HttpResponse:
    return answer(error.to_dict(), status=error.status)


def translated(error: CerbyError | SCIMException) -> ScimError:
    """One of our errors, or one of django-scim2's, as the SCIM error an administrator reads (RFC 7644, 3.12)."""
    match error:
        case ScimError():
            return error
        case NotFound():
            return ScimError(error.detail, status=404)
        case Conflict():
            return Uniqueness(error.detail)
        case Invalid():
            return InvalidValue(error.detail)
        case CerbyError():
            return ScimError(error.detail, status=403)
    return ScimError(error.detail, status=int(error.status), scim_type=error.scim_type)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises InvalidSyntax for a name that is there twice, in whatever letter case: nobody knows which one counts."""
    if len({name.lower() for name, _ in pairs}) != len(pairs):
        raise InvalidSyntax("The body names an attribute twice in one object.")
    return dict(pairs)


def _int(text: str) -> int:
    if len(text) > _DIGITS:
        raise InvalidSyntax(f"A number has more than {_DIGITS} digits.")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidSyntax("A number is too large.")
    return number


def _no_constant(name: str) -> Any:
    raise InvalidSyntax(f"{name} is not a JSON number.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_int=_int, parse_float=_float
)
