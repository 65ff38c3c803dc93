"""A benchmark as a program: its options, its parts one after the other, and the report that is written after each."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import report
from benchmarks.report import say

_ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def options(name: str, about: str, parts: Iterable[str]) -> argparse.ArgumentParser:
    """The options that each benchmark has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--only", action="append", choices=parts, help="only this part; may be given again")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    report_file = Path(f"var/bench-{name}.md")
    parser.add_argument("--report", type=Path, default=report_file, help="where the tables are written")
    return parser


def leave_when_ended() -> None:
    """Ended by a signal, every `with` is left, so that servers and engines end as well."""
    for ending in _ENDINGS:
        signal.signal(ending, _end)


def _end(*_: object) -> None:
    """Further signals do not stop it."""
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit("Ended from outside.")


def run(parts: Mapping[str, Callable[[], None]], path: Path, what: str) -> None:
    """Carry out the parts, saying how long each took and how busy the machine was, and write the report after each."""
    started = time.monotonic()
    for name, part in parts.items():
        load = " ".join(f"{load:.1f}" for load in os.getloadavg())
        say(f"{name}; load average {load}")
        begun = time.monotonic()
        part()
        report.took(name, time.monotonic() - begun, load)
        report.write(path, f"# {what}, measured in {time.monotonic() - started:.0f} s")
    say(f"Written to {path}")
