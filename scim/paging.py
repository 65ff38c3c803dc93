"""Pages of a list: by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865), in one total order."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable, Expression, OrderBy

from scim.errors import InvalidPath, InvalidValue, ScimError
from scim.grammar import parse_path

# Okta asks for 100 at a time and takes a smaller page for the last one.
DEFAULT_COUNT: Final = 100
LARGEST_COUNT: Final = 1000
CURSOR_SECONDS: Final = 3600
_SALT: Final = "scim.cursor"
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,1000}", re.ASCII)


@dataclass(frozen=True)
class Query:
    """What a list is asked for, by query string or by SearchRequest (RFC 7644 sections 3.4.2 and 3.4.3).

    `start` is 1-based; `count` 0 asks for the total alone; `cursor` None means by index, "" the first page.
    """

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 1
    count: int = DEFAULT_COUNT
    cursor: str | None = None

    @classmethod
    def asked(cls, given: Mapping[str, Any]) -> "Query":
        """From parameters or the members of a SearchRequest, clamped as the RFC says. Raises InvalidValue."""
        cursor = _text(given, "cursor")
        count = _number(given, "count", DEFAULT_COUNT)
        if cursor is not None and count < 0:
            raise ScimError("count must not be negative.", scim_type="invalidCount")
        order = (_text(given, "sortOrder") or "ascending").lower()
        if order not in {"ascending", "descending"}:
            raise InvalidValue("sortOrder must be ascending or descending.")
        return cls(
            filter=_text(given, "filter") or None,
            sort_by=_text(given, "sortBy") or None,
            descending=order == "descending",
            start=max(_number(given, "startIndex", 1), 1),
            count=min(max(count, 0), LARGEST_COUNT),
            cursor=cursor,
        )


def page(rows: QuerySet[Any], query: Query, sorts: Mapping[str, Combinable]) -> tuple[list[Any], dict[str, Any]]:
    """The rows asked for, and the counters of the ListResponse. Raises InvalidPath for what cannot be sorted on."""
    ordered = rows.order_by(*_order(query, sorts))
    if query.cursor is not None:
        return _by_cursor(ordered, query)
    first = query.start - 1
    found = list(ordered[first : first + query.count]) if query.count else []
    ends_here = query.count > len(found) and (found or not first)
    return counted(found, first + len(found) if ends_here else rows.count(), query)


def page_of(rows: Sequence[Any], query: Query) -> tuple[list[Any], dict[str, Any]]:
    """The same of rows that are at hand, in their order."""
    if query.cursor is None:
        return counted(list(rows[query.start - 1 : query.start - 1 + query.count]), len(rows), query)
    fingerprint = _fingerprint(query)
    skipped = int(_opened(query.cursor, fingerprint)) if query.cursor else 0
    found = list(rows[skipped : skipped + query.count])
    counters: dict[str, Any] = {"totalResults": len(rows), "itemsPerPage": len(found)}
    if found and skipped + len(found) < len(rows):
        counters["nextCursor"] = signing.dumps([str(skipped + len(found)), fingerprint], salt=_SALT)
    return found, counters


def counted(found: list[Any], total: int, query: Query) -> tuple[list[Any], dict[str, Any]]:
    """The same by index of a page that was found already, with the total it belongs to."""
    return found, {"totalResults": total, "startIndex": query.start, "itemsPerPage": len(found)}


def _order(query: Query, sorts: Mapping[str, Combinable]) -> list[Any]:
    """Always ends with the id, so that no page repeats or skips; without a value comes last (3.4.2.3)."""
    if query.sort_by is None:
        return ["id"]
    key = parse_path(query.sort_by).attribute.key
    if key not in sorts:
        raise InvalidPath(f"Lists cannot be sorted by that attribute. Sortable: {', '.join(sorted(sorts))}.")
    return [OrderBy(cast("Expression", sorts[key]), descending=query.descending, nulls_last=True), F("id").asc()]


def _by_cursor(ordered: QuerySet[Any], query: Query) -> tuple[list[Any], dict[str, Any]]:
    """One row more than asked for tells whether there is a next page; nothing is counted."""
    fingerprint = _fingerprint(query)
    place = _opened(query.cursor, fingerprint) if query.cursor else None
    if query.sort_by is None:
        ordered = ordered.filter(id__gt=UUID(place)) if place else ordered
        found = list(ordered[: query.count + 1])
        following = str(found[query.count - 1].id) if len(found) > query.count > 0 else None
    else:
        skipped = int(place or 0)
        found = list(ordered[skipped : skipped + query.count + 1])
        following = str(skipped + query.count) if len(found) > query.count > 0 else None
    found = found[: query.count]
    counters: dict[str, Any] = {"itemsPerPage": len(found)}
    if following is not None:
        counters["nextCursor"] = signing.dumps([following, fingerprint], salt=_SALT)
    if place is None:
        counters["totalResults"] = ordered.count()
    return found, counters


def _opened(cursor: str, fingerprint: str) -> str:
    """Where the next page begins. Raises invalidCursor or expiredCursor (RFC 9865 section 2.1)."""
    try:
        place, asked = signing.loads(cursor, salt=_SALT, max_age=CURSOR_SECONDS)
    except signing.SignatureExpired:
        detail = "The cursor is older than an hour. Start again without one."
        raise ScimError(detail, scim_type="expiredCursor") from None
    except signing.BadSignature:
        raise ScimError("The cursor is not one that was handed out here.", scim_type="invalidCursor") from None
    if asked != fingerprint:
        raise ScimError("The cursor belongs to another filter or order.", scim_type="invalidCursor")
    return str(place)


def _fingerprint(query: Query) -> str:
    text = f"{query.filter}\n{query.sort_by}\n{query.descending}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def base_location(request: object = None) -> str:
    """Named by django-scim2's BASE_LOCATION_GETTER: the scheme and host under which we are reached."""
    location: str = settings.BASE_URL
    return location


def resource_location(endpoint: str, identifier: object) -> str:
    return f"{settings.BASE_URL}/scim/v2/{endpoint}/{identifier}"


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidValue(f"{name} must be a string.")
    return value


def _number(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return default
    text = value if isinstance(value, str) else json.dumps(value)
    if not _WHOLE_NUMBER.fullmatch(text.strip()):
        raise InvalidValue(f"{name} must be a whole number.")
    return max(-1, min(int(text), 2**31 - 1))
