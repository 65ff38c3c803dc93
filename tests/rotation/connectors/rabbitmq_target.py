"""A RabbitMQ of the tests' own as a target, with the connections of people who use it (AMQP 0-9-1)."""

import base64
import json
import os
import secrets
import socket
import struct
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from rotation.connectors.base import Login, validated
from rotation.connectors.contract import random_password, until
from rotation.connectors.rabbitmq import RabbitMq
from tests.rotation.connectors import needs
from tests.rotation.connectors.servers import dropped, private_folder, running
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT = PATIENCE
ACCOUNT = "rabbitmq" if os.geteuid() == 0 else ""
PACKAGE = "rabbitmq-server"
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # the one on the PATH insists on the system's folders

METHOD_FRAME: Final = 1
TUNE, OPEN_OK = (10, 30), (10, 41)


class AmqpSession:
    """A person's connection, opened with their password."""

    def __init__(self, host: str, port: int, username: str, password: Secret) -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT)
        self._socket.sendall(b"AMQP\x00\x00\x09\x01")
        self._read()  # Connection.Start
        plain = f"\0{username}\0{password.reveal()}".encode()
        self._method(10, 11, b"\0\0\0\0" + _short("PLAIN") + struct.pack(">I", len(plain)) + plain + _short("en_US"))
        assert self._read() == TUNE, "the server did not let us in"
        self._method(10, 31, struct.pack(">HIH", 2047, 131072, 0))
        self._method(10, 40, _short("/") + b"\0\0")
        assert self._read() == OPEN_OK

    def is_alive(self) -> bool:
        """A server that has closed the connection has sent Connection.Close, or nothing is at the other end."""
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) not in {b"", bytes([METHOD_FRAME])}
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._socket.settimeout(TIMEOUT)

    def close(self) -> None:
        self._socket.close()

    def _method(self, kind: int, number: int, arguments: bytes) -> None:
        payload = struct.pack(">HH", kind, number) + arguments
        self._socket.sendall(struct.pack(">BHI", METHOD_FRAME, 0, len(payload)) + payload + b"\xce")

    def _read(self) -> tuple[int, int]:
        """The method of the next frame."""
        head = self._socket.recv(7, socket.MSG_WAITALL)
        _, _, length = struct.unpack(">BHI", head)
        payload = self._socket.recv(length + 1, socket.MSG_WAITALL)
        found: tuple[int, int] = struct.unpack(">HH", payload[:4])
        return found


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


@dataclass
class RabbitMqTarget:
    """See `contract.Target`. `port` is the management API's, `amqp` the brokers' own."""

    folder: Path
    port: int
    amqp: int
    host: str = "127.0.0.1"
    kind = RabbitMq
    change_marker = b"PUT /api/users/app-"
    admin: Login = field(default_factory=lambda: Login("operator", random_password()))
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {"host": "http://x", "port": 0, "tls": "perhaps", "path_prefix": "/a/../b"}
    )
    made: list[str] = field(default_factory=list)

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port}

    def connector(self, username: str, *, timeout: float = TIMEOUT, **settings: Any) -> RabbitMq:
        given = {**self.settings(self.host, self.port), **settings}
        return RabbitMq(validated(RabbitMq, given), username, timeout=timeout)

    def make_login(self, password: Secret, tags: str = "management") -> str:
        return self.make(f"app-{secrets.token_hex(4)}", password, tags)

    def make(self, name: str, password: Secret, tags: str) -> str:
        self.ask("PUT", f"users/{quote(name, safe='')}", {"password": password.reveal(), "tags": tags})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.ask("PUT", f"permissions/%2F/{quote(name, safe='')}", everything)
        self.made.append(name)
        return name

    def drop_logins(self) -> None:
        while self.made:
            self.ask("DELETE", f"users/{quote(self.made.pop(), safe='')}")

    def user(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"users/{quote(name, safe='')}")
        return found

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """As the administrator."""
        credentials = f"{self.admin.username}:{self.admin.password.reveal()}".encode()
        request = urllib.request.Request(
            f"http://{self.host}:{self.port}/api/{path}", method=method,
            data=None if document is None else json.dumps(document).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(credentials).decode()}", "Content-Type": "application/json"
            },
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  # as above
            body = answer.read()
        return json.loads(body) if body else None

    def open_session(self, username: str, password: Secret) -> AmqpSession:
        """Returns once the server counts it."""
        path = f"connections/username/{quote(username, safe='')}"
        before = len(self.ask("GET", path))
        session = AmqpSession(self.host, self.amqp, username, password)
        assert until(lambda: len(self.ask("GET", path)) > before)
        return session

    def recorded(self, act: Callable[[], None]) -> str:
        """The access log of the management API, and the server's own at its most talkative."""
        before = len(self._logs())
        act()
        last = f"last-{secrets.token_hex(4)}"
        with suppress(urllib.error.HTTPError):
            self.ask("GET", f"users/{last}")
        assert until(lambda: last in self._logs())  # they are written in the order of the requests
        return self._logs()[before:]

    def answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("GET", "whoami"))
        return False

    def _logs(self) -> str:
        logs = [self.folder / "log", *sorted((self.folder / "http").glob("access.log.*"))]
        return "".join(path.read_text(errors="replace") for path in logs)


CONFIGURATION: Final = """
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {http}
management.http_log_dir = {folder}/http
default_user = {user}
default_pass = {password}
loopback_users = none
log.console = true
log.console.level = debug
log.file = false
"""


@contextmanager
def server() -> Iterator[RabbitMqTarget]:
    """A RabbitMQ with its management API, a node of its own with a cookie of its own, and no other node near it."""
    needs.program("rabbitmq-server", package=PACKAGE)
    epmd = needs.program("epmd", package="erlang-base")
    with private_folder("rabbitmq", ACCOUNT) as folder:
        target = RabbitMqTarget(folder, needs.free_port(), needs.free_port())
        configuration = CONFIGURATION.format(
            amqp=target.amqp, http=target.port, folder=folder, user=target.admin.username,
            password=target.admin.password.reveal(),
        )  # fmt: skip
        (folder / "rabbitmq.conf").write_text(configuration)
        (folder / "plugins").write_text("[rabbitmq_management].")
        environment = {
            "PATH": needs.SEARCH_PATH, "HOME": str(folder), "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": "cerby@localhost", "RABBITMQ_DIST_PORT": str(needs.free_port()),
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia", "RABBITMQ_LOG_BASE": f"{folder}/logs",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_ALLOW_INPUT": "1",  # becomes the node, is not its parent
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput +S 2", "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(needs.free_port()), "ERL_MAX_PORTS": "1024",
        }  # fmt: skip
        try:
            command, log = [*dropped(ACCOUNT), str(SERVER)], folder / "log"
            with running(command, log=log, answers=target.answers, environment=environment):
                yield target
        finally:  # the name service that the node started goes on by itself
            subprocess.run([epmd, "-kill"], env=environment, check=False, capture_output=True)
