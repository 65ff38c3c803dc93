"""Rows read and written by fixed statements, for what every SCIM request does.

Django's ORM composes the SQL of a query anew each time, and its cursors put the values into the text, so that the
database parses and plans it anew as well. Here a statement is a constant: prepared once on each connection, values
and results in binary. A model's columns are spelled once; signals are not sent, since nobody listens.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.base import ModelState
from django.db.utils import InterfaceError, OperationalError
from psycopg.pq import Format
from psycopg.types.json import Jsonb

Row = TypeVar("Row", bound=models.Model)
Params = Sequence[Any] | Mapping[str, Any]

# What psycopg writes into a column as it stands.
_PLAIN: Final = (
    models.BooleanField, models.CharField, models.DateTimeField, models.IntegerField, models.TextField,
    models.UUIDField,
)  # fmt: skip


AT_ONCE: Final = 500
"""New rows of one statement: PostgreSQL's protocol counts its parameters with 16 bits."""


class _Kept(threading.local):
    cursor: "psycopg.Cursor[Any] | None" = None


_kept = _Kept()


class Columns(Generic[Row]):
    """The columns of a model's table, under an alias: `sql` for the SELECT, `row` for what came back."""

    def __init__(self, model: type[Row], alias: str) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.sql = ", ".join(_selected(field, alias) for field in fields)
        self.names = [field.attname for field in fields]
        self.key = fields.index(model._meta.pk)

    def row(self, values: Sequence[Any]) -> Row:
        """An instance as the ORM would make it, without its `__init__`, which takes as long as the SELECT. `values`
        may go on with what else was selected."""
        row = self.model.__new__(self.model)
        row.__dict__.update(zip(self.names, values, strict=False), _state=ModelState())
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        return row


def _selected(field: Any, alias: str) -> str:
    """An address as text, which is what Django makes of one; psycopg would make an object of it."""
    column = f'{alias}."{field.column}"'
    return f"host({column})" if isinstance(field, models.GenericIPAddressField) else column


@cache
def columns(model: type[Row], alias: str = "t") -> Columns[Row]:
    return Columns(model, alias)


def run(sql: str, params: Params = ()) -> "psycopg.Cursor[Any]":
    """Execute a constant statement, never one with input in its text; the cursor with its result."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    database.close_if_health_check_failed()
    database.ensure_connection()
    database.validate_no_broken_transaction()
    cursor = _cursor(database.connection)
    if database.queries_logged or database.execute_wrappers:  # a test that counts, or an instrument, looks on
        with database.make_debug_cursor(cursor).debug_sql(sql, params):
            database.make_cursor(cursor).execute(sql, params)
    else:
        with database.wrap_database_errors:
            cursor.execute(sql, params, prepare=True)
    return cursor


def _cursor(connection: "psycopg.Connection[Any]") -> "psycopg.Cursor[Any]":
    """The thread's own: to make one takes a quarter of the time of a statement, whose rows are read before the next."""
    cursor = _kept.cursor
    if cursor is None or cursor.connection is not connection:
        cursor = _kept.cursor = psycopg.Cursor(connection)
        cursor.format = Format.BINARY
    return cursor


def rows(sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
    """All rows of a constant SELECT, or of what a constant statement returns."""
    return run(sql, params).fetchall()


def first(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    """The first row as a tuple, None without one."""
    return run(sql, params).fetchone()


def greeting(sql: str, params: Params = ()) -> tuple[Any, ...] | None:
    """`first` for the SELECT that a request begins with, in the place of a health check: should the connection have
    died since the last request, it is opened anew and the question asked again."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    is_kept = database.connection is not None and not database.health_check_done and not database.in_atomic_block
    database.health_check_done = True
    try:
        return first(sql, params)
    except (OperationalError, InterfaceError):
        if not is_kept:
            raise
    database.close()
    return first(sql, params)


def one(model: type[Row], rest: str, params: Params) -> Row | None:
    """The first row of `SELECT … FROM <table> AS t <rest>`; `rest` is a constant of the caller's, never input."""
    return next(iter(every(model, rest, params)), None)


def every(model: type[Row], rest: str, params: Params) -> list[Row]:
    """All rows of `SELECT … FROM <table> AS t <rest>`; `rest` is a constant of the caller's, never input."""
    wanted = columns(model)
    found = rows(f'SELECT {wanted.sql} FROM "{model._meta.db_table}" AS t {rest}', params)  # noqa: S608
    return [wanted.row(values) for values in found]


def array(ids: Iterable[UUID]) -> str:
    """Thousands of ids as PostgreSQL reads them (`%s::uuid[]`), in a quarter of the time that psycopg takes."""
    return "{" + ",".join([each.hex for each in ids]) + "}"


def joined(sql: str, params: Params, *parts: Columns[Any]) -> list[Any] | None:
    """The first row of a constant SELECT of all these columns: an instance for each, None where a LEFT JOIN found none;
    None without a row."""
    values = first(sql, params)
    return None if values is None else _split(values, parts)


def _split(values: Sequence[Any], parts: Sequence[Columns[Any]]) -> list[Any]:
    found, place = [], 0
    for part in parts:
        found.append(part.row(values[place:]) if values[place + part.key] is not None else None)
        place += len(part.names)
    return found


def new(model: type[Row], **values: Any) -> Row:
    """A row to be saved, as the model makes it of these values by column, in a tenth of the time."""
    row = model.__new__(model)
    row.__dict__.update({name: values[name] if name in values else default() for name, default in _defaults(model)})
    row._state = ModelState()
    return row


@cache
def _defaults(model: type[models.Model]) -> list[tuple[str, Callable[[], Any]]]:
    return [(field.attname, field.get_default) for field in model._meta.concrete_fields]


def insert(row: models.Model) -> None:
    """Save a new row; a key that the database gives is put on it."""
    if not insert_unless_taken(row, ""):
        raise AssertionError("An INSERT returns its row.")


def insert_unless_taken(row: models.Model, otherwise: str = "ON CONFLICT DO NOTHING") -> bool:
    """The same, unless a unique value of the row is another row's already; whether it was saved."""
    written = _written(type(row))
    key = first(f"{written.insert} {written.places} {otherwise} RETURNING {written.key}", written.values(row))
    if key is None:
        return False
    row.pk, row._state.adding, row._state.db = key[0], False, DEFAULT_DB_ALIAS
    return True


def write_all(changed: Mapping[models.Model, Iterable[str]], new: Sequence[models.Model]) -> None:
    """Save these fields of rows, and new rows, of several tables even, in one statement for each AT_ONCE of the new.
    Keys that the database gives stay there."""
    _write_part(changed, new[:AT_ONCE])
    for start in range(AT_ONCE, len(new), AT_ONCE):
        _write_part({}, new[start : start + AT_ONCE])


def _write_part(changed: Mapping[models.Model, Iterable[str]], new: Sequence[models.Model]) -> None:
    updates = tuple((type(row), tuple(sorted(names))) for row, names in changed.items())
    counts = Counter(type(row) for row in new)
    values = [
        value for row, (model, names) in zip(changed, updates, strict=True)
        for value in (*_written(model, *names).values(row), row.pk)
    ]  # fmt: skip
    values += [value for model in counts for row in new if type(row) is model for value in _written(model).values(row)]
    if values:
        run(_write_all(updates, tuple(counts.items())), values)
    for row in new:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update(row: models.Model, *names: str) -> None:
    """Save these fields of a row."""
    written = _written(type(row), *names)
    run(written.update, [*written.values(row), row.pk])


class _Written:
    """How rows of a model are written: all fields but the key that the database gives, or those named."""

    def __init__(self, model: type[models.Model], *names: str) -> None:
        fields: list[Any] = [
            field
            for field in model._meta.concrete_fields
            if (field.name in names if names else not isinstance(field, models.AutoField))
        ]
        table, self.key = f'"{model._meta.db_table}"', f'"{model._meta.pk.column}"'
        columns = [f'"{field.column}"' for field in fields]
        self.insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
        self.places = f"({', '.join(['%s'] * len(fields))})"
        changes = ", ".join(f"{column} = %s" for column in columns)
        self.update = f"UPDATE {table} SET {changes} WHERE {self.key} = %s"  # noqa: S608  # constants
        self._readers = [_reader(field) for field in fields]

    def values(self, row: models.Model) -> list[Any]:
        return [read(row) for read in self._readers]


@cache
def _written(model: type[models.Model], *names: str) -> _Written:
    return _Written(model, *names)


@lru_cache(maxsize=512)
def _write_all(
    updates: tuple[tuple[type[models.Model], tuple[str, ...]], ...], counts: tuple[tuple[type[models.Model], int], ...]
) -> str:
    """All but the last as parts of a WITH, which the database carries out whether or not they are read."""
    writes = [_written(model, *names).update for model, names in updates]
    writes += [f"{_written(model).insert} {', '.join([_written(model).places] * count)}" for model, count in counts]
    parts = ", ".join(f"part{number} AS ({write})" for number, write in enumerate(writes[:-1]))
    return f"WITH {parts} {writes[-1]}" if parts else writes[-1]


def _reader(field: Any) -> Callable[[models.Model], Any]:
    """What is written of a row into one column: as it stands, or as the field converts it."""
    target = field.target_field if field.remote_field else field
    if isinstance(target, _PLAIN):
        return attrgetter(field.attname)
    if isinstance(target, models.JSONField) and target.encoder is None:
        return lambda row: None if (value := getattr(row, field.attname)) is None else Jsonb(value)
    return lambda row: field.get_db_prep_save(getattr(row, field.attname), connections[DEFAULT_DB_ALIAS])
