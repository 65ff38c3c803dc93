"""A TCP proxy in front of a target that treats the bytes in between as bad networks do."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self

CHUNK: Final = 65536
ACCEPT_SECONDS: Final = 0.1
TRICKLE_SECONDS: Final = 0.05
SLOW_SECONDS: Final = 0.02
SLOW_CHUNK: Final = 256


class Mode(Enum):
    """What happens to connections made from now on."""

    PASS = auto()
    STALL = auto()
    """Accept, and never answer."""
    TRICKLE = auto()
    """Accept, and send byte after byte of an answer that has no end."""
    SLOW = auto()
    """Forward everything, in small pieces with a pause after each."""
    RESET = auto()
    """Accept, then reset (TCP RST)."""
    DROP_REPLY = auto()
    """Forward until the marked request has gone through; the reply to it is lost and the connection breaks."""
    DROP_REQUEST = auto()
    """Forward until the marked request, which never arrives; the connection breaks."""
    STALL_REPLY = auto()
    """Forward until the marked request has gone through; after that nothing more comes back."""


class Proxy:
    """Listens on `host`:`port` for the target at (`target_host`, `target_port`). A context manager."""

    host: Final = "127.0.0.1"

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._mode, self._marker = Mode.PASS, b""
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._listener = socket.create_server((self.host, 0))
        self._listener.settimeout(ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self.marked = 0
        """How many requests with the marker have been seen."""

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for each in self._sockets:
            _break(each)
        for thread in self._threads:
            thread.join(60)
        self._listener.close()

    def treat(self, mode: Mode, marker: bytes = b"") -> None:
        """From the next connection on. `marker` is what the modes that need one look for in a request."""
        self._mode, self._marker = mode, marker

    def _spawn(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                client.settimeout(None)
                self._sockets.append(client)
                self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        if self._mode is Mode.RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        elif self._mode is Mode.TRICKLE:
            self._spawn(self._trickle, client)
        elif self._mode is not Mode.STALL:
            server = socket.create_connection(self._target)
            self._sockets.append(server)
            pair = _Pair(client, server, self._mode, self._marker)
            self._spawn(self._forward_requests, pair)
            self._spawn(self._forward_replies, pair)

    def _trickle(self, client: socket.socket) -> None:
        with suppress(OSError):
            while not self._closing.wait(TRICKLE_SECONDS):
                client.sendall(b"+")

    def _forward_requests(self, pair: "_Pair") -> None:
        with suppress(OSError):
            while data := pair.client.recv(CHUNK):
                if pair.marker and pair.marker in data:
                    self.marked += 1
                    if pair.mode is Mode.DROP_REQUEST:
                        break
                    pair.lost.set()
                self._send(pair, pair.server, data)
        pair.end()

    def _forward_replies(self, pair: "_Pair") -> None:
        with suppress(OSError):
            while data := pair.server.recv(CHUNK):
                if pair.lost.is_set() and pair.mode is Mode.STALL_REPLY:
                    continue
                if pair.lost.is_set() and pair.mode is Mode.DROP_REPLY:
                    break
                self._send(pair, pair.client, data)
        pair.end()

    def _send(self, pair: "_Pair", to: socket.socket, data: bytes) -> None:
        if pair.mode is not Mode.SLOW:
            to.sendall(data)
            return
        for start in range(0, len(data), SLOW_CHUNK):
            to.sendall(data[start : start + SLOW_CHUNK])
            self._closing.wait(SLOW_SECONDS)


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket, mode: Mode, marker: bytes) -> None:
        self.client, self.server, self.mode, self.marker = client, server, mode, marker
        self.lost = threading.Event()

    def end(self) -> None:
        _break(self.client)
        _break(self.server)


def _break(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
