"""The guarded HTTP client: where it goes, how long it stays, what it takes, and what it tells."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.contract.calls import closed_port
from rotation.connectors.dial import MAX_ANSWER_BYTES, Deadline
from rotation.connectors.http_client import (
    MAX_WAIT_SECONDS,
    Answer,
    HttpClient,
    basic,
    checked_url,
    refusal,
    said,
)
from tests.rotation.connectors.http_target import Canned, Service, serving
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret
from workspace.errors import Invalid

SECRET = 'p4ss/"w\\rd+<ü>'


@pytest.fixture
def service() -> Service:
    return Service(people={"app": "old-password"})


@pytest.fixture
def port(service: Service) -> Iterator[int]:
    with serving(service) as port:
        yield port


def get(url: str, *, seconds: float = PATIENCE, client: HttpClient | None = None) -> Answer:
    headers = {"Authorization": basic(Login("app", Secret("old-password")))}
    return (client or HttpClient(Deadline(seconds))).send("GET", checked_url(url), headers=headers)


@contextmanager
def saying(*parts: bytes, then: Callable[[socket.socket], None] = lambda _: None) -> Iterator[int]:
    """The port of a server that answers one request with these bytes, whatever it asks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                for part in parts:
                    client.sendall(part)
                then(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(PATIENCE)


# Where it goes


def test_each_request_goes_to_the_address_that_was_judged(
    port: int, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere the second time it is asked for (DNS rebinding)."""
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host != "rebinding.invalid":
            return list(real(host, *rest, **options))
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    client, url = HttpClient(Deadline(PATIENCE)), f"http://rebinding.invalid:{port}/v1/whoami"
    assert [get(url, client=client).status for _ in range(2)] == [200, 200]
    assert asked == ["rebinding.invalid"]
    assert {headers["host"] for _, headers, _ in service.requests} == {f"rebinding.invalid:{port}"}
    with pytest.raises(TargetError, match=r"169\.254\.169\.254") as failure:
        get(url)
    assert failure.value.kind is FailureKind.PERMISSION


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "2852039166", "100.100.100.200"])
def test_metadata_services_are_not_asked_in_any_spelling(host: str) -> None:
    with pytest.raises(TargetError) as failure:
        get(f"http://{host}/latest/meta-data/")
    assert failure.value.kind is FailureKind.PERMISSION


def test_an_ipv6_address_is_asked_by_its_own_name() -> None:
    assert checked_url("http://[::1]:8080/x") == "http://[::1]:8080/x"
    with closed_port("::1") as port, pytest.raises(TargetError) as failure:
        get(f"http://[::1]:{port}/")
    assert failure.value.kind is FailureKind.UNREACHABLE


# TLS


@pytest.fixture
def front(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsFront]:
    """A server whose certificate is for the name localhost, from an authority that the operator trusts."""
    pem = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with TlsFront(("127.0.0.1", port), pem) as front:
        yield front


def test_tls_goes_to_the_judged_address_and_asks_for_the_name(front: TlsFront, service: Service) -> None:
    assert get(f"https://localhost:{front.port}/v1/whoami").json() == {"user": "app"}
    assert front.names == ["localhost"]
    assert service.requests[-1][1]["host"] == f"localhost:{front.port}"


def test_a_certificate_for_another_name_is_refused(front: TlsFront, service: Service) -> None:
    with pytest.raises(TargetError, match="certificate") as failure:
        get(f"https://127.0.0.1:{front.port}/v1/whoami")
    assert failure.value.kind is FailureKind.UNREACHABLE
    assert service.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(
    front: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path, "elsewhere.example")))
    with pytest.raises(TargetError, match="certificate verify failed"):
        get(f"https://localhost:{front.port}/v1/whoami")


def test_a_server_without_tls_gets_nothing_of_a_request_meant_for_tls(port: int, service: Service) -> None:
    with pytest.raises(TargetError) as failure:
        get(f"https://127.0.0.1:{port}/v1/whoami")
    assert failure.value.kind is FailureKind.UNREACHABLE
    assert service.requests == []


# How long it stays, and what it takes


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
def test_an_answer_that_does_not_end_in_time_is_none(beginning: bytes) -> None:
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        try:
            while not over.wait(0.02):
                client.sendall(b"x")
        except OSError:
            return

    with saying(beginning, then=drip) as port:
        with pytest.raises(TargetError) as failure:
            get(f"http://127.0.0.1:{port}/", seconds=0.5)
        over.set()
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_an_answer_that_is_too_long_is_none(port: int, service: Service) -> None:
    service.canned.append(Canned(200, b"x" * MAX_ANSWER_BYTES))
    assert len(get(f"http://127.0.0.1:{port}/").body) == MAX_ANSWER_BYTES
    service.canned.append(Canned(200, b"x" * (MAX_ANSWER_BYTES + 1)))
    with pytest.raises(TargetError, match="longer than") as failure:
        get(f"http://127.0.0.1:{port}/")
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_compressed_answer_is_not_unpacked(port: int, service: Service) -> None:
    service.canned.append(Canned(200, b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}))
    assert get(f"http://127.0.0.1:{port}/").body == b"\x1f\x8b\x08"
    assert service.requests[-1][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_is_unreachable(answer: bytes) -> None:
    with saying(answer) as port, pytest.raises(TargetError) as failure:
        get(f"http://127.0.0.1:{port}/")
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_nothing_is_sent_twice(port: int, service: Service) -> None:
    client = HttpClient(Deadline(PATIENCE))
    for status in (500, 503, 200):
        service.canned.append(Canned(status, headers={"Connection": "keep-alive"}))
        assert get(f"http://127.0.0.1:{port}/", client=client).status == status
    assert len(service.requests) == 3


# What it tells


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0), (" 7 ", 7), ("999999999999", MAX_WAIT_SECONDS), ("-1", None), ("soon", None), ("", None), ("٣", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Thu, 01 Jan 2170 00:00:00 GMT", MAX_WAIT_SECONDS),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms_and_bounded(header: str, seconds: float | None) -> None:
    assert Answer(503, {"retry-after": header}, b"").retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    found = Answer(503, {"retry-after": at}, b"").retry_after
    assert found is not None
    assert 500 < found <= 600


@pytest.mark.parametrize(
    "body",
    [
        SECRET, json.dumps({"detail": {"got": [SECRET]}}), json.dumps({"detail": SECRET}, ensure_ascii=False),
        f"bad: {quote(SECRET, safe='')}", f"<p>{SECRET.replace('<', '&lt;').replace('>', '&gt;')}</p>",
        base64.b64encode(SECRET.encode()).decode(), f"got Basic {base64.b64encode(f'app:{SECRET}'.encode()).decode()}.",
        json.dumps(SECRET).replace("/", "\\/"),
        f"not json: {json.dumps({'password': SECRET})}",
    ],
)  # fmt: skip
def test_a_secret_that_comes_back_in_an_answer_is_not_told(body: str) -> None:
    words = said(Answer(422, {}, body.encode()), SECRET)
    assert "***" in words
    assert "4ss" not in words
    assert base64.b64encode(f"app:{SECRET}".encode()).decode()[:8] not in words


def test_an_answer_is_told_in_its_own_words() -> None:
    assert said(Answer(400, {}, b'{"a": ["too short", {"b": "no digit"}], "n": 1}')) == "too short; no digit"
    assert said(Answer(400, {"content-type": "text/html"}, b"<html>long page</html>")) == ""
    assert said(Answer(400, {}, b"plain\r\nwords\xff")) == "plain words�"
    assert refusal(Answer(404, {}, b""), "The change of app").detail == "The change of app was answered with 404."
    assert said(Answer(400, {}, b"[" * 100_000)).startswith("[[[")


def test_basic_takes_any_password_and_no_empty_one() -> None:
    encoded = basic(Login("app", Secret("ä:b"))).removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "app:ä:b"
    with pytest.raises(Invalid):
        basic(Login("app", Secret("")))
