"""The console's pages of departures, and the pages of people and accounts with what departures add to them."""

from rotation.admin import accounts, home, jobs, offboardings, people

__all__ = ["accounts", "home", "jobs", "offboardings", "people"]
