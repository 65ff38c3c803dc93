"""Targets that their owner wrote to harm this machine: that never stop talking, or say what no such server says."""

import hashlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.dial import MAX_ANSWER_BYTES
from rotation.connectors.ldap import Ldap
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.postgres import Postgres
from rotation.connectors.redis_acl import RedisAcl
from tests.rotation.connectors.listener import Listener
from tests.rotation.connectors.scripted_mysql import ScriptedMySql
from tests.waiting import PATIENCE
from workspace.crypto import Secret

OLD, NEW, ADMIN = Secret("the-old-password"), Secret("the-new-password"), Login("admin", Secret("the-admins-password"))
DIGEST: Final = hashlib.sha256(NEW.reveal().encode()).hexdigest().encode()


class Talker(Listener):
    """Answers each message with the next of the `answers`; says `flood` again and again after the last. `sent` is how
    many bytes of that were taken.
    """

    def __init__(self, *answers: bytes, flood: bytes = b"") -> None:
        super().__init__()
        self._answers, self._flood = answers, flood
        self.sent = 0

    def converse(self, client: socket.socket) -> None:
        for answer in self._answers:
            if not client.recv(65536):
                return
            client.sendall(answer)
        while self._flood:
            self.sent += client.send(self._flood)
        client.recv(65536)


@contextmanager
def redis_at(*answers: bytes, flood: bytes = b"") -> Iterator[tuple[RedisAcl, Talker]]:
    with Talker(*answers, flood=flood) as server:
        settings = validated(RedisAcl, {"host": "127.0.0.1", "port": server.port, "save": False})
        yield RedisAcl(settings, "app", timeout=PATIENCE), server


def is_unreachable(call: Callable[[], object], words: str | None = None) -> None:
    with pytest.raises(TargetError, match=words) as failure:
        call()
    assert failure.value.kind is FailureKind.UNREACHABLE


# Without end

LOUDER: Final = 16 * MAX_ANSWER_BYTES
"""More than lies in the buffers of the network by the time nobody listens any more."""


@pytest.mark.parametrize(
    ("start", "flood"), [(b"$5000000000\r\n", b"x"), (b"*5000000\r\n", b"$3\r\nabc\r\n"), (b"+", b"x")]
)
def test_a_redis_that_never_stops_talking_is_not_listened_to(start: bytes, flood: bytes) -> None:
    with redis_at(start, flood=flood * 4096) as (connector, server):
        is_unreachable(lambda: connector.verify(OLD), f"more than {MAX_ANSWER_BYTES} bytes")
        assert server.sent < LOUDER


def test_a_directory_that_never_stops_talking_is_not_listened_to() -> None:
    """A search may be answered by any number of entries, each of a permitted length."""
    bound = bytes.fromhex("300c02010161070a010004000400")
    entry = bytes.fromhex("3009020102640404003000")
    with Talker(bound, b"", flood=entry * 4096) as server:
        settings = validated(Ldap, {"host": "127.0.0.1", "port": server.port, "tls": "none"})
        connector = Ldap(settings, "uid=app,dc=example,dc=org", timeout=PATIENCE)
        is_unreachable(lambda: connector.change(NEW, current=None, admin=ADMIN), "more entries than asked for")
        assert server.sent < LOUDER


def test_a_mariadb_that_never_stops_talking_is_not_listened_to() -> None:
    with ScriptedMySql(answer=lambda _: [["x" * 250]] * 40_000) as server:
        settings = validated(MariaDb, {"host": "127.0.0.1", "port": server.port, "ssl_mode": "disabled"})
        connector = MariaDb(settings, "app", timeout=PATIENCE)
        is_unreachable(lambda: connector.change(NEW, current=None, admin=ADMIN), f"more than {MAX_ANSWER_BYTES} bytes")


PG_ASKS: Final = b"R\0\0\0\x0c\0\0\0\x05salt"  # AuthenticationMD5Password
PG_ACCEPTS: Final = b"R\0\0\0\x08\0\0\0\0"
PG_READY: Final = b"Z\0\0\0\x05I"
PG_COLUMN: Final = b"T\0\0\0\x1a\0\x01a\0" + bytes(12) + b"\xff\xff" + bytes(4)
PG_ROW: Final = b"D\0\0\0\x0d\0\x01\0\0\0\x03abc"
PG_SETTING: Final = b"S\0\0\0\x08a\0b\0"


@pytest.mark.parametrize(
    ("answers", "flood"),
    [
        ((PG_ASKS, PG_ACCEPTS), PG_SETTING * 4096),
        ((PG_ASKS, PG_ACCEPTS + PG_READY, PG_COLUMN), PG_ROW * 4096),
        ((PG_ASKS, PG_ACCEPTS + PG_READY, PG_COLUMN + b"D\x3f\0\0\0\0\x01"), b"x" * 65536),
    ],
    ids=["settings", "rows", "one row"],
)
def test_a_postgres_that_never_stops_talking_is_not_listened_to(answers: tuple[bytes, ...], flood: bytes) -> None:
    with Talker(*answers, flood=flood) as server:
        settings = validated(Postgres, {"host": "127.0.0.1", "port": server.port, "sslmode": "disable"})
        connector = Postgres(settings, "app", timeout=PATIENCE)
        is_unreachable(lambda: connector.change(NEW, current=None, admin=ADMIN), f"more than {MAX_ANSWER_BYTES} bytes")
        assert server.sent < LOUDER


# Nonsense


@pytest.mark.parametrize(
    "answer", [b"$abc\r\n", b":x\r\n", b"*x\r\n", b"*1\r\n" * 5000, b"$" + b"9" * 5000 + b"\r\n", b"$-7\r\n", b"\0\r\n"]
)
def test_what_no_redis_says_is_unreachable(answer: bytes) -> None:
    with redis_at(answer) as (connector, _):
        is_unreachable(lambda: connector.close_sessions(new=NEW, admin=ADMIN))


OK: Final = b"+OK\r\n"
USER: Final = b"*4\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$9\r\npasswords\r\n*1\r\n$64\r\n" + DIGEST + b"\r\n"


USERS: Final = [
    b":1\r\n", b"$2\r\nno\r\n", b"*1\r\n+x\r\n", b"*2\r\n+x\r\n+y\r\n", USER.replace(b"*1\r\n$64", b":1\r\n$64")
]  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_a_redis_that_describes_no_user_is_unreachable(user: bytes) -> None:
    with redis_at(OK, user) as (connector, _):
        is_unreachable(lambda: connector.change(NEW, current=None, admin=ADMIN), "does not speak")
    with redis_at(OK, user) as (connector, _):
        is_unreachable(lambda: connector.retire(OLD, new=NEW, admin=ADMIN), "does not speak")


@pytest.mark.parametrize("answers", [(b"+many\r\n",), (b"*0\r\n",), (b":0\r\n", b":1\r\n")])
def test_a_redis_that_counts_no_sessions_is_unreachable(answers: tuple[bytes, ...]) -> None:
    with redis_at(OK, *answers) as (connector, _):
        is_unreachable(lambda: connector.close_sessions(new=NEW, admin=ADMIN), "does not speak")


def test_a_redis_that_does_speak_is_understood() -> None:
    """Else the answers above would be refused for another reason than theirs."""
    answers: list[Any] = [OK, b":2\r\n", b"$20\r\n# Server\r\nrole:master\r\n"]
    with redis_at(*answers) as (connector, _):
        assert connector.close_sessions(new=NEW, admin=ADMIN).sessions == 2
