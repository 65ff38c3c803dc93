"""Any list of the console as a file: all rows that its search and filters leave, in its order, as CSV.

A cell says what the list's column says, in plain words; times are ISO 8601. A cell that a spreadsheet would take for a
formula is made text, because names in it were chosen by other people.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import unescape
from typing import Any, Final

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import Field, QuerySet
from django.http import StreamingHttpResponse
from django.utils.html import strip_tags

from workspace.admin.parts import NOTHING

ROWS_AT_A_TIME: Final = 500
_TIME: Final = re.compile(r'<time\b[^>]*?\bdatetime="([^"]*)"[^>]*>.*?</time>', re.DOTALL)
_BREAK: Final = re.compile(r"<br\s*/?>")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARK: Final = "\ufeff"  # by which Excel knows UTF-8


def answer(rows: QuerySet[Any], columns: Sequence[str], model_admin: Any, *, name: str) -> StreamingHttpResponse:
    """The file, written while it is read. `columns` are names as in `list_display`."""
    response = StreamingHttpResponse(_lines(rows, columns, model_admin), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def plain(value: Any) -> str:
    """What a cell of a list says, without its dress."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    if hasattr(value, "__html__"):
        text = unescape(strip_tags(_BREAK.sub(" ", _TIME.sub(r"\1", text))))
    text = " ".join(text.split())
    return "" if text == NOTHING else text


def harmless(text: str) -> str:
    """A cell that no spreadsheet calculates."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Line:
    """The writer writes into this, and gets back the line."""

    def write(self, line: str) -> str:
        return line


def _lines(rows: QuerySet[Any], columns: Sequence[str], model_admin: Any) -> Iterator[str]:
    write = csv.writer(_Line()).writerow
    names = [str(label_for_field(column, model_admin.model, model_admin) or column) for column in columns]
    yield _MARK + str(write(harmless(name.strip()) for name in names))
    for row in rows.iterator(chunk_size=ROWS_AT_A_TIME):
        yield str(write(harmless(_cell(row, column, model_admin)) for column in columns))


def _cell(row: Any, column: str, model_admin: Any) -> str:
    field, _, value = lookup_field(column, row, model_admin)
    if isinstance(field, Field) and field.choices:
        value = getattr(row, f"get_{field.name}_display")()
    return plain(value)
