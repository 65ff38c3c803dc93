"""Whether the password that people are shown may not be the one in force. The floor that changes passwords knows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from workspace.models import Account


@dataclass(frozen=True)
class Doubt:
    """Since when, with what is said before and after the time."""

    since: datetime
    before: str
    after: str

    @property
    def text(self) -> str:
        return f"{self.before} {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC{self.after}"


Finder = Callable[[Account], Doubt | None]
_FINDERS: Final[list[Finder]] = []


def doubts(find: Finder) -> Finder:
    """Have `find` asked whenever a password is shown, or about to be."""
    _FINDERS.append(find)
    return find


def doubt_about(account: Account) -> Doubt | None:
    """Why the account's stored password may not work; None where nothing is known against it."""
    return next((found for find in _FINDERS if (found := find(account))), None)
