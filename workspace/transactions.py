"""One transaction for an act, however many verbs it takes.

Django's `atomic` makes a savepoint at each level, and a savepoint is two more statements. A verb that is called by
another one joins it here: when it fails, the whole act fails, which is what every caller of ours wants anyway. What
the verbs write down for the record is written at the act's end, in one statement, with those changes of rows that
nothing in the act has to find in the database.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import models, transaction

from workspace import statements

Row = TypeVar("Row", bound=models.Model)


class Act:
    """A running act. It remembers the rows that it has locked FOR UPDATE: nobody else can change these meanwhile."""

    def __init__(self) -> None:
        self._locked: dict[tuple[type[models.Model], Any], Any] = {}
        self._appended: list[models.Model] = []
        self._changed: dict[models.Model, set[str]] = {}

    def locked(self, row: Row) -> Row | None:
        """The row as this act has locked it, None when it has not."""
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
        statements.write_all(self._changed, self._appended)


class _Running(threading.local):
    act: Act | None = None


_running = _Running()


@contextmanager
def atomic() -> Iterator[Act]:
    """A transaction, or a part of the one that an outer `atomic` of this module has begun. Also a decorator."""
    if _running.act is not None:
        try:
            yield _running.act
        except BaseException:
            transaction.set_rollback(True)
            raise
        return
    _running.act = Act()
    try:
        with transaction.atomic():
            yield _running.act
            _running.act.finish()
    finally:
        _running.act = None


def append(row: models.Model) -> None:
    """Save a new row that nothing in the running act reads or refers to: at its end, in one statement with others.

    Without a running act it is saved at once, and has its key.
    """
    if _running.act is None:
        statements.insert(row)
    else:
        _running.act.append(row)


def change(row: models.Model, *names: str) -> None:
    """Save these fields of a row that the running act has locked, as they are at its end, in one statement with its
    records: nothing in the act may look for them in the database. Without such an act they are saved at once."""
    if _running.act is None or _running.act.locked(row) is not row:
        statements.update(row, *names)
    else:
        _running.act.change(row, names)


def remember_locked(row: Row) -> Row:
    """The same row; the running act, if there is one, knows that it is locked."""
    return row if _running.act is None else _running.act.remember(row)


def already_locked(row: Row) -> Row | None:
    """The row as the running act has locked it."""
    return None if _running.act is None else _running.act.locked(row)
