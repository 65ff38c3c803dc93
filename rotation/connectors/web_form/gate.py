"""The browser's only way to the network: a proxy in this process that dials as connectors do.

Whatever a page asks for comes through here: each host is resolved once for the whole call, judged, pinned, and
connected to by the address that was judged. So a page can lead the browser neither to this machine nor to a metadata
service, not by a redirect, not by a name that changes its address (DNS rebinding), and not by a script.
"""

import re
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, TargetError

LONGEST_HEAD: Final = 64 * 1024
CHUNK: Final = 64 * 1024
CONNECTIONS: Final = 128
"""At a time. A page that asks for more waits."""
# Of one hop only (RFC 9110, 7.6.1); nothing of them is for the site.
OF_THIS_HOP: Final = re.compile(rb"(?im)^(?:proxy-[^:\r\n]*|connection|keep-alive):[^\r\n]*\r\n")
ACCEPT_SECONDS: Final = 0.2


class Gate:
    """Listens on a loopback port for as long as its `with` block lasts, and no longer than `deadline`.

    `judge` may refuse a host by raising TargetError, before its name is looked up.
    """

    def __init__(self, deadline: dial.Deadline, *, judge: Callable[[str], None] | None = None) -> None:
        self._deadline, self._judge = deadline, judge
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS)
        self._listener.settimeout(ACCEPT_SECONDS)
        self.url: Final = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="gate", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        _cut(self._listener)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _cut(each)

    def refusal(self, host: str) -> TargetError | None:
        """Why a host could not be reached, as far as that was found out here."""
        known = self._hosts.get(host.lower())
        return known.failure if known else None

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), name="gate connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._places, client, suppress(OSError, TargetError, ValueError):
            self._remember(client)
            head, rest = _read_head(client, self._deadline)
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            connects = method == "CONNECT"
            parts = urlsplit(f"//{target}" if connects else target)
            try:
                server = self._dial(*_place(parts.hostname, parts.port, connects=connects, scheme=parts.scheme))
            except TargetError as error:
                client.sendall(_refusal(error))
                return
            with server:
                self._remember(server)
                if connects:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    self._relay(client, server, rest, allowance=None)
                    return
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                server.sendall(_for_the_site(head, f"{method} {path} {version}"))
                if not self._relay(client, server, rest, allowance=_length(head)):
                    client.sendall(_refusal(self._unanswered(parts.hostname or "")))

    def _dial(self, host: str, port: int) -> socket.socket:
        """A connection to the one address of a host in this call. The first lookup decides; others wait for it."""
        with self._lock:
            known = self._hosts.setdefault(host, _Host())
        with known.lock:
            if known.address is None and known.failure is None:
                try:
                    if self._judge is not None:
                        self._judge(host)
                    known.address = dial.resolve(host, port, deadline=self._deadline)
                except TargetError as error:
                    known.failure = error
        if known.address is None:
            raise known.failure or TargetError(FailureKind.UNREACHABLE, f"The name {host} does not resolve.")
        try:
            return socket.create_connection((known.address.ip, port), timeout=self._deadline.left())
        except OSError as error:
            words = error.strerror or type(error).__name__
            known.failure = TargetError(FailureKind.UNREACHABLE, f"{host} could not be reached: {words}.")
            raise known.failure from None

    def _unanswered(self, host: str) -> TargetError:
        """For a request that was sent and got no answer. A browser that is told nothing sends it once more."""
        failure = TargetError(FailureKind.UNREACHABLE, f"{host} closed the connection without an answer.")
        self._hosts[host.lower()].failure = failure
        return failure

    def _relay(self, client: socket.socket, server: socket.socket, data: bytes, *, allowance: int | None) -> bool:
        """Bytes both ways until one side ends or the time is over; whether the server said anything.

        `allowance` is how many the client may send: a browser would send its next request, to whatever site, on a
        connection that the first site leaves open.
        """
        other, poll = {client: server, server: client}, select.poll()
        by_number = {each.fileno(): each for each in other}
        for number in by_number:
            poll.register(number, select.POLLIN)
        source, answered = client, False
        while True:
            if source is client and allowance is not None:
                allowance -= len(data)
                if allowance < 0:
                    return True
            other[source].settimeout(self._deadline.left())
            other[source].sendall(data)
            answered = answered or (source is server and bool(data))
            ready = poll.poll(self._deadline.left() * 1000)
            if not ready or self._closing.is_set():
                return answered
            source = by_number[ready[0][0]]
            try:
                data = source.recv(CHUNK)
            except OSError:  # reset
                return answered
            if not data:
                return answered

    def _remember(self, each: socket.socket) -> None:
        with self._lock:
            self._open = {known for known in self._open if known.fileno() >= 0} | {each}
        if self._closing.is_set():
            _cut(each)


class _Host:
    """What this call knows of a host: its one address, or why it has none; and why it could not be reached last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.address: dial.Address | None = None
        self.failure: TargetError | None = None


def _read_head(client: socket.socket, deadline: dial.Deadline) -> tuple[bytes, bytes]:
    """The request's head with its empty line, and what came after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        client.settimeout(deadline.left())
        more = client.recv(CHUNK)
        if not more or len(received) > LONGEST_HEAD:
            raise ConnectionResetError
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _place(host: str | None, port: int | None, *, connects: bool, scheme: str) -> tuple[str, int]:
    """Where a request wants to go. Raises TargetError for what is no place for a browser."""
    if not host or (not connects and scheme != "http"):
        raise TargetError(FailureKind.PERMISSION, "The page asked for something that is no address.")
    return host.lower(), port or (443 if connects else 80)


def _for_the_site(head: bytes, request_line: str) -> bytes:
    """The request as its site gets it: one a connection, so that what was sent once is never sent again."""
    lines = OF_THIS_HOP.sub(b"", head.split(b"\r\n", 1)[1])
    return request_line.encode("latin-1") + b"\r\nConnection: close\r\n" + lines


def _length(head: bytes) -> int:
    """How long the request's body is. Browsers say so, and send nothing in chunks over HTTP/1."""
    found = re.search(rb"(?im)^content-length:[ \t]*(\d{1,15})[ \t]*\r\n", head)
    return int(found[1]) if found else 0


def _refusal(error: TargetError) -> bytes:
    words = error.detail.encode(errors="replace")
    head = f"HTTP/1.1 502 Not reached\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(words)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + words


def _cut(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
