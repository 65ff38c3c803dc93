"""What is typed into a log's search box, as ids: of people, teams, accounts and tokens of the visitor's workspace.

A log has no names in it. Names are looked up first, a few of them, each kind through its index; events are found by the
ids, so that 1,000,000 of them are not read.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from workspace.admin.base import visitor
from workspace.identifiers import parse_uuid
from workspace.models import Account, Team, User, words

MOST: Final = 10
Finder = Callable[[QuerySet[Any], str], list[UUID]]
_KINDS: Final[dict[Any, Finder]] = {}


def search_names_of(model: Any, *columns: str) -> None:
    """Let logs be searched by what these columns of a model say. There is an index of their words, or few rows."""
    _KINDS[model] = lambda rows, text: _having(rows, text, *columns)


def ids_of(request: HttpRequest, text: str) -> list[UUID]:
    """The ids of what is called so, at most MOST of each kind; the visitor is told when there are more."""
    if known := parse_uuid(text):
        return [known]
    workspace = visitor(request).workspace
    ids: list[UUID] = []
    for model, find in _KINDS.items():
        found = find(model.objects.all() if workspace is None else model.objects.for_workspace(workspace), text)
        if len(found) > MOST:
            _tell(request, model._meta.verbose_name_plural, text)
        ids += found[:MOST]
    return ids


def _people(rows: QuerySet[Any], text: str) -> list[UUID]:
    """Whoever is called exactly so; those with such names only where nobody is."""
    for exact in (rows.named(text), rows.exclude(email="").with_email(text)):  # type: ignore[attr-defined]  # its own
        if found := list(exact.values_list("pk", flat=True)[: MOST + 1]):
            return found
    return _having(rows, text, *User.NAMES)


def _having(rows: QuerySet[Any], text: str, *columns: str) -> list[UUID]:
    matching = words.having(text, *columns)
    if matching is None:
        return []
    sql, params = rows.filter(matching).values_list("pk").query.sql_with_params()
    # Materialized, or the limit would make PostgreSQL hope to come upon them soon in a scan of the whole table.
    few = f"WITH found (id) AS MATERIALIZED ({sql}) SELECT id FROM found LIMIT %s"  # noqa: S608  # the ORM's own
    with connection.cursor() as cursor:
        cursor.execute(few, [*params, MOST + 1])
        return [row[0] for row in cursor.fetchall()]


def _tell(request: HttpRequest, kind: object, text: str) -> None:
    more = f"More than {MOST} {kind} are called like “{text}”."
    messages.warning(request, f"{more} Listed is what is about {MOST} of them: type more of the name.")


_KINDS[User] = _people
search_names_of(Team, "display_name")
search_names_of(Account, "name", "username")
