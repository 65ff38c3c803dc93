"""Figures as medians with their spread, in tables that read well in a terminal and in Markdown."""

import statistics
import sys
from collections.abc import Iterable, Sequence


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table whose columns line up."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    say(f"\n### {title}\n")
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        say(f"| {' | '.join(cells)} |")
    say()


def spread(values: Sequence[float], unit: str = "", *, digits: int = 0) -> str:
    """`median (least-most) unit`"""
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({least:,.{digits}f}-{most:,.{digits}f}){unit}"


def ratios(ours: Sequence[float], theirs: Sequence[float], *, better_is_more: bool = True) -> str:
    """How many times as good as theirs ours is, pair by pair as measured side by side."""
    pairs = zip(ours, theirs, strict=True)
    found = [our / their if better_is_more else their / our for our, their in pairs]
    return spread(found, " ×", digits=2)
