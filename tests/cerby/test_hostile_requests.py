"""Requests that no browser and no provider sends, at every address there is: refused or answered, never a 5xx.

The addresses are taken from the resolver: one that is added later is visited, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from tests.companies import PASSWORD, Company
from tests.console_world import ROWS, forged, populate

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1800)]

# As they stand on the request line: what no text of the database holds, what is no UTF-8, what no column is wide enough
# for, and what breaks parsers.
HOSTILE: Final = (
    "%00", "a%00b", "%ED%A0%80", "%FF%FE", "9" * 30, "-1", "9" * 5000, "%D9%A3", "1e400", "%5B", "9999999-99-99",
    "%E2%80%AE%0A%0D",
)  # fmt: skip
TOO_LARGE: Final = ("9" * 30, "%FF")
NAMES: Final = (
    "q", "page", "page_size", "p", "o", "e", "all", "next", "search", "workspace", "session", "person", "account",
    "token", "state", "_popup", "_to_field", "_changelist_filters", "seen", "filter", "startIndex", "count", "sortBy",
    "attributes", "cursor",
)  # fmt: skip
OF_LISTS: Final = ("q", "p", "o", "all", "id__exact", "pk__in", "created_at__gte", "workspace__id__exact", "_to_field")
BODIES: Final = (
    b"[" * 100_000, b'{"label": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    b'{"label": "\\u0000"}', b'{"label": "\\ud800"}',
    b'{"label": "k", "proof": "\\ud800", "answer": "\\udfff"}', b'{"label": "k", "proof": "\\u0000"}',
    b'{"label": 1' + b"0" * 5000 + b"}", b'{"label": NaN}', b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"{", b"",
    b'{"\\ud800": 1}', b'{"label": "k", "proof": ["x"]}', b'{"label": 1e999}',
)  # fmt: skip


@dataclass(frozen=True)
class Address:
    """Of one pattern: `text` has places for its parameters, such as "admin/workspace/user/%(object_id)s/change/"."""

    text: str
    parameters: tuple[str, ...]
    pattern: URLPattern

    def at(self, value: str) -> str:
        """The path with one value in all places."""
        return "/" + self.text % dict.fromkeys(self.parameters, value)

    def of(self, company: Company) -> str:
        """The path of a row of the company's own."""
        return "/" + self.text % {name: quote(str(self._value(name, company))) for name in self.parameters}

    def _value(self, name: str, company: Company) -> object:
        if name == "object_id":
            model = "_".join((self.pattern.name or "").split("_")[:2])
            return ROWS[model](company).pk if model in ROWS else uuid4()
        known: dict[str, object] = {
            "account_id": company.account.pk, "user_id": company.member.pk, "uuid": company.member.pk,
            "endpoint": "Users", "app_label": "workspace",
        }  # fmt: skip
        return known.get(name, uuid4())


def addresses() -> list[Address]:
    return [*_walk(get_resolver().url_patterns, "")]


def _walk(patterns: list[Any], prefix: str) -> Iterator[Address]:
    for each in patterns:
        for text, parameters in normalize(each.pattern.regex.pattern):
            if isinstance(each, URLResolver):
                yield from _walk(each.url_patterns, prefix + text)
            else:
                yield Address(prefix + text, tuple(parameters), each)


@dataclass
class Visitor:
    """Sends requests of one credential and notes what was answered with a 5xx. Each request is undone."""

    client: Client
    failed: list[str]

    def send(self, method: str, path: str, **more: Any) -> int:
        with transaction.atomic():
            try:
                answer = self.client.generic(method, path, **more)
            except Exception as error:
                answer = None
                self.failed.append(f"{method} {path[:150]} {str(more)[:150]}: {error!r}"[:500])
            transaction.set_rollback(True)
        if answer is None:
            return 500
        if answer.status_code >= 500 and answer.status_code != 501:  # which says of /Me that it is not served
            self.failed.append(f"{method} {path[:150]} {str(more)[:150]}: {answer.status_code}")
        return answer.status_code


@pytest.fixture
def visitors(acme: Company) -> list[Visitor]:
    """An Owner in a browser, a provider, a person's program, and a stranger."""
    populate(acme)
    program = Client(headers={"authorization": f"Bearer {acme.api_key}"})
    clients = [acme.browser(), acme.okta(), program, Client()]
    for client in clients:
        client.raise_request_exception = False
    failed: list[str] = []
    return [Visitor(client, failed) for client in clients]


def fitting(address: Address, visitors: list[Visitor]) -> list[Visitor]:
    """Those to whom the address says something of its own, and the stranger."""
    owner, provider, program, stranger = visitors
    if address.text.startswith("scim/"):
        return [provider, stranger]
    return [owner, program, stranger] if address.text.startswith("api/") else [owner, stranger]


def test_in_a_path(acme: Company, visitors: list[Visitor]) -> None:
    for address in addresses():
        for value in HOSTILE if address.parameters else ():
            for visitor in fitting(address, visitors):
                for method in ("GET", "POST"):
                    visitor.send(method, address.at(value))
    assert visitors[0].failed == []


def test_in_a_query(acme: Company, visitors: list[Visitor]) -> None:
    for address in addresses():
        for value in ("%00", "%ED%A0%80", "%5B", "9" * 30):
            query = "&".join(f"{name}={value}" for name in NAMES)
            for visitor in fitting(address, visitors):
                visitor.send("GET", address.of(acme), QUERY_STRING=f"{query}&{value}={value}")
    assert visitors[0].failed == []


def test_in_a_parameter_that_a_list_reads(acme: Company, visitors: list[Visitor]) -> None:
    """One at a time, for the first that cannot be read ends the reading."""
    owner = visitors[0]
    for model, page in admin.site._registry.items():
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        filters = {str(getattr(each, "parameter_name", "q")) for each in page.list_filter}
        for name in sorted({*OF_LISTS, *filters}):
            for value in TOO_LARGE:
                owner.send("GET", path, QUERY_STRING=f"{name}={value}")
    assert owner.failed == []


def test_in_an_autocomplete(acme: Company, visitors: list[Visitor]) -> None:
    asked = "app_label=workspace&model_name=grant&field_name=account"
    for value in HOSTILE:
        for name in ("term", "page", "app_label", "model_name", "field_name"):
            visitors[0].send("GET", "/admin/autocomplete/", QUERY_STRING=f"{asked}&{name}={value}")
    assert visitors[0].failed == []


def test_in_a_form(acme: Company, rival: Company, visitors: list[Visitor]) -> None:
    names = {*forged(acme, rival), "username", "code", "password_again", "current", "proof", "next", "suggested"}
    kind = "application/x-www-form-urlencoded"
    for address in addresses():
        for value in ("a%00b", "9" * 30):
            body = "&".join(f"{name}={value}" for name in names)
            for visitor in fitting(address, visitors):
                visitor.send("POST", address.of(acme), data=body, content_type=kind)
    assert visitors[0].failed == []


def test_in_one_field_of_a_form_that_is_complete_otherwise(
    acme: Company, rival: Company, visitors: list[Visitor]
) -> None:
    complete = {**forged(acme, acme), "proof": PASSWORD}
    pages = [each for each in addresses() if each.text.startswith("admin/") and "/add/" in each.text]
    for address in pages:
        for name in complete:
            visitors[0].send("POST", address.of(acme), **_form({**complete, name: "a\x00b"}))
    assert visitors[0].failed == []


def test_at_the_sign_in_form(acme: Company, visitors: list[Visitor]) -> None:
    for name in ("username", "password", "workspace", "next"):
        for value in ("\x00", "a\x00b", "9" * 5000, "\u202e", "٣"):
            typed = {"username": "owner@acme.example", "password": PASSWORD, "workspace": "", name: value}
            visitors[-1].send("POST", "/login/", **_form(typed))
    assert visitors[-1].failed == []


def test_in_json(acme: Company, visitors: list[Visitor]) -> None:
    for address in addresses():
        for body in BODIES if address.text.startswith(("api/", "scim/")) else ():
            for visitor in fitting(address, visitors):
                for method in ("POST", "PUT", "PATCH"):
                    visitor.send(method, address.of(acme), data=body, content_type="application/json")
    assert visitors[0].failed == []


HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "CONTENT_TYPE": (
        "; charset=", "text/plain; charset=x", "multipart/form-data", "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=x", "a" * 5000,
    ),
    "CONTENT_LENGTH": ("x", "-1", "9" * 30, "9" * 5000, "1e3", "", " 1", "٣"),
    "HTTP_COOKIE": ('{cookie}="aaaaaaaa\\000"', '{cookie}="aaaaaaaa\\303\\050"', "{cookie}=\xff\xfeaaaaaa", "=;;=\x00",
                    '{cookie}="' + "a" * 4000 + '"', 'cerby_device="\\000"', 'messages="\\000"'),
    "HTTP_X_FORWARDED_FOR": ("unknown", "203.0.113.7:4711", "_hidden", "[2001:db8::1]:80", "\xff", ",", "x" * 9000),
    "REMOTE_ADDR": ("", "unix:", "fe80::1%eth0"),
    "HTTP_AUTHORIZATION": ("Bearer \x00", "Bearer \xff\xfe", "Bearer " + "x" * 9000, "Basic \xff", "bearer"),
    "HTTP_USER_AGENT": ("\x00", "\xff\xfe", "x" * 9000),
    "HTTP_ACCEPT": ("\x00", ";q=x", "*/*;q=\xff", "text/html;q=" + "9" * 400, "application/json; indent=" + "9" * 30),
    "HTTP_HOST": ("\x00", "[", "testserver:99999999", "\xff"),
    "HTTP_REFERER": ("http://[", "\x00", "\xff"),
    "HTTP_ORIGIN": ("http://[", "null", "\x00"),
    "HTTP_HX_REQUEST": ("true",),
    "HTTP_HX_CURRENT_URL": ("http://[", "%00", "\xff"),
    "HTTP_IF_MATCH": ("\x00", "\xff", "W/", '"'),
    "HTTP_IF_NONE_MATCH": ("\x00", "\xff", "W/", '"'),
    "HTTP_IF_MODIFIED_SINCE": ("x", "Thu, 99 Jan 99999 99:99:99 GMT"),
    "HTTP_RANGE": ("bytes=x", "bytes=-" + "9" * 30, "bytes=9-1"),
    "HTTP_X_REQUEST_ID": ("\x00", "\xff", "x" * 9000),
    "HTTP_X_FORWARDED_PROTO": ("\x00", "https,http"),
    "HTTP_TRANSFER_ENCODING": ("chunked",),
    "HTTP_EXPECT": ("100-continue",),
}  # fmt: skip
VISITED: Final = (
    "/", "/login/", "/profile/", "/keys/", "/admin/", "/admin/workspace/user/", "/api/v1/me", "/api/v1/keys",
    "/api/v1/accounts", "/scim/v2/Users", "/scim/v2/Nothing", "/static/web/web.css", "/health/live", "/nothing/",
)  # fmt: skip


POSTED: Final = ("/login/", "/api/v1/keys", "/scim/v2/Users")


def test_in_a_header(acme: Company, visitors: list[Visitor], settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    owner, provider, program, stranger = visitors
    for name, values in HEADERS.items():
        for value in values:
            sent = {"QUERY_STRING": "q=%41", name: value.replace("{cookie}", settings.SESSION_COOKIE_NAME)}
            for path in VISITED:
                own = provider if path.startswith("/scim/") else program if path.startswith("/api/") else owner
                for visitor in (own, stranger):
                    for method in ("GET", "POST") if path in POSTED else ("GET",):
                        visitor.send(method, path, **sent)
    assert owner.failed == []


PARTS: Final = (
    b"--x--", b"--x", b"", b"--x\r\n\r\nx", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name*1=x; name*=y\r\n\r\nx\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name*=hex''%41\r\n\r\nx\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name=username\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n--x--",
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="../x"\r\n\r\nx\r\n--x--',
    b"--x\r\nContent-Disposition: form-data; name=username\r\n\r\n\x00\xff\r\n--x--",
    b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--x--",
)  # fmt: skip


def test_in_a_part_of_a_form(acme: Company, visitors: list[Visitor]) -> None:
    for path in ("/login/", "/keys/", "/admin/workspace/team/add/", "/api/v1/keys", "/scim/v2/Users"):
        for body in PARTS:
            for visitor in visitors:
                visitor.send("POST", path, data=body, content_type="multipart/form-data; boundary=x")
    assert visitors[0].failed == []


def _form(fields: dict[str, Any]) -> dict[str, Any]:
    pairs = [(name, each) for name, value in fields.items() for each in (value if isinstance(value, list) else [value])]
    body = "&".join(f"{quote(name)}={quote(str(value))}" for name, value in pairs)
    return {"data": body, "content_type": "application/x-www-form-urlencoded"}
