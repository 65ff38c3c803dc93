"""A TCP proxy whose host can vanish: from then on nothing that is sent there is acknowledged, refused or reset."""

import ctypes
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

SO_ATTACH_FILTER: Final = 26
# One instruction of the classic packet filter (socket(7)): let no byte of any packet through. The kernel asks it before
# it acknowledges anything.
_LET_NOTHING_THROUGH: Final = struct.pack("HBBI", 0x06, 0, 0, 0)


class VanishingHost:
    """Carries what clients send to `target`, until it vanishes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def vanish(self) -> None:
        for each in (self._listener, *self._sockets):
            _deafen(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets.append(client)
                self.connections += 1
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_copy, args=ends, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _deafen(each: socket.socket) -> None:
    instruction = ctypes.create_string_buffer(_LET_NOTHING_THROUGH)
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
