"""The address that a request came from: one reading of it for sign-ins, sessions and tokens, whatever proxies write."""

from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory

from workspace import clients, throttle


def asked(forwarded: str | None, remote: str = "192.0.2.1") -> HttpRequest:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)


@pytest.mark.parametrize(
    ("element", "address"),
    [
        ("203.0.113.7", "203.0.113.7"), ("203.0.113.7:4711", "203.0.113.7"), (" 203.0.113.7 ", "203.0.113.7"),
        ('"203.0.113.7:4711"', "203.0.113.7"), ("203.0.113.7:_port", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"), ("2001:DB8:0:0::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"), ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"), ("[fe80::1%25eth0]:80", "fe80::1"), ("::1", "::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"), ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("unknown", None), ("_hidden", None), ("_hidden:_port", None), ("", None), (" ", None), ("unix:", None),
        ("203.0.113", None), ("203.0.113.7.", None), ("0203.0.113.7", None), ("[2001:db8::1", "2001:db8::1"),
        ("[]", None), ("[", None), ('"', None), (":", None), (":80", None), ("x" * 9000, None), ("\xff", None),
        ("203.0.113.7 198.51.100.1", None), ("for=203.0.113.7", None), ("٢٠٣.0.113.7", None), ("\x00", None),
    ],
)  # fmt: skip
def test_an_element_is_an_address_or_nothing(settings: Any, element: str, address: str | None) -> None:
    settings.TRUSTED_PROXIES = 1
    assert clients.address(asked(f"198.51.100.1, {element}")) == address
    settings.TRUSTED_PROXIES = 0
    assert clients.address(asked(None, element)) == address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"), (0, "1.1.1.1", "192.0.2.1"), (1, None, "192.0.2.1"), (1, "", "192.0.2.1"),
        (1, "1.1.1.1", "1.1.1.1"), (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"), (1, "6.6.6.6,1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"), (2, "unknown, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (1, ",, ,1.1.1.1", "1.1.1.1"),
    ],
)  # fmt: skip
def test_the_outermost_trusted_proxy_is_believed(
    settings: Any, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert clients.address(asked(forwarded)) == address


@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [(2, "6.6.6.6"), (1, "6.6.6.6,"), (2, "6.6.6.6, unknown, 2.2.2.2"), (2, "6.6.6.6, , 2.2.2.2"), (4, "6.6.6.6, ,")],
)
def test_nobody_gives_themselves_an_address(settings: Any, proxies: int, forwarded: str) -> None:
    """Neither past a proxy, nor where one of them does not know: an empty element is one, or the others would move."""
    settings.TRUSTED_PROXIES = proxies
    assert clients.address(asked(forwarded)) != "6.6.6.6"


def test_whoever_comes_through_a_unix_socket_has_none() -> None:
    assert clients.address(asked(None, "")) is None
    request = asked(None)
    del request.META["REMOTE_ADDR"]
    assert clients.address(request) is None
    assert throttle.where(request) == "unknown"


@pytest.mark.django_db
@pytest.mark.parametrize("element", ["fe80::1%eth0", "::ffff:1.2.3.4", "[2001:db8::1]:80", "1.2.3.4:5", "unknown", ""])
def test_a_column_takes_whatever_is_found(settings: Any, element: str) -> None:
    settings.TRUSTED_PROXIES = 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::inet", [clients.address(asked(element))])
