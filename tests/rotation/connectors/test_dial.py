import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings
from pydantic import TypeAdapter, ValidationError

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, TargetError
from tests.waiting import PATIENCE

FORBIDDEN = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254",
    "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1", "ff02::1", "0.0.0.0", "0.1.2.3", "::",  # noqa: S104  # nothing is bound
    "240.0.0.1", "255.255.255.255", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:100.100.100.200", "::169.254.169.254", "::ffff:0:a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe", "fd00:ec2::23", "fd00:ec2::123", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1",
    "fd00:100::100:200",
]  # fmt: skip
ALLOWED = ["10.1.2.3", "172.16.0.9", "192.168.1.1", "100.64.0.7", "fd12:3456::1", "1.1.1.1", "2606:4700::1111",
           "64:ff9b::a01:203", "::ffff:10.0.0.1"]  # fmt: skip
LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[str]], None]:
    """Teach the resolver a name."""

    def teach(name: str, addresses: list[str]) -> None:
        def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            assert host == name
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return teach


def resolve(host: str, seconds: float = PATIENCE) -> dial.Address:
    return dial.resolve(host, 5432, deadline=dial.Deadline(seconds))


@pytest.mark.parametrize("text", FORBIDDEN)
def test_addresses_of_metadata_services_and_of_nobody_are_forbidden(text: str) -> None:
    assert dial.forbidden(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ALLOWED)
def test_private_and_public_networks_are_where_targets_are(text: str) -> None:
    assert dial.forbidden(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize("text", LOOPBACK)
def test_loopback_is_open_only_where_the_operator_says_so(text: str) -> None:
    with override_settings(ALLOW_LOOPBACK_TARGETS=False):
        assert dial.forbidden(ipaddress.ip_address(text))
    with override_settings(ALLOW_LOOPBACK_TARGETS=True):
        assert dial.forbidden(ipaddress.ip_address(text)) is None


def test_an_address_of_this_machine_is_as_good_as_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands in for the address of a network card."""
    elsewhere = ipaddress.ip_address("192.0.2.7")
    for text, ours in (("127.0.0.1", True), ("192.0.2.7", False), ("10.9.8.7", False), ("fd12::7", False)):
        assert dial._is_ours(ipaddress.ip_address(text)) is ours
    monkeypatch.setattr(dial, "_is_ours", lambda ip: ip == elsewhere)
    with override_settings(ALLOW_LOOPBACK_TARGETS=False):
        assert dial.forbidden(elsewhere) == "this very machine (an address of its own)"
        assert dial.forbidden(ipaddress.ip_address("192.0.2.8")) is None
    with override_settings(ALLOW_LOOPBACK_TARGETS=True):
        assert dial.forbidden(elsewhere) is None


def test_a_refusal_names_the_host_the_address_and_the_reason(names: Callable[[str, list[str]], None]) -> None:
    names("db.example", ["169.254.169.254"])
    with pytest.raises(TargetError, match=r"db\.example leads to 169\.254\.169\.254, a link-local") as refusal:
        resolve("db.example")
    assert refusal.value.kind is FailureKind.PERMISSION


def test_one_forbidden_address_among_many_forbids_the_name(names: Callable[[str, list[str]], None]) -> None:
    names("db.example", ["10.0.0.5", "10.0.0.6", "fe80::1"])
    with pytest.raises(TargetError, match="fe80::1"):
        resolve("db.example")


def test_the_first_address_is_pinned(names: Callable[[str, list[str]], None]) -> None:
    names("db.example", ["10.0.0.5", "10.0.0.6"])
    assert resolve("db.example") == dial.Address("10.0.0.5", 5432)


def test_a_mapped_address_is_pinned_as_what_it_reaches(names: Callable[[str, list[str]], None]) -> None:
    names("db.example", ["::ffff:10.0.0.5"])
    assert resolve("db.example").ip == "10.0.0.5"


@pytest.mark.parametrize("spelling", ["2852039166", "0xA9FEA9FE", "169.254.43518", "0251.0376.0251.0376"])
def test_other_spellings_of_a_forbidden_address_are_seen_through(spelling: str) -> None:
    with pytest.raises(TargetError, match=r"169\.254\.169\.254"):
        resolve(spelling)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(TargetError, match=r"nowhere\.invalid does not resolve") as failure:
        resolve("nowhere.invalid")
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_name_too_long_for_dns_is_unreachable() -> None:
    with pytest.raises(TargetError, match="does not resolve"):
        resolve("a" * 70 + ".example")


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait() and [])
    with pytest.raises(TargetError, match="in time") as failure:
        resolve("slow.example", seconds=0.2)
    assert failure.value.kind is FailureKind.UNREACHABLE
    answer.set()


def test_a_deadline_that_is_over_says_so() -> None:
    with pytest.raises(TargetError, match="within 0 s") as failure:
        dial.Deadline(0).left()
    assert failure.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("text", ["db.example", "10.0.0.1", "::1", "fd12::7", "my_host-1", "LOCALHOST"])
def test_names_and_addresses_are_hosts(text: str) -> None:
    assert TypeAdapter(dial.Host).validate_python(text) == text


@pytest.mark.parametrize(
    "text", ["", "a,b", "/run/socket", "http://a", "a b", "a\n", "[::1]", "a:5432", "a/b", "user@a", "ä.example"]
)
def test_anything_else_is_not_a_host(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(dial.Host).validate_python(text)
