"""Rows read and written by fixed statements, for what every SCIM request does.

Django's ORM composes the SQL of a query anew each time, which takes several times as long as the database takes to
answer it. Here a model's columns are spelled once, and the statement is text. Values are converted by the model's own
fields, both ways; signals are not sent, since nobody listens.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)


class Columns(Generic[Row]):
    """The columns of a model's table, under an alias: `sql` for the SELECT, `row` for what came back."""

    def __init__(self, model: type[Row], alias: str) -> None:
        fields = model._meta.concrete_fields
        self.model = model
        self.sql = ", ".join(f'{alias}."{field.column}"' for field in fields)
        self.names = [field.attname for field in fields]
        self._json = [place for place, field in enumerate(fields) if isinstance(field, models.JSONField)]

    def row(self, values: Sequence[Any]) -> Row:
        """An instance as the ORM would make it. `values` may go on with another model's columns."""
        found = list(values[: len(self.names)])
        for place in self._json:
            found[place] = None if found[place] is None else json.loads(found[place])
        return self.model.from_db(connection.alias, self.names, found)


@cache
def columns(model: type[Row], alias: str = "t") -> Columns[Row]:
    return Columns(model, alias)


def one(model: type[Row], rest: str, params: Sequence[Any]) -> Row | None:
    """The first row of `SELECT … FROM <table> AS t <rest>`; `rest` is a constant of the caller's, never input."""
    return next(iter(every(model, rest, params)), None)


def every(model: type[Row], rest: str, params: Sequence[Any]) -> list[Row]:
    """All rows of `SELECT … FROM <table> AS t <rest>`; `rest` is a constant of the caller's, never input."""
    wanted = columns(model)
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT {wanted.sql} FROM "{model._meta.db_table}" AS t {rest}', params)  # noqa: S608
        return [wanted.row(values) for values in cursor.fetchall()]


def first(sql: str, params: Sequence[Any]) -> Any:
    """The first row as a tuple, None without one."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()


def insert(row: models.Model) -> None:
    """Save a new row; a key that the database gives is put on it."""
    fields, sql = _insert(type(row))
    with connection.cursor() as cursor:
        cursor.execute(sql, [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields])
        row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, connection.alias


def update(row: models.Model, *names: str) -> None:
    """Save these fields of a row."""
    fields, sql = _update(type(row), names)
    values = [field.get_db_prep_save(field.pre_save(row, False), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, row.pk])


@cache
def _insert(model: type[models.Model]) -> tuple[list[Any], str]:
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    key = model._meta.pk.column
    return fields, f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING "{key}"'  # noqa: S608


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    fields = [model._meta.get_field(name) for name in names]
    changes = ", ".join(f'"{field.column}" = %s' for field in fields)  # type: ignore[union-attr]
    key = model._meta.pk.column
    return fields, f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{key}" = %s'  # noqa: S608
