"""Whether SCIM can be served, and what else an operator has to know, within two seconds whatever hangs.

Each look has a thread of its own with a connection of its own. One that does not come back in time is answered for, and
nobody asks again until it did.
"""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, Final

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from cerby.request_threads import REQUEST_THREADS
from rotation.models import Exposure, Offboarding, RotationJob
from scim.models import ProvisioningEvent, ScimToken
from workspace import heartbeats, key_ids, statements
from workspace.heartbeats import Process
from workspace.models import (
    Account,
    ApiKey,
    AuditEvent,
    Grant,
    SecretVersion,
    Session,
    Team,
    TeamMembership,
    User,
    Workspace,
)

OK: Final = "ok"
UNAVAILABLE: Final = "unavailable"
UNKNOWN: Final = "unknown"
ANSWER_SECONDS: Final = 2.0
STUCK_SECONDS: Final = 10
KEYS_SECONDS: Final = 30

# What a departure that is told over SCIM reads and writes. One that this release does not find ends no access.
_NEEDED: Final = (
    ScimToken, ProvisioningEvent, Workspace, User, Team, TeamMembership, Session, ApiKey, AuditEvent, Account, Grant,
    SecretVersion, Offboarding, Exposure, RotationJob,
)  # fmt: skip

Checks = dict[str, str]


@dataclass(frozen=True)
class Report:
    """`checks` by name: ok, or one or two words for what is wrong."""

    checks: Checks

    @property
    def can_serve(self) -> bool:
        """The database, and threads to ask it. All else can be missing, and a person's access still ends."""
        return self.checks["database"] == self.checks["threads"] == OK


def report() -> Report:
    """Look at everything at once."""
    deadline = time.monotonic() + ANSWER_SECONDS
    asked = [(watch, watch.ask()) for watch in _WATCHES]
    found = {"threads": OK if REQUEST_THREADS.stuck_seconds() < STUCK_SECONDS else "stuck"}
    for watch, answer in asked:
        found |= watch.answered(answer, deadline)
    return Report(found)


def close() -> None:
    """Give back what the looks keep: the connection to the database."""
    for watch in (_DATABASE, _SCHEMA):
        watch.run(lambda: connection.close()).result(ANSWER_SECONDS)


class _Watch:
    """Looks at one thing, in a thread of its own that starts with the first look."""

    def __init__(self, look: Callable[[], Checks], otherwise: Checks) -> None:
        self._look, self._otherwise = look, otherwise
        self._mutex = threading.Lock()
        self._wanted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running: Future[Checks] | None = None

    def ask(self) -> "Future[Checks]":
        """A look that is under way, or a new one."""
        with self._mutex:
            if self._running is None or self._running.done():
                self._running = self._start(self._look)
            return self._running

    def run(self, act: Callable[[], None]) -> "Future[None]":
        with self._mutex:
            return self._start(act)

    def answered(self, answer: "Future[Checks]", deadline: float) -> Checks:
        try:
            return answer.result(max(deadline - time.monotonic(), 0))
        except TimeoutError:
            return self._otherwise

    def _start(self, act: Callable[[], Any]) -> "Future[Any]":
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="readiness", daemon=True)
            self._thread.start()
        future: Future[Any] = Future()
        self._wanted.put(partial(_fulfil, future, act))
        return future

    def _serve(self) -> None:
        while True:
            self._wanted.get()()


def _fulfil(future: "Future[Any]", act: Callable[[], Any]) -> None:
    try:
        future.set_result(act())
    except Exception as error:
        future.set_exception(error)


def _look_at_database() -> Checks:
    return _asked(lambda: {"database": _database()}) or _NO_DATABASE


def _look_at_schema() -> Checks:
    """What does not decide whether SCIM can be served has a connection of its own, and may take its time."""
    return _asked(lambda: {"migrations": _or_unknown(_migrations), "keys": _or_unknown(_keys)}) or _NO_SCHEMA


def _asked(look: Callable[[], Checks]) -> Checks | None:
    """A kept connection may have died since the last look, so there are two tries; None when both fail."""
    for _ in range(2):
        try:
            return look()
        except (OperationalError, InterfaceError):
            connection.close()
    return None


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        is_read_only = cursor.fetchone() == ("on",)
    return "read-only" if is_read_only else _tables()


def _tables() -> str:
    try:
        for model in _NEEDED:
            statements.every(model, "LIMIT 0", ())
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        return "tables missing"
    return OK


def _or_unknown(look: Callable[[], str]) -> str:
    """What the others say counts, where this one's tables are not there yet."""
    try:
        return look()
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        return UNKNOWN


def _migrations() -> str:
    """Whether every migration of this release was applied."""
    return OK if _released() <= MigrationRecorder(connection).applied_migrations().keys() else "unapplied"


@cache
def _released() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


def _keys() -> str:
    """Whether the keys that the stored secrets name are all here; what is missing shows at once, what is not is
    believed for a while."""
    global _keys_held_until
    if time.monotonic() < _keys_held_until:
        return OK
    if not key_ids.are_all_held():
        return "missing"
    _keys_held_until = time.monotonic() + KEYS_SECONDS
    return OK


def _look_at_broker() -> Checks:
    try:
        heard = heartbeats.heard()
    except redis.RedisError:
        return _NO_BROKER
    return {
        "broker": OK,
        "workers": OK if Process.WORKER in heard else "missing",
        "scheduler": OK if Process.SCHEDULER in heard else "missing",
    }


def _look_at_disk() -> Checks:
    try:
        free = shutil.disk_usage(settings.HOME).free
    except OSError:
        return _NO_DISK
    return {"disk": OK if free >= settings.DISK_FREE_MIB * 1024 * 1024 else "nearly full"}


_keys_held_until = 0.0
_NO_DATABASE: Final = {"database": UNAVAILABLE}
_NO_SCHEMA: Final = {"migrations": UNKNOWN, "keys": UNKNOWN}
_NO_BROKER: Final = {"broker": UNAVAILABLE, "workers": UNKNOWN, "scheduler": UNKNOWN}
_NO_DISK: Final = {"disk": UNKNOWN}
_DATABASE: Final = _Watch(_look_at_database, _NO_DATABASE)
_SCHEMA: Final = _Watch(_look_at_schema, _NO_SCHEMA)
_WATCHES: Final = (_DATABASE, _SCHEMA, _Watch(_look_at_broker, _NO_BROKER), _Watch(_look_at_disk, _NO_DISK))
