"""The console's pages of departures, and the pages of people, teams, grants and accounts with what departures add."""

from rotation.admin import (
    accounts,
    exposures,
    grants,
    home,
    jobs,
    losses,
    offboardings,
    orphans,
    people,
    removals,
    teams,
)

__all__ = [
    "accounts", "exposures", "grants", "home", "jobs", "losses", "offboardings", "orphans", "people", "removals",
    "teams",
]  # fmt: skip
