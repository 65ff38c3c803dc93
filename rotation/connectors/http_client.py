"""The one HTTP client of connectors: each request on a connection of its own, to an address that was judged.

The name is resolved once, the address pinned, and the name kept for `Host`, SNI and the certificate. No redirect is
followed, no proxy of the environment used, no cookie kept, nothing sent twice. An answer ends in time and has a
limited size, however slowly or richly the server speaks.
"""

import base64
import html
import json
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlsplit

import httpcore

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.secrecy import clean, text_of
from workspace.crypto import Secret

MAX_WAIT_SECONDS: Final = 24 * 3600.0
SCHEMES: Final = ("https", "http")
NOT_IN_URLS: Final = frozenset(" \\#{}")
# The request's framing and its way are ours alone to say.
OUR_HEADERS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"}
)
BODILESS: Final = frozenset({"GET", "DELETE"})
TRY_LATER: Final = frozenset({408, 425, 429})
NEVER_LATER: Final = frozenset({501, 505})
_CREDENTIALS: Final = re.compile(r"\b(basic|bearer)\s+[^\s\"',;]+", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a server said. `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises TargetError UNREACHABLE for one that is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise TargetError(FailureKind.UNREACHABLE, f"The answer ({self.status}) is not JSON.") from None

    @property
    def retry_after(self) -> float | None:
        """Seconds until another attempt is welcome (RFC 9110, 10.2.3), at most a day."""
        words = self.headers.get("retry-after", "").strip()
        if words.isascii() and words.isdigit():
            return min(float(words[:9]), MAX_WAIT_SECONDS)
        try:
            at = parsedate_to_datetime(words)
        except ValueError:
            return None
        seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
        return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


class HttpClient:
    """Sends requests until the `deadline`. A name is resolved once, also where several requests go to it."""

    def __init__(self, deadline: dial.Deadline) -> None:
        self._network = _PinnedNetwork(deadline)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, read: bool = True
    ) -> Answer:
        """The server's answer, whatever its status; without its body where `read` is false.

        `url` was checked by `checked_url`. Raises TargetError: UNREACHABLE for no answer, PERMISSION for an address
        that is forbidden. Its words are never the other side's.
        """
        parts = urlsplit(url)
        sent = merged({"User-Agent": "cerby", "Accept-Encoding": "identity"}, headers)
        sent = {"Host": parts.netloc, **sent, "Connection": "close"}
        if body is not None or method not in BODILESS:
            sent["Content-Length"] = str(len(body or b""))
        lines = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        request = httpcore.Request(method, url, headers=lines, content=body)
        try:
            return self._exchange(request, read=read)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            detail = f"{parts.hostname} could not be asked: {_words(error)}"
        raise TargetError(FailureKind.UNREACHABLE, detail)

    def _exchange(self, request: httpcore.Request, *, read: bool) -> Answer:
        with httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(), network_backend=self._network, max_connections=1, retries=0
        ) as pool:
            response = pool.handle_request(request)
            try:
                body = _limited(response.iter_stream()) if read else b""
            finally:
                response.close()
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, headers, body)


def _words(error: Exception) -> str:
    """What went wrong on the way. What the other side said may be anybody's: a service that speaks no HTTP, say."""
    if isinstance(error, httpcore.TimeoutException):
        return "there was no answer in time."
    if isinstance(error, httpcore.ProtocolError):
        return "the answer broke off or is not HTTP."
    return clean(str(error)) or type(error).__name__


def _limited(chunks: Iterable[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > dial.MAX_ANSWER_BYTES:
            raise TargetError(FailureKind.UNREACHABLE, f"The answer is longer than {dial.MAX_ANSWER_BYTES} bytes.")
    return bytes(body)


class _PinnedNetwork(httpcore.NetworkBackend):
    """Connects to judged addresses, and to each name's first one only."""

    def __init__(self, deadline: dial.Deadline) -> None:
        self._deadline = deadline
        self._pinned: dict[tuple[str, int], dial.Address] = {}

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        address = self._pinned.get((host, port))
        if address is None:
            address = self._pinned[host, port] = dial.resolve(host, port, deadline=self._deadline)
        stream = httpcore.SyncBackend().connect_tcp(address.ip, address.port, timeout=self._deadline.left())
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    """A connection on which each step has the time that is left, not a fresh allowance."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: dial.Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        encrypted = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _BoundedStream(encrypted, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def merged(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Theirs in the place of ours where both name a header, in whatever case (RFC 9110, 5.1)."""
    named = {name.lower() for name in theirs}
    return {**{name: value for name, value in ours.items() if name.lower() not in named}, **theirs}


def basic(login: Login) -> str:
    """The value of `Authorization` (RFC 7617, UTF-8). Raises TargetError PERMISSION for a name with a colon."""
    if ":" in login.username:
        raise TargetError(FailureKind.PERMISSION, f"{login.username}: a name with a colon cannot log in by HTTP Basic.")
    return "Basic " + base64.b64encode(f"{login.username}:{text_of(login.password)}".encode()).decode()


def bearer(token: Secret) -> str:
    """The value of `Authorization` (RFC 6750). Raises TargetError PERMISSION for what is no token."""
    text = text_of(token)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise TargetError(FailureKind.PERMISSION, "A token with such characters cannot stand in a header.")
    return f"Bearer {text}"


def checked_url(text: str) -> str:
    """The URL, if a request can go to it and nothing in it can be read in two ways. Raises ValueError."""
    if not text.isascii() or not text.isprintable() or set(text) & NOT_IN_URLS:
        raise ValueError("must be a URL of printable ASCII characters, without spaces, backslashes, braces or fragment")
    parts = urlsplit(text)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError("must begin with https:// or http:// and name a host")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    dial.host_name(parts.hostname)
    if parts.port == 0:  # reading it raises ValueError for one that is no port
        raise ValueError("must not name port 0")
    return text


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def address_of(url: str) -> str:
    """Host and port, in one spelling; of what is no URL, the text itself."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or {'https': 443, 'http': 80}[parts.scheme]}"
    except (ValueError, KeyError):
        return url


def refusal(answer: Answer, doing: str, *secrets: str) -> TargetError:
    """What an answer means that is not the one hoped for. `doing` begins the sentence: "The change of app"."""
    if answer.status in TRY_LATER or (answer.status >= 500 and answer.status not in NEVER_LATER):
        kind = FailureKind.UNREACHABLE
    else:
        kind = FailureKind.AUTHENTICATION if answer.status == 401 else FailureKind.PERMISSION
    words = said(answer, *secrets)
    if 300 <= answer.status < 400:
        words = "it leads elsewhere, and redirects are not followed. Enter the address that is meant."
    detail = f"{doing} was answered with {answer.status}{f': {words}' if words else '.'}"
    return TargetError(kind, detail, retry_after=answer.retry_after)


def said(answer: Answer, *secrets: str) -> str:
    """The answer's own words for a person, without what it may have repeated of the request."""
    try:
        words = "; ".join(_texts(json.loads(answer.body)))
    except (ValueError, RecursionError):
        words = "" if "html" in answer.headers.get("content-type", "") else html.unescape(answer.text)
    return clean(_CREDENTIALS.sub(r"\1 ***", words), *spellings(*secrets))


def spellings(*secrets: str) -> tuple[str, ...]:
    """Each secret as it may come back: as it is, in JSON, in a URL, in HTML, in Base64."""
    found = []
    for secret in filter(None, secrets):
        found += [secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
        found += [quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret), repr(secret)[1:-1]]
        found.append(base64.b64encode(secret.encode()).decode())
    return tuple(dict.fromkeys(found))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a JSON document, in order, the names of its members apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
