"""Figures as medians with their spread, in tables that read well in a terminal and in Markdown.

What is printed is kept as well, and ends up in a file that README.md is filled in from.
"""

import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_tables: Final[list[str]] = []
_findings: Final[list[list[str]]] = []
_durations: Final[list[list[str]]] = []


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table whose columns line up."""
    text = f"### {title}\n\n{_table(head, rows)}\n"
    _tables.append(text)
    say(f"\n{text}")


def finding(
    what: str, found: Sequence[float], *, wanted: float, at_most: bool = False, unit: str = " ×", digits: int = 2
) -> None:
    """Note whether a figure reaches what is wanted of it: its median must be at least that, or at most."""
    median = statistics.median(found)
    reached = median <= wanted if at_most else median >= wanted
    wish = f"{'at most ' if at_most else ''}{wanted:,g}{unit}"
    _findings.append([what, wish, spread(found, unit, digits=digits), "reached" if reached else "**not reached**"])


def took(part: str, seconds: float, load: str) -> None:
    """Note how long a part took, and the load averages it began at."""
    say(f"{part} took {seconds:.0f} s")
    _durations.append([part, f"{seconds:.0f}", load])


def write(path: Path, heading: str) -> None:
    """All tables so far as Markdown, after one of what was wanted and measured and one of how long the parts took."""
    path.parent.mkdir(parents=True, exist_ok=True)
    measured = _table(["what", "wanted", "measured", ""], _findings)
    parts = _table(["part", "took, s", "load average before"], _durations)
    path.write_text("\n".join([f"{heading}\n", f"{measured}\n", f"{parts}\n", *_tables]))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    cells = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def spread(values: Sequence[float], unit: str = "", *, digits: int = 0) -> str:
    """`median (least-most) unit`"""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f}-{most:,.{digits}f}){unit}"


def pairs(ours: Sequence[float], theirs: Sequence[float], *, better_is_more: bool = True) -> list[float]:
    """How many times as good as theirs ours is, pair by pair as measured side by side."""
    both = zip(ours, theirs, strict=True)
    return [our / their if better_is_more else their / our for our, their in both]


def ratios(ours: Sequence[float], theirs: Sequence[float], *, better_is_more: bool = True) -> str:
    """The same as text."""
    return spread(pairs(ours, theirs, better_is_more=better_is_more), " ×", digits=2)
