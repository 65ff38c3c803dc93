"""Many rows of one table in one statement: a parameter a column, with all its values as an array.

`bulk_create` makes an object of each row and a piece of SQL of each value, which takes seconds at 10,000 rows; a
departure may have that many to write while somebody waits for the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection, models
from uuid_utils.compat import uuid7

from workspace import statements

IGNORE: Final = "ON CONFLICT DO NOTHING"
NEXT_KEY: Final = "overlay(%(first_key)s::text PLACING lpad(to_hex(row_number() OVER ()), 8, '0') FROM 29)::uuid"
"""SQL: keys that follow one of `first_key`'s, row by row (RFC 9562, section 6.2, method 2). Random ones take PostgreSQL
five times as long, and are inserted all over the index."""


def insert(
    model: type[models.Model], each: Mapping[str, Sequence[Any]], *, otherwise: str = "", **shared: Any
) -> int:
    """Write as many rows as the columns of `each` are long, with what is `shared` by all; how many were written.

    Names are columns'. What is not given has the field's default; keys are made here. `otherwise` is what SQL does
    with a row that collides, a constant of the caller's.
    """
    number = len(next(iter(each.values())))
    if not number:
        return 0
    fields: list[Any] = [field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)]
    lists = {field.column: _type(field) for field in fields if _is_own(field, each, shared)}
    made = {field.column: [uuid7() for _ in range(number)] for field in fields if field.primary_key}
    names = ", ".join(f'"{field.column}"' for field in fields)
    picked = ", ".join(f'new."{field.column}"' if field.column in lists else f"%s::{_type(field)}" for field in fields)
    arrays = ", ".join(f"%s::{kind}[]" for kind in lists.values())
    aliases = ", ".join(f'"{column}"' for column in lists)
    sql = (
        f'INSERT INTO "{model._meta.db_table}" ({names})'  # noqa: S608  # names of columns only
        f" SELECT {picked} FROM unnest({arrays}) AS new ({aliases}) {otherwise}"
    )
    once = [_value(field, shared) for field in fields if field.column not in lists]
    return statements.run(sql, [*once, *(list(each.get(column) or made[column]) for column in lists)]).rowcount


def _is_own(field: Any, each: Mapping[str, Sequence[Any]], shared: Mapping[str, Any]) -> bool:
    """Whether each row has a value of its own in this column."""
    return field.column in each or (field.primary_key and field.column not in shared)


def _value(field: Any, shared: Mapping[str, Any]) -> Any:
    value = shared[field.column] if field.column in shared else field.get_default()
    return field.get_db_prep_save(value, connection)


def _type(field: Any) -> str:
    """The column's type without its length, which the table enforces."""
    target = field.target_field if field.remote_field else field
    return "text" if isinstance(target, models.CharField) else str(target.db_type(connection))


def first_key() -> str:
    """What NEXT_KEY counts on from."""
    return str(uuid7())
