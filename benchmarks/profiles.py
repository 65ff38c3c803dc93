"""Where a rotation's time goes, by cProfile. Imported after Django is set up."""

import cProfile
import pstats
from typing import Any, Final

from benchmarks.logins import Estate
from rotation import engine, jobs
from workspace.models import Account

# What is told apart, by file and function; cumulative, so that nothing is in two rows.
ROWS: Final = {
    "target: change": ("connectors/postgres.py", "change"),
    "target: logins": ("connectors/postgres.py", "verify"),
    "target: close sessions": ("connectors/postgres.py", "close_sessions"),
    "statements on our database": ("workspace/statements.py", "run"),
    "commits": ("postgresql/base.py", "_commit"),
    "everything": ("rotation/engine.py", "_pursue"),
}


def profiled(estate: Estate, roles: dict[str, str]) -> list[list[str]]:
    """Rows of a table: what, milliseconds a rotation, share of all."""
    ids = estate.accounts(roles)
    jobs.request(estate.workspace, Account.objects.filter(pk__in=ids), cause="profiled")
    profile = cProfile.Profile()
    profile.enable()
    while engine.work(worker="profile"):
        continue
    profile.disable()
    found: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # no stub has it
    spent = dict.fromkeys(ROWS, 0.0)
    for (file, _, name), figures in found.items():
        for what, (where, function) in ROWS.items():
            if file.endswith(where) and name == function:
                spent[what] += figures[3]
    everything = spent["everything"]
    return [
        [what, f"{seconds * 1000 / len(ids):.1f}", f"{seconds / everything:.0%}"] for what, seconds in spent.items()
    ]
