"""Words for the person at the terminal."""

import sys


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def bold(text: str) -> str:
    """Emphasis where the output is a terminal that shows it."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text
