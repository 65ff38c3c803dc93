"""What no address of the product takes, refused before anything else looks at it: bodies above the limit, text that no
column can hold or that is not UTF-8, and forms that cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from workspace import problems

Respond = Callable[[HttpRequest], HttpResponseBase]

# In the WSGI environment of a request whose Content-Type named another character set than UTF-8.
FOREIGN_CHARSET: Final = "cerby.foreign_charset"
FORM_BYTES: Final = 2_621_440
"""What Django allows a form; one that names 20,000 people is less than half of it."""
_FORMS: Final = {"application/x-www-form-urlencoded", "multipart/form-data"}


@dataclass(frozen=True)
class Refusal:
    """A request that is not looked at: the answer's status, a word for programs and a sentence for people."""

    status: int
    code: str
    detail: str


NUL: Final = Refusal(400, "invalid", "The request holds the character U+0000, which cannot be stored.")
NO_LENGTH: Final = Refusal(400, "invalid", "Content-Length is not a number.")
NO_FORM: Final = Refusal(400, "parse_error", "The form cannot be read, holds a file, or has too many fields.")
NOT_UTF_8: Final = Refusal(415, "unsupported_media_type", "Send text in UTF-8; other character sets are not read here.")


def acceptable(get_response: Respond) -> Respond:
    """Middleware, in front of all that reads a request."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        refusal = length(request) or text(request) or form(request)
        return get_response(request) if refusal is None else _answer(request, refusal)

    return respond


def announced(environ: Mapping[str, Any]) -> int | None:
    """The Content-Length of a request; None where there is none. Raises ValueError where it is no number."""
    text: str = environ.get("CONTENT_LENGTH") or ""
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("Content-Length is not a number.")
    return int(text) if text else None


def limit_of(path: str) -> int:
    """The largest body that an address takes, in bytes. Only a provider's token sends much; a form or an API's request
    is read before anybody knows whose it is, so it has to be small."""
    limit: int = settings.SCIM_PAYLOAD_BYTES
    return limit if path.startswith(settings.SCIM_PREFIX) else min(limit, FORM_BYTES)


def length(request: HttpRequest) -> Refusal | None:
    """Of a body that is larger than its address takes, without reading it."""
    limit = limit_of(request.path_info)
    try:
        is_too_large = (announced(request.META) or 0) > limit
    except ValueError:
        return NO_LENGTH
    too_large = Refusal(413, "too_large", f"The body is larger than the {limit} bytes that are read here.")
    return too_large if is_too_large else None


def text(request: HttpRequest) -> Refusal | None:
    """Of U+0000 in path, query or a cookie, and of a character set that is not read."""
    if FOREIGN_CHARSET in request.META:
        return NOT_UTF_8
    query: str = request.META.get("QUERY_STRING", "")
    given = (request.path, query.replace("%00", "\x00"), *request.COOKIES.values())
    return NUL if any("\x00" in each for each in given) else None


def form(request: HttpRequest) -> Refusal | None:
    """Of a form that cannot be read, with a file in it, or with too many fields."""
    if request.method == "POST" and request.content_type in _FORMS:
        try:
            request.POST  # noqa: B018  # it is read here, and kept
        except (SuspiciousOperation, BadRequest, MultiPartParserError, TypeError):  # the last for a part's parameters
            return NO_FORM
    return None


def _answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A problem for programs, a page for people."""
    if request.path.startswith("/api/"):
        body = problems.body(refusal.status, refusal.detail, refusal.code)
        return JsonResponse(body, status=refusal.status, content_type=problems.PROBLEM)
    page = render_to_string("web/_error.html", {"title": "This was not understood", "text": refusal.detail})
    return HttpResponse(page, status=refusal.status)
