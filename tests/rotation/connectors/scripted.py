"""A listener that says, byte for byte, what a PostgreSQL server may say and ours cannot be made to (protocol 3.0)."""

import socket
import struct
from typing import Final

from tests.rotation.connectors.listener import Listener

AUTHENTICATION_OK: Final = 0
CLEARTEXT_PASSWORD: Final = 3
MD5_PASSWORD: Final = 5


def authentication(code: int) -> bytes:
    salt = b"salt" if code == MD5_PASSWORD else b""
    return _message(b"R", struct.pack("!i", code) + salt)


def fatal(state: str, words: str, *, severity: str = "FATAL") -> bytes:
    fields = {"S": severity, "V": "FATAL", "C": state, "M": words}
    return _message(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


class ScriptedPostgres(Listener):
    """Sends `answers`, one to each message of a client, then hangs up. `received` is all that clients sent."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self._answers = answers
        self.received = b""

    def converse(self, client: socket.socket) -> None:
        for answer in self._answers:
            self.received += client.recv(65536)
            client.sendall(answer)
        self.received += client.recv(65536)  # a refused client says no more and hangs up
