"""Index-based paging (RFC 7644 section 3.4.2.4), and where resources lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from scim.errors import InvalidValue

# Okta asks for 100 at a time and takes a smaller page for the last one.
DEFAULT_COUNT: Final = 100
LARGEST_COUNT: Final = 1000


@dataclass(frozen=True)
class Page:
    """`start` is 1-based; `count` may be 0, which asks for the total alone."""

    start: int
    count: int

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> "Page":
        """From `startIndex` and `count`, clamped as the RFC says. Raises InvalidValue for what is no number."""
        start, count = _number(query, "startIndex", 1), _number(query, "count", DEFAULT_COUNT)
        return cls(max(start, 1), min(max(count, 0), LARGEST_COUNT))

    def of(self, rows: QuerySet[Any]) -> tuple[int, list[Any]]:
        """The total and the rows of this page, in the order of their ids."""
        total = rows.count()
        first = self.start - 1
        return total, list(rows.order_by("id")[first : first + self.count]) if first < total else []


def base_location(request: object = None) -> str:
    """Named by django-scim2's BASE_LOCATION_GETTER: the scheme and host under which we are reached."""
    location: str = settings.BASE_URL
    return location


def resource_location(kind: str, identifier: object) -> str:
    return f"{settings.BASE_URL}/scim/v2/{kind}/{identifier}"


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "").strip()
    if not text:
        return default
    try:
        return max(-1, min(int(text), 2**31 - 1))
    except ValueError:
        raise InvalidValue(f"{name} must be a whole number.") from None
