"""Whether the password that people are shown may not be the one in force. The floor that changes passwords knows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import QuerySet, Subquery

from workspace.models import Account


@dataclass(frozen=True)
class Reason:
    """`since` when it holds of the outer query's account (none: it does not); what is said before and after it."""

    since: Subquery
    before: str
    after: str


@dataclass(frozen=True)
class Doubt:
    """A reason that holds of an account."""

    since: datetime
    text: str


_REASONS: Final[list[Reason]] = []


def register(*reasons: Reason) -> None:
    """Have these looked for whenever a password is shown, or about to be; of several that hold the first is said."""
    _REASONS.extend(reasons)


def with_doubts(accounts: QuerySet[Account]) -> QuerySet[Any]:
    """The accounts as `doubt_about` takes them, in the same statement."""
    counted: QuerySet[Any] = accounts.annotate(**{_column(n): reason.since for n, reason in enumerate(_REASONS)})
    return counted


def doubt_about(account: Any) -> Doubt | None:
    """Why the password of one of `with_doubts` may not work; None where nothing is known against it."""
    for number, reason in enumerate(_REASONS):
        since: datetime | None = getattr(account, _column(number))
        if since is not None:
            return Doubt(since, f"{reason.before} {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC{reason.after}")
    return None


def _column(number: int) -> str:
    return f"doubted_since_{number}"
