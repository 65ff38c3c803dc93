"""Waiting for what must come about, however busy the machine is.

A test waits for an event, never for a time. The limit here is a safety net that only what hangs falls into: no test
may pass or fail by how long something took.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

PATIENCE: Final = 120.0
"""Seconds after which something that was waited for is not coming any more."""


def eventually(
    holds: Callable[[], bool], what: str = "what was waited for", *, log: Path | None = None, seconds: float = PATIENCE
) -> None:
    """Wait until something holds; fails with what was waited for, and the last words of `log`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            words = log.read_text()[-4000:] if log and log.exists() else ""
            raise AssertionError(f"{what}: not within {seconds:g} s\n{words}")
        time.sleep(0.02)


def growing(seconds: float) -> Iterator[float]:
    """Time limits to try one after the other, for tests of what a call says when its time is over.

    On a busy machine the time may be over before the call came to the place that the test is about. Then it is given
    more, until it does.
    """
    while seconds < PATIENCE:
        yield seconds
        seconds *= 4
    yield PATIENCE
