"""What the contract is tried on: a real target with its logins, and what its tests need to ask it."""

import secrets
import string
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from rotation.connectors.base import Connector, Login
from workspace.crypto import Secret

PLENTY: Final = 120.0
"""Seconds for what is expected to come, on a busy machine as well: no test waits for them to pass."""


class OpenSession(Protocol):
    """Somebody who is logged in on the target."""

    def is_alive(self) -> bool: ...

    def close(self) -> None: ...


class Target(Protocol):
    """A real target. `change_marker` are bytes that stand in the request that sets a password, and in no other.

    `admin` may reset every login; where the connector has no admin reset, it is asked for nothing.
    """

    kind: type[Connector]
    host: str
    port: int
    admin: Login
    change_marker: bytes
    wrong_settings: dict[str, Any]
    """A setting each, with a value that it must not take."""

    def settings(self, host: str, port: int) -> dict[str, Any]: ...

    def make_login(self, password: Secret) -> str:
        """A fresh login that may change its own password; its user name."""

    def open_session(self, username: str, password: Secret) -> OpenSession: ...

    def recorded(self, act: Callable[[], None]) -> str:
        """All that the target's own log, made as talkative as it can be, says about `act`."""


def random_password() -> Secret:
    letters = string.ascii_letters + string.digits
    return Secret("aA1!" + "".join(secrets.choice(letters) for _ in range(28)))


def until(condition: Callable[[], bool], seconds: float = PLENTY) -> bool:
    """Whether `condition` comes about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
