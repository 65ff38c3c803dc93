"""Which TCP ports the engines listen on: remembered, replaced when taken, or given by the operator."""

import random
import socket

from cerby.engines.errors import EngineError
from cerby.engines.record import HOST

# Below the range that Linux hands out for outgoing connections (32768 and up), which would take a port now
# and then.
_CHOICE = range(20_000, 32_000)
_ATTEMPTS = 200
_dice = random.SystemRandom()  # a seed that somebody set would lead two processes to one port


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now (sockets in TIME_WAIT do not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(name: str, *, given: int | None, remembered: int, avoid: int = 0) -> int:
    """The port for `name`, "postgres" or "valkey": as given, else as remembered if free, else a new one.

    Raises EngineError where the given port is taken.
    """
    if given is not None:
        if given == avoid or not is_free(given):
            raise taken(name, given)
        return given
    if remembered and remembered != avoid and is_free(remembered):
        return remembered
    for port in _dice.sample(_CHOICE, _ATTEMPTS):
        if port != avoid and is_free(port):
            return port
    raise EngineError(
        f"No free port for {name} between {_CHOICE.start} and {_CHOICE.stop}. Free one and start again."
    )


def taken(name: str, port: int) -> EngineError:
    return EngineError(
        f"Port {port} on {HOST}, asked for {name}, is taken by another program. Stop that program, or give "
        f"{name}_port another value (or none, and a free port is chosen)."
    )
