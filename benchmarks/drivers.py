"""The load: bare sockets that are kept alive, each concurrent client in a process of its own.

No HTTP library stands between, so that on two cores the client takes little of what is measured.
"""

import multiprocessing
import re
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_FORK: Final = multiprocessing.get_context("fork")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
SOCKET_SECONDS: Final = 300


class Unexpected(Exception):
    """An answer with another status than the scenario needs."""


class Connection:
    """One kept-alive connection to a server on loopback."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = (
            f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nAccept: application/scim+json\r\n"
            "Content-Type: application/scim+json; charset=utf-8\r\nUser-Agent: Okta SCIM Client 1.0.0\r\n"
        )
        self._socket: socket.socket | None = None

    def request(self, method: str, path: str, body: bytes = b"", *, expected: tuple[int, ...] = (200,)) -> bytes:
        """The body of the answer. Raises Unexpected."""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        status, answer = self._exchange(head.encode() + body)
        if status not in expected:
            raise Unexpected(f"{method} {path}: {status} {answer[:400]!r}")
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=SOCKET_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        data = self._more(b"")
        while (end := data.find(b"\r\n\r\n")) < 0:
            data = self._more(data)
        head, rest = data[:end], data[end + 4 :]
        body = self._chunks(rest) if _CHUNKED.search(head) else self._sized(head, rest)
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return int(head[9:12]), body

    def _sized(self, head: bytes, rest: bytes) -> bytes:
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        parts, received = [rest], len(rest)
        while received < length:
            parts.append(self._more(b""))
            received += len(parts[-1])
        return b"".join(parts)

    def _chunks(self, data: bytes) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in data:
                data = self._more(data)
            size, _, data = data.partition(b"\r\n")
            length = int(size, 16)
            while len(data) < length + 2:
                data = self._more(data)
            if not length:
                return body
            body, data = body + data[:length], data[length + 2 :]

    def _more(self, data: bytes) -> bytes:
        assert self._socket is not None
        received = self._socket.recv(1 << 18)
        if not received:
            raise Unexpected("The server closed the connection.")
        return data + received


@dataclass
class Timings:
    """Seconds of each request, by operation, the whole stretch from first to last, and what the processors gave the
    web server and PostgreSQL meanwhile."""

    by_operation: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    elapsed: float = 0.0
    web: float = 0.0
    database: float = 0.0

    @property
    def requests(self) -> int:
        return sum(map(len, self.by_operation.values()))

    @property
    def per_second(self) -> float:
        return self.requests / self.elapsed

    @property
    def processors_ms(self) -> float:
        """What the processors gave to one request."""
        return (self.web + self.database) / self.requests * 1000


# From a number that no other client has to operations done: yields a name, does the request, and so on.
Scenario = Callable[[int], Iterator[tuple[str, Callable[[], Any]]]]


def play(scenarios: list[Scenario], repeats: int) -> Timings:
    """Each scenario in a process of its own, `repeats` times, all begun together."""
    barrier = _FORK.Barrier(len(scenarios))
    pipes = [_FORK.Pipe(duplex=False) for _ in scenarios]
    clients = [
        _FORK.Process(target=_client, args=(scenario, repeats, barrier, pipe[1]), daemon=True)
        for scenario, pipe in zip(scenarios, pipes, strict=True)
    ]
    for client in clients:
        client.start()
    for _, sender in pipes:
        sender.close()
    results = [_received(receiver) for receiver, _ in pipes]
    for client in clients:
        client.join(SOCKET_SECONDS)
    timings = Timings(elapsed=max(end for _, _, end in results) - min(start for _, start, _ in results))
    for measured, _, _ in results:
        for name, seconds in measured:
            timings.by_operation[name].append(seconds)
    return timings


def timed(act: Callable[[], Any]) -> float:
    """The seconds that one act takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _received(receiver: Any) -> tuple[list[tuple[str, float]], float, float]:
    try:
        found: tuple[list[tuple[str, float]], float, float] | str = receiver.recv()
    except EOFError:
        raise Unexpected("A client ended without a result.") from None
    if isinstance(found, str):
        raise Unexpected(found)
    return found


def _client(scenario: Scenario, repeats: int, barrier: Any, sender: Any) -> None:
    measured: list[tuple[str, float]] = []
    try:
        barrier.wait(60)
        start = time.monotonic()
        for number in range(repeats):
            for name, act in scenario(number):
                measured.append((name, timed(act)))
        sender.send((measured, start, time.monotonic()))
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
