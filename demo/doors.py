"""The targets' front doors: whether a password opens them. Real logins, each on a fresh connection."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import psycopg
import redis
from psycopg.conninfo import make_conninfo
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines import Addresses
from demo.targets import DATABASE

CALL_SECONDS: Final = 30
POLL_SECONDS: Final = 0.05


class Door(Protocol):
    """A login on a target."""

    name: str

    def opens(self, password: str) -> bool:
        """Whether a fresh login works. Raises the driver's error when the target cannot be asked."""


class Session(Protocol):
    """An open session of a login."""

    def is_alive(self) -> bool: ...


class DatabaseDoor:
    """A login role of the database `targets`."""

    def __init__(self, addresses: Addresses, role: str) -> None:
        self.name = f"PostgreSQL role {role}"
        self._where = make_conninfo(
            host=addresses.postgres_host, port=addresses.postgres_port, dbname=DATABASE, user=role,
            connect_timeout=CALL_SECONDS,
        )  # fmt: skip

    def opens(self, password: str) -> bool:
        try:
            psycopg.connect(self._where, password=password).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                return False
            raise
        return True

    def enter(self, password: str) -> "DatabaseSession":
        return DatabaseSession(psycopg.connect(self._where, password=password, autocommit=True))


class DatabaseSession:
    """Somebody still connected when the password changes."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def is_alive(self) -> bool:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


class CacheDoor:
    """An ACL user of the Valkey."""

    def __init__(self, addresses: Addresses, user: str) -> None:
        self.name = f"Valkey user {user}"
        self._where = (addresses.valkey_host, addresses.valkey_port, user)

    def opens(self, password: str) -> bool:
        host, port, user = self._where
        once = Retry(NoBackoff(), 0)
        with redis.Redis(
            host, port, username=user, password=password, socket_timeout=CALL_SECONDS, retry=once
        ) as client:
            try:
                client.ping()
            except redis.AuthenticationError:
                return False
        return True


def eventually(condition: Callable[[], bool], *, seconds: float, every: float = POLL_SECONDS) -> bool:
    """Whether the condition holds at some time within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
