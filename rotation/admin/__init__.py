"""The console's pages of departures, and the pages of people and accounts with what departures add."""

from rotation.admin import (
    accounts,
    exposures,
    home,
    jobs,
    losses,
    offboardings,
    orphans,
    people,
    removals,
)

__all__ = [
    "accounts", "exposures", "home", "jobs", "losses", "offboardings", "orphans", "people", "removals",
]  # fmt: skip
