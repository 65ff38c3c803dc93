"""The browser's way to the network: judged, pinned, once, and for no longer than the call."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest
from pytest_django import Settings

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract.calls import closed_port
from rotation.connectors.web_form.gate import Gate
from tests.waiting import PATIENCE, eventually, growing

LOOKUP = socket.getaddrinfo
HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    """Answers each connection with `answer`, once it has read a request's head; `answer` None: hangs up."""

    def __init__(self, answer: bytes | None = HI) -> None:
        self.answer = answer
        self.received: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        with client:
            try:
                while data := client.recv(65536):
                    self.received.append(data)
                    if self.answer is None:
                        return
                    client.sendall(self.answer)
            except OSError:
                return


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate(dial.Deadline(PATIENCE)) as opened:
        yield opened


def through(gate: Gate, *parts: bytes) -> bytes:
    """All that comes back for what a browser sends on one connection."""
    with socket.create_connection(("127.0.0.1", int(gate.url.rpartition(":")[2])), timeout=PATIENCE) as client:
        for part in parts:
            client.sendall(part)
        received = b""
        try:
            while data := client.recv(65536):
                received += data
                if b"\r\n\r\nhi" in received:
                    break
        except ConnectionResetError:
            pass
        return received


def get(host: str, port: int, *, more: str = "") -> bytes:
    return f"GET http://{host}:{port}/a?b=c HTTP/1.1\r\nHost: {host}:{port}\r\n{more}\r\n".encode()


def resolving(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> list[str]:
    """Names resolve to these addresses, one lookup after the other; the names that were looked up."""
    asked: list[str] = []

    def lookup(host: str, port: int, *args: int, **kwargs: int) -> object:
        if host not in answers:
            return LOOKUP(host, port, *args, **kwargs)
        asked.append(host)
        return LOOKUP(answers[host].pop(0), port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_request_reaches_its_site_as_a_site_expects_it(gate: Gate, server: Server) -> None:
    secret = "Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\nCookie: a=b\r\n"
    assert through(gate, get("127.0.0.1", server.port, more=secret)).endswith(b"\r\n\r\nhi")
    [request] = server.received
    assert request.startswith(b"GET /a?b=c HTTP/1.1\r\nConnection: close\r\n")
    assert b"Cookie: a=b\r\n" in request
    assert b"roxy" not in request
    assert b"keep-alive" not in request


def test_a_body_is_sent_on_in_whatever_pieces_it_comes(gate: Gate, server: Server) -> None:
    head = f"POST http://127.0.0.1:{server.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n"
    through(gate, head.encode() + b"pass", b"word")
    assert b"".join(server.received).endswith(b"\r\n\r\npassword")


def test_what_comes_after_a_request_goes_to_nobody(gate: Gate, server: Server) -> None:
    """A site that leaves its connection open would be sent the browser's next request, meant for another site."""
    other = get("other.example", 80, more="Cookie: secret=1\r\n")
    through(gate, get("127.0.0.1", server.port) + other)
    assert not [data for data in server.received if b"secret" in data]


def test_a_tunnel_carries_bytes_both_ways(gate: Gate, server: Server) -> None:
    connect = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    answer = through(gate, connect, b"\x16\x03\x01 anything")
    assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\n")
    assert b"".join(server.received) == b"\x16\x03\x01 anything"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "[::ffff:169.254.169.254]"])  # noqa: S104
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_a_forbidden_address_is_not_connected_to(gate: Gate, host: str, method: str) -> None:
    target = f"{host}:80" if method == "CONNECT" else f"http://{host}/latest/meta-data/"
    answer = through(gate, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 502 ")
    failure = gate.refusal(host.strip("[]"))
    assert failure is not None
    assert failure.kind is FailureKind.PERMISSION


def test_loopback_is_forbidden_in_production(server: Server, settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_TARGETS = False
    with Gate(dial.Deadline(PATIENCE)) as gate:
        for host in ("127.0.0.1", "localhost", "127.1.2.3"):
            assert through(gate, get(host, server.port)).startswith(b"HTTP/1.1 502 ")
    assert server.received == []


def test_a_name_is_resolved_once_and_keeps_its_address(
    gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another address the second time (DNS rebinding) goes on meaning the first."""
    asked = resolving(monkeypatch, {"site.example": ["127.0.0.1", "169.254.169.254", "127.0.0.9"]})
    for _ in range(3):
        assert through(gate, get("site.example", server.port)).endswith(b"hi")
    assert through(gate, get("SITE.example", server.port)).endswith(b"hi")
    assert asked == ["site.example"]


def test_a_name_that_leads_to_a_forbidden_address_is_refused_for_the_whole_call(
    gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving(monkeypatch, {"site.example": ["169.254.169.254", "127.0.0.1"]})
    for _ in range(2):
        assert through(gate, get("site.example", server.port)).startswith(b"HTTP/1.1 502 ")
    assert (asked, server.received) == (["site.example"], [])


def test_a_host_that_is_not_allowed_is_not_even_looked_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolving(monkeypatch, {"tracker.example": ["127.0.0.1"]})

    def judge(host: str) -> None:
        if host != "127.0.0.1":
            raise TargetError(FailureKind.PERMISSION, f"{host} is not on the list.")

    with Gate(dial.Deadline(PATIENCE), judge=judge) as gate:
        assert through(gate, get("127.0.0.1", server.port)).endswith(b"hi")
        assert b"is not on the list" in through(gate, get("tracker.example", server.port))
    assert asked == []


def test_a_slow_name_delays_no_other(gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, done = threading.Event(), threading.Event()

    def lookup(host: str, port: int, *args: int, **kwargs: int) -> object:
        if host == "slow.example":
            slow.wait(PATIENCE)
        return LOOKUP("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    def wait() -> None:
        through(gate, get("slow.example", server.port))
        done.set()

    threading.Thread(target=wait).start()
    assert through(gate, get("fast.example", server.port)).endswith(b"hi")
    assert not done.is_set()
    slow.set()
    assert done.wait(PATIENCE)


def test_no_answer_is_said_to_be_none_so_that_nothing_is_sent_twice(gate: Gate) -> None:
    mute = Server(None)
    answer = through(gate, get("127.0.0.1", mute.port))
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"without an answer" in answer
    failure = gate.refusal("127.0.0.1")
    assert failure is not None
    assert failure.kind is FailureKind.UNREACHABLE
    assert len(mute.received) == 1
    mute.close()


def test_a_closed_port_is_unreachable(gate: Gate) -> None:
    with closed_port() as port:
        assert b"could not be reached" in through(gate, get("127.0.0.1", port))


@pytest.mark.parametrize(
    "nonsense",
    [b"\x00\r\n\r\n", b"GET\r\n\r\n", b"GET /relative HTTP/1.1\r\n\r\n", b"GET ftp://a/ HTTP/1.1\r\n\r\n",
     b"CONNECT x HTTP/1.1 2\r\n\r\n", b"CONNECT a:99999 HTTP/1.1\r\n\r\n", b"x" * 200_000],
)  # fmt: skip
def test_what_is_no_request_is_answered_by_no_connection(gate: Gate, server: Server, nonsense: bytes) -> None:
    assert not through(gate, nonsense).startswith(b"HTTP/1.1 200")
    assert through(gate, get("127.0.0.1", server.port)).endswith(b"hi")


@pytest.mark.parametrize("end", ["the call", "the time"])
def test_no_connection_outlives_the_call(server: Server, end: str) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\n"  # and never anything more
    for seconds in growing(0.3) if end == "the time" else [PATIENCE]:
        with ThreadPoolExecutor(1) as pool:
            with Gate(dial.Deadline(seconds)) as gate:
                waiting = pool.submit(through, gate, get("127.0.0.1", server.port))
                if end == "the time":
                    wait([waiting], PATIENCE)
                else:
                    eventually(lambda: bool(server.received))
            assert wait([waiting], PATIENCE).done
        with pytest.raises(ConnectionRefusedError):
            through(gate, get("127.0.0.1", server.port))
        if server.received:
            return
    raise AssertionError("The request never came to the server.")
