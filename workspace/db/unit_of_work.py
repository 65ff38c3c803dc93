"""One unit of work for an act, however many verbs it takes. Nothing else in the product begins a transaction.

Django's `atomic` makes a savepoint at each level, and a savepoint is two more statements. A verb that is called by
another one joins its unit here: when it fails, the whole act fails. A part that may fail alone says so with
`savepoint`. What the verbs write down for the record is written at the unit's end, in one statement, with those
changes of rows that nothing in the unit has to find in the database; of a part that was rolled back nothing is written.

    @atomic()                    a transaction, or a part of the one that is open
    with savepoint():            a part that the unit survives
    with pipeline():             statements sent together, without a transaction of their own
    on_commit(tell)              once it is through
    roll_back()                  undo everything at the end, as a rehearsal does
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models, transaction

from workspace import statements

Row = TypeVar("Row", bound=models.Model)


class UnitOfWork:
    """A running unit. It remembers the rows that it has locked FOR UPDATE: nobody else can change these meanwhile."""

    def __init__(self) -> None:
        self._locked: dict[tuple[type[models.Model], Any], Any] = {}
        self._appended: list[models.Model] = []
        self._changed: dict[models.Model, set[str]] = {}

    def locked(self, row: Row) -> Row | None:
        """The row as this unit has locked it, None when it has not."""
        found: Row | None = self._locked.get((type(row), row.pk))
        return found

    def remember(self, row: Row) -> Row:
        self._locked[type(row), row.pk] = row
        return row

    def append(self, row: models.Model) -> None:
        self._appended.append(row)

    def change(self, row: models.Model, names: Iterable[str]) -> None:
        self._changed.setdefault(row, set()).update(names)

    def finish(self) -> None:
        """Write what was kept for the end."""
        statements.write_all(self._changed, self._appended)

    def forget(self) -> None:
        """Keep nothing of what was to be written."""
        self._appended.clear()
        self._changed.clear()

    def copy(self) -> "UnitOfWork":
        kept = UnitOfWork()
        kept._become(self)
        return kept

    def restore(self, former: "UnitOfWork") -> None:
        """Be as at the time of `copy`: a lock that was taken since is gone with its savepoint."""
        self._become(former)

    def _become(self, other: "UnitOfWork") -> None:
        self._locked, self._appended = dict(other._locked), list(other._appended)
        self._changed = {row: set(names) for row, names in other._changed.items()}


class _Running(threading.local):
    unit: UnitOfWork | None = None


_running = _Running()


@contextmanager
def atomic() -> Iterator[UnitOfWork]:
    """A transaction, or a part of the one that an outer `atomic` has begun. Also a decorator."""
    if _running.unit is not None:
        try:
            yield _running.unit
        except BaseException:
            transaction.set_rollback(True)
            raise
        return
    with _begun() as unit, transaction.atomic():
        yield unit
        unit.finish()


@contextmanager
def savepoint() -> Iterator[UnitOfWork]:
    """A part of a unit that may fail while the rest goes on; alone, a unit.

    When it fails, nothing of it is left: no row, no lock, and no record of what it did.
    """
    unit = _running.unit
    if unit is None:
        with atomic() as begun:
            yield begun
        return
    former = unit.copy()
    try:
        with transaction.atomic():
            yield unit
    except BaseException:
        unit.restore(former)
        raise


@contextmanager
def pipeline() -> Iterator[UnitOfWork]:
    """Statements of `workspace.statements` that are sent together, and what is appended as the last of them.

    There is no BEGIN and no COMMIT: PostgreSQL carries all of them out or none, as one implicit transaction (PostgreSQL
    documentation, "Pipeline Mode"). Results are read after it. Raises RuntimeError within another unit, which has a
    transaction already.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if _running.unit is not None or database.in_atomic_block:
        raise RuntimeError("A pipeline is a unit of work of its own: no other may be running.")
    database.ensure_connection()
    with _begun() as unit, database.wrap_database_errors, database.connection.pipeline():
        try:
            yield unit
            unit.finish()
        except BaseException:
            statements.run("ROLLBACK")  # what was sent already is undone before the pipeline ends and commits it
            raise


def on_commit(act: Callable[[], object], *, robust: bool = False) -> None:
    """Call this once the running unit is committed, at once without one; a failure of a `robust` one is only logged."""
    transaction.on_commit(act, robust=robust)


def roll_back() -> None:
    """Undo the running unit at its end, without an error: a rehearsal, or nothing was there to do."""
    transaction.set_rollback(True)
    if _running.unit is not None:
        _running.unit.forget()


def append(row: models.Model) -> None:
    """Save a new row that nothing in the running unit reads or refers to: at its end, in one statement with others.

    Without a running unit it is saved at once, and has its key.
    """
    if _running.unit is None:
        statements.insert(row)
    else:
        _running.unit.append(row)


def change(row: models.Model, *names: str) -> None:
    """Save these fields of a row that the running unit has locked, as they are at its end, in one statement with its
    records: nothing in the unit may look for them in the database. Without such a unit they are saved at once."""
    if _running.unit is None or _running.unit.locked(row) is not row:
        statements.update(row, *names)
    else:
        _running.unit.change(row, names)


def remember_locked(row: Row) -> Row:
    """The same row; the running unit, if there is one, knows that it is locked."""
    return row if _running.unit is None else _running.unit.remember(row)


def already_locked(row: Row) -> Row | None:
    """The row as the running unit has locked it."""
    return None if _running.unit is None else _running.unit.locked(row)


@contextmanager
def _begun() -> Iterator[UnitOfWork]:
    _running.unit = UnitOfWork()
    try:
        yield _running.unit
    finally:
        _running.unit = None
