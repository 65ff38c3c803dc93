"""Requests as people declare them: texts with places like {username}, filled so that a value means itself and no more.

A body is taken apart first and filled then, so that a quote, an ampersand or a line break in a password stays one.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urlencode

from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.http_client import OUR_HEADERS, Answer, HttpClient, basic, bearer, checked_url, merged
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
BodyType = Literal["json", "form"]
Authorization = Literal["basic", "bearer", "none"]
Values = Mapping[str, str | Secret]

# What may stand in a URL: those are written into logs on the way and at the target.
IN_URLS: Final = frozenset({"username", "admin_username"})
MAX_TEMPLATE: Final = 4000
FOR_SECRETS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"})

_PLACE: Final = re.compile(r"\{([A-Za-z_]+)\}")
_BEFORE_PATH: Final = re.compile(r"(?:[^/?]*//)?[^/?]*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token, RFC 9110


@dataclass(frozen=True)
class Request:
    """A declared request. `body` is empty for none."""

    method: str
    url: str
    authorization: Authorization
    headers: str
    body_type: BodyType
    body: str

    @property
    def places(self) -> frozenset[str]:
        """The names of all places in it."""
        return places(self.url) | places(self.headers) | places(self.body)

    def send(self, client: HttpClient, *, login: Login | None, values: Values) -> Answer:
        """Fill the places and send. `login` is who asks, where the request is authorized. Raises TargetError."""
        headers = {"Accept": "application/json", **_authorization(self.authorization, login)}
        body = None
        if self.body:
            body = fill_body(self.body_type, self.body, values)
            headers["Content-Type"] = CONTENT_TYPES[self.body_type]
        declared = merged(headers, fill_headers(self.headers, values))
        return client.send(self.method, fill_url(self.url, values), headers=declared, body=body)


CONTENT_TYPES: Final[Mapping[str, str]] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


def places(template: str) -> frozenset[str]:
    return frozenset(_PLACE.findall(template))


def check_url(template: str) -> str:
    """Raises ValueError for a URL that no request can go to, or with a place outside its path and query."""
    if wrong := places(template) - IN_URLS:
        raise ValueError(f"{_names(wrong)} cannot stand in a URL; only {_names(IN_URLS)} can")
    if places(_BEFORE_PATH.match(template)[0]):  # type: ignore[index]  # it matches the empty string as well
        raise ValueError("the scheme and the host of a URL must be written out")
    checked_url(_PLACE.sub("x", template))
    return template


def check_headers(template: str) -> str:
    """Raises ValueError for a line that is no header, one that is not theirs to say, or one with a secret of its own:
    settings are stored in the clear, and shown.
    """
    names = set()
    for name, value in _header_lines(template):
        if name.lower() in OUR_HEADERS:
            raise ValueError(f"{name} is set by the request itself and cannot be declared")
        if name.lower() in FOR_SECRETS and not places(value):
            raise ValueError(
                f"{name} must not hold a secret of its own. Store it as the admin account's password, and write"
                f" “{name}: {{admin_password}}”"
            )
        names.add(name.lower())
    if len(names) < len(_header_lines(template)):
        raise ValueError("a header can be declared once")
    return template


def check_body(kind: BodyType, template: str) -> str:
    """Raises ValueError for a body that is not of its kind."""
    if template:
        fill_body(kind, template, dict.fromkeys(places(template), "x"))
    return template


def fill_url(template: str, values: Values) -> str:
    """Each value percent-encoded as a whole. Raises TargetError PERMISSION for one that would mean another path."""

    def encoded(text: str) -> str:
        if text in {".", ".."}:
            raise TargetError(FailureKind.PERMISSION, f"The name {text} cannot stand in a URL.")
        return quote(text, safe="")

    return _fill(template, values, encoded)


def fill_headers(template: str, values: Values) -> dict[str, str]:
    """Raises TargetError PERMISSION for a value that cannot stand in a header."""

    def plain(text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise TargetError(FailureKind.PERMISSION, "A value for a header has characters that cannot stand in one.")
        return text

    return {name: _fill(value, values, plain).strip() for name, value in _header_lines(template)}


def fill_body(kind: BodyType, template: str, values: Values) -> bytes:
    """Raises ValueError for a template that is not of its kind."""
    if kind == "form":
        pairs = parse_qsl(template, keep_blank_values=True, strict_parsing=True)
        return urlencode([(name, _fill(value, values, str)) for name, value in pairs]).encode()
    try:
        document = json.loads(template)
    except (ValueError, RecursionError):
        raise ValueError('must be JSON, with places in quotes, such as {"password": "{new}"}') from None
    return json.dumps(_fill_document(document, values), ensure_ascii=False).encode()


def _fill_document(document: Any, values: Values) -> Any:
    if isinstance(document, str):
        return _fill(document, values, str)
    if isinstance(document, dict):
        return {name: _fill_document(value, values) for name, value in document.items()}
    return [_fill_document(value, values) for value in document] if isinstance(document, list) else document


def _fill(template: str, values: Values, spell: Callable[[str], str]) -> str:
    """Raises TargetError AUTHENTICATION for a place whose value is not known now."""

    def value(place: re.Match[str]) -> str:
        found = values.get(place[1])
        if found is None:
            raise TargetError(FailureKind.AUTHENTICATION, f"The request needs {{{place[1]}}}, which is not known.")
        return spell(text_of(found) if isinstance(found, Secret) else found)

    return _PLACE.sub(value, template)


def _header_lines(template: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(str.strip, template.splitlines()):
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name.strip()) or not (value.isascii() and value.isprintable()):
            raise ValueError(f"“{line.strip()[:60]}” is no header; a line is such as “X-Client: cerby”")
        found.append((name.strip(), value.strip()))
    return found


def _authorization(kind: Authorization, login: Login | None) -> dict[str, str]:
    if kind == "none":
        return {}
    if login is None:
        raise TargetError(FailureKind.AUTHENTICATION, "The password that the request is authorized by is not known.")
    return {"Authorization": basic(login) if kind == "basic" else bearer(login.password)}


def _names(found: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(found))
