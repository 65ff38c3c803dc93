"""Named places where a test can make a rotation fail. Silent unless `settings.FAILPOINTS` is set (test mode only).

`CERBY_FAILPOINTS="queued>prepared:before=crash,call:change:after=raise"`. The engine passes `<from>><to>:before` with
a move made and not committed, `<from>><to>:after` with them committed, and `call:<name>:before` and
`call:<name>:after` around each call to a target. What may happen there: `crash` (SIGKILL, as bad luck would have it;
also where nothing is said), `raise` (an exception nobody foresaw), `hang` (until `release` is called, or for good).
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

from django.conf import settings

from workspace.db import unit_of_work


class Reached(Exception):
    """The failure that a test asked for."""


_released: Final = threading.Event()


def reach(name: str) -> None:
    """Fail here if the tests say so."""
    if settings.FAILPOINTS and (action := _wanted().get(name)) is not None:
        _ACTIONS[action](name)


def reach_after_commit(name: str) -> None:
    """Fail once the transaction is through."""
    if settings.FAILPOINTS and name in _wanted():
        unit_of_work.on_commit(lambda: reach(name))


def release() -> None:
    """Let whatever hangs go on."""
    _released.set()


def _wanted() -> dict[str, str]:
    """Each place of the setting with what shall happen there."""
    parts = (part.partition("=") for part in settings.FAILPOINTS.split(","))
    return {name: action or "crash" for name, _, action in parts}


def _crash(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(name: str) -> None:
    raise Reached(name)


def _hang(name: str) -> None:
    _released.wait()


_ACTIONS: Final[dict[str, Callable[[str], None]]] = {"crash": _crash, "raise": _raise, "hang": _hang}
