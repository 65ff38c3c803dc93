"""A listener that speaks the server's side of MySQL's protocol, for what no MariaDB can be made to do."""

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.rotation.connectors.listener import Listener

OK: Final = b"\x00\x00\x00\x02\x00\x00\x00"
FULL_AUTHENTICATION: Final = b"\x01\x04"
FAST_OK: Final = b"\x01\x03"
LOCAL_INFILE: Final = b"\xfb/etc/passwd"
NONCE: Final = b"0123456789abcdefghij"

# Protocol 4.1, secure connection, plugins, their data with a length, connection attributes.
_CAPABILITIES: Final = 0x00000200 | 0x00008000 | 0x00080000 | 0x00200000 | 0x00100000
_SSL: Final = 0x00000800
_EOF: Final = b"\xfe\x00\x00\x02\x00"

Rows = Sequence[Sequence[str]]


def refusal(number: int, words: str) -> bytes:
    return b"\xff" + struct.pack("<H", number) + b"#HY000" + words.encode()


def switch_to(plugin: str) -> bytes:
    return b"\xfe" + plugin.encode() + b"\0" + NONCE + b"\0"


class ScriptedMySql(Listener):
    """Lets somebody in after the packets of `login`, one to each of theirs, then answers each statement.

    `answer` gives rows, or a packet. `statements` is what was asked, `received` all that a client sent after TLS.
    """

    def __init__(
        self, *login: bytes, answer: Callable[[str], Rows | bytes] = lambda _: OK, version: str = "8.0.36",
        plugin: str = "caching_sha2_password", certificate: Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._login, self._answer, self._version, self._plugin = login or (OK,), answer, version, plugin
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._context and certificate:
            self._context.load_cert_chain(certificate)
        self.statements: list[str] = []
        self.received = b""

    def converse(self, client: socket.socket) -> None:
        _send(client, 0, self._greeting())
        number, packet = self._receive(client)
        speaking: socket.socket = client
        if self._context and len(packet) == 32:
            self.received = b""
            speaking = self._context.wrap_socket(client, server_side=True)
            number, packet = self._receive(speaking)
        for position, answer in enumerate(self._login):
            _send(speaking, number + 1, answer)
            if answer == FAST_OK:
                _send(speaking, number + 2, OK)
            if position + 1 < len(self._login):
                number, packet = self._receive(speaking)
        while True:
            self._command(speaking)

    def _greeting(self) -> bytes:
        able = _CAPABILITIES | (_SSL if self._context else 0)
        return (
            b"\x0a" + self._version.encode() + b"\0" + struct.pack("<I", 7) + NONCE[:8] + b"\0"
            + struct.pack("<H", able & 0xFFFF) + b"\x2d" + struct.pack("<H", 2) + struct.pack("<H", able >> 16)
            + bytes([21]) + bytes(10) + NONCE[8:] + b"\0" + self._plugin.encode() + b"\0"
        )  # fmt: skip

    def _command(self, client: socket.socket) -> None:
        _, packet = self._receive(client)
        if packet[:1] != b"\x03":
            raise EOFError
        statement = packet[1:].decode()
        if statement.startswith(("SET NAMES", "SET AUTOCOMMIT", "SET SESSION sql_mode")):
            _send(client, 1, OK)
            return
        self.statements.append(statement)
        answer = self._answer(statement)
        for number, part in enumerate([answer] if isinstance(answer, bytes) else _result(answer), 1):
            _send(client, number, part)

    def _receive(self, client: socket.socket) -> tuple[int, bytes]:
        head = _exactly(client, 4)
        packet = _exactly(client, int.from_bytes(head[:3], "little"))
        self.received += packet
        return head[3], packet


def _send(client: socket.socket, number: int, packet: bytes) -> None:
    client.sendall(len(packet).to_bytes(3, "little") + bytes([number % 256]) + packet)


def _exactly(client: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        part = client.recv(length - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _result(rows: Rows) -> list[bytes]:
    width = len(rows[0]) if rows else 1
    columns = [_texts("def", "", "", "", f"c{each}", "") + b"\x0c\x2d\x00\xff\xff\x00\x00\xfd\x00\x00\x00\x00\x00"
               for each in range(width)]  # fmt: skip
    return [bytes([width]), *columns, _EOF, *(_texts(*row) for row in rows), _EOF]


def _texts(*texts: str) -> bytes:
    found = b""
    for text in texts:
        data = text.encode("latin-1")
        found += (bytes([len(data)]) if len(data) < 251 else b"\xfc" + struct.pack("<H", len(data))) + data
    return found


def asks(answers: dict[str, Any]) -> Callable[[str], Rows | bytes]:
    """Answers by the beginning of a statement; OK to all others."""

    def answer(statement: str) -> Rows | bytes:
        found: Rows | bytes = next((rows for start, rows in answers.items() if statement.startswith(start)), OK)
        return found

    return answer
