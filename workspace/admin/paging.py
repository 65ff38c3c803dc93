"""Lists of any length: counted to a limit and no further, and found by keys that have an index each.

PostgreSQL visits every row that it counts, and where a condition has several ways to hold it reads all that any of them
leaves. Here a page of 1,000,000 events costs what a page of 1,000 does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Any, ClassVar, Final

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR
from django.core.paginator import InvalidPage, Page, Paginator
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.lookups import Exact
from django.http import HttpRequest
from unfold.views import ChangeList

_NOTHING: Final = Q(pk__in=[])


class AtLeast(int):
    """A number that was counted no further: shown as “10,000+”."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


@dataclass(frozen=True)
class Key:
    """A value of a column (or an expression) that has an index which goes on in the list's order."""

    column: str | Combinable
    value: Any

    @property
    def condition(self) -> Q:
        return Q(Exact(F(self.column) if isinstance(self.column, str) else self.column, self.value))

    def first(self, rows: QuerySet[Any], number: int) -> QuerySet[Any]:
        """The first rows that have it, by its index alone. It is asked for as a range, and sorted by: for a value that
        looks frequent, PostgreSQL would go through the whole list to meet it, and perhaps meet only old ones."""
        column = F(self.column) if isinstance(self.column, str) else self.column
        within: QuerySet[Any] = rows.alias(_key=column).filter(_key__gte=self.value, _key__lte=self.value)
        return within.order_by("_key", *rows.query.order_by)[:number]


Keys = Sequence[Key | Q]
"""Ways to be found. A condition is for what has an index without an order: words."""


class Keyed:
    """The first rows, in the list's order, that have one of several keys."""

    ordered = True

    def __init__(self, rows: QuerySet[Any], keys: Keys) -> None:
        self.rows, self._keys = rows, keys

    def first(self, number: int) -> list[Any]:
        """Their primary keys, each once."""
        if not self._keys:
            return []
        order = [str(name) for name in self.rows.query.order_by]
        columns = [name.lstrip("-") for name in order]  # the last one is the primary key
        found = [
            key.first(self.rows, number) if isinstance(key, Key) else self.rows.filter(key)[:number]
            for key in self._keys
        ]
        parts = [each.values_list(*columns).query.sql_with_params() for each in found]
        united = " UNION ALL ".join(f"({sql})" for sql, _ in parts)
        places = ", ".join(f"{place} {'DESC' if name[0] == '-' else 'ASC'}" for place, name in enumerate(order, 1))
        sql = f"SELECT DISTINCT * FROM ({united}) AS found ORDER BY {places} LIMIT %s"  # noqa: S608  # the ORM's own
        with connection.cursor() as cursor:
            cursor.execute(sql, [*(value for _, params in parts for value in params), number])
            return [row[-1] for row in cursor.fetchall()]


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs alone
    """Counts to `counted_to`, and leads no further: who looks for something older searches or filters."""

    counted_to: ClassVar[int] = 10_000
    object_list: Any

    @cached_property
    def count(self) -> int:
        limit = self.counted_to + 1
        found: int = len(self._first) if self._first is not None else self.object_list[:limit].count()
        return found if found < limit else AtLeast(self.counted_to)

    def page(self, number: int | str) -> Page[Any]:
        """What a page's rows show beside their columns is asked for them alone, not for all on the pages before."""
        number = self.validate_number(number)
        start, end = (number - 1) * self.per_page, min(number * self.per_page, self.count)
        if self._first is not None:
            shown = self.object_list.rows.filter(pk__in=self._first[start:end])
        elif start:
            shown = self.object_list.filter(pk__in=list(self.object_list.values_list("pk", flat=True)[start:end]))
        else:
            shown = self.object_list[:end]
        return Page(shown, number, self)

    @cached_property
    def _first(self) -> list[Any] | None:
        return self.object_list.first(self.counted_to + 1) if isinstance(self.object_list, Keyed) else None


class LogPaginator(BoundedPaginator):
    """For lists whose rows are strewn over a large table, each in a block of its own."""

    counted_to = 1_000
    template_name = "admin/console/pagination.html"


def any_of(keys: Keys) -> Q:
    return reduce(or_, (key.condition if isinstance(key, Key) else key for key in keys), _NOTHING)


class ConsoleList(ChangeList):  # type: ignore[misc]  # unfold is untyped
    """A page of a list, found by keys where its search (`search_keys`) or one of its filters (`keys`) has them."""

    keyed: Keyed | None = None

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        text = self.query.strip()
        searched: Keys | None = self.model_admin.search_keys(request, text) if text else None
        filtered = (each.keys(request) for each in self.filter_specs if hasattr(each, "keys"))
        keys = searched if searched is not None else next((keys for keys in filtered if keys is not None), None)
        if keys is not None and not self.params.get(ORDER_VAR):
            self.keyed = Keyed(rows, keys)
        return rows if searched is None else rows.filter(any_of(searched))

    def get_results(self, request: HttpRequest) -> None:
        """As Django does it, but for one count, which ends."""
        pages = self.model_admin.get_paginator(request, self.keyed or self.queryset, self.list_per_page)
        self.paginator, self.result_count = pages, pages.count
        self.multi_page = self.result_count > self.list_per_page
        self.can_show_all = self.result_count <= self.list_max_show_all
        if self.show_all and self.can_show_all:
            pages.per_page = self.list_max_show_all
        try:
            self.result_list = pages.page(self.page_num if self.multi_page else 1).object_list
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        narrowed = self.query or self.has_active_filters or self.get_filters_params()
        self.full_result_count = None if narrowed else self.result_count
        self.show_full_result_count = self.show_admin_actions = False

    @property
    def older(self) -> str:
        """The address of what comes behind the last page that there is; empty where nothing does."""
        lookup, pages = self.model_admin.older_by, self.paginator
        if not lookup or not isinstance(self.result_count, AtLeast) or self.page_num != pages.num_pages:
            return ""
        value = getattr(list(self.result_list)[-1], lookup.partition("__")[0])
        address: str = self.get_query_string({lookup: value.isoformat() if hasattr(value, "isoformat") else value})
        return address
