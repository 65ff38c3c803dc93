"""The published contract on a real server, and what only Lockbox does."""

import secrets
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cerby_lockbox import Lockbox, digest
from lockbox_server import Server

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.contract import ConnectorContract, random_password
from workspace.crypto import Secret


class OpenSession:
    """Somebody who is logged in."""

    def __init__(self, port: int, name: str, password: Secret) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        assert self._says(f"LOGIN {name} {digest(password)}")

    def _says(self, words: str) -> bool:
        try:
            self._socket.sendall(f"{words}\n".encode())
            return self._socket.recv(1024) == b"OK\n"
        except OSError:
            return False

    def is_alive(self) -> bool:
        return self._says("PING")

    def close(self) -> None:
        self._socket.close()


class Target:
    """See `rotation.connectors.contract.Target`."""

    kind = Lockbox
    host = "127.0.0.1"
    change_marker = b"SET"
    wrong_settings: dict[str, Any] = {"host": "no host", "port": 0}

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = server.server_address[1]
        self.admin = Login("keeper", random_password())
        server.digests["keeper"] = digest(self.admin.password)

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port}

    def make_login(self, password: Secret) -> str:
        name = f"login-{secrets.token_hex(4)}"
        self.server.digests[name] = digest(password)
        return name

    def open_session(self, username: str, password: Secret) -> OpenSession:
        return OpenSession(self.port, username, password)

    def recorded(self, act: Callable[[], None]) -> str:
        before = len(self.server.log)
        act()
        return "\n".join(self.server.log[before:])


@pytest.fixture
def target() -> Iterator[Target]:
    with Server() as server:
        yield Target(server)
        server.shutdown()


class TestLockbox(ConnectorContract):
    able = Lockbox.capabilities
    short = 0.3  # seconds for calls that get no answer
    refused = "password1"


def test_a_login_may_not_change_another(target: Target) -> None:
    password = random_password()
    other = Login(target.make_login(password), password)
    settings = validated(Lockbox, target.settings(target.host, target.port))
    connector = Lockbox(settings, target.make_login(random_password()), timeout=10)
    with pytest.raises(TargetError, match="only its owner") as failure:
        connector.change(random_password(), current=None, admin=other)
    assert failure.value.kind is FailureKind.PERMISSION
