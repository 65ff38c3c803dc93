"""The body of each request, read before Django as one piece whose length is known, and the character set it is in.

Clients and proxies that stream send none (Transfer-Encoding: chunked, RFC 9112 section 7.1); Django reads as much as
Content-Length says, and takes a request without one for empty. Whatever is wrong with chunks is an error of the web
server's own, which answers 400 and closes the connection. A body that nobody read would be in the way of the next
request on the connection, so that is never left over either, unless it is above the limit.
"""

import codecs
import re
from io import BytesIO
from typing import TYPE_CHECKING, Final

from django.utils.http import parse_header_parameters

from workspace import request_checks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

_CHARSET: Final = re.compile(r'charset\s*=\s*("[^"]*"|[^;\s]*)', re.IGNORECASE)
PIECE: Final = 64 * 1024
CUT_OFF: Final = b"The body ended before the length that its Content-Length says.\n"


def with_length(application: "WSGIApplication") -> "WSGIApplication":
    """Call `application` with a body in memory and its CONTENT_LENGTH.

    Of one that is announced as too large nothing is read, of one that turns out to be so one byte more than the limit:
    `workspace.request_checks` refuses both for their length. One that was cut off is answered here.
    """

    def respond(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        _set_charset_aside(environ)
        length = _length(environ)
        if length is not None:
            body = _read(environ["wsgi.input"], length)
            if len(body) < length and environ.get("CONTENT_LENGTH"):
                start_response("400 Bad Request", [("Content-Type", "text/plain")])
                return [CUT_OFF]
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)  # it was undone
        return application(environ, start_response)

    return respond


def _set_charset_aside(environ: "WSGIEnvironment") -> None:
    """Let Django read the query in UTF-8 whatever a Content-Type says: it would decode it by any codec that Python has,
    before anything could refuse that, and fail with those that decode no text."""
    content_type: str = environ.get("CONTENT_TYPE", "")
    if ";" not in content_type:
        return
    try:
        parameters = parse_header_parameters(content_type)[1]
        name = codecs.lookup(parameters.get("charset", "utf-8")).name
    except LookupError:  # Django ignores such a name
        return
    except (ValueError, TypeError):  # in a parameter that is encoded as RFC 2231 has it, or nearly so
        name = "unknown"
    if name in {"utf-8", "ascii"}:  # by whatever name: of a form, Django takes one
        environ["CONTENT_TYPE"] = _CHARSET.sub("charset=utf-8", content_type)
    else:
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]
        environ[request_checks.FOREIGN_CHARSET] = name


def _length(environ: "WSGIEnvironment") -> int | None:
    """How much to read; None for a body that is not read here."""
    limit = request_checks.limit_of(environ.get("PATH_INFO", ""))
    try:
        announced = request_checks.announced(environ)
    except ValueError:
        return None
    if announced is None:  # the web server knows the end by itself, or there is no body at all
        return limit + 1 if environ.get("wsgi.input_terminated") else None
    return announced if announced <= limit else None


def _read(stream: "InputStream", length: int) -> bytes:
    """So much, or to the end; in pieces, because gunicorn copies what it holds at each read."""
    body = bytearray()
    while piece := stream.read(min(PIECE, length - len(body))):
        body += piece
    return bytes(body)
