"""How much one token may ask for: requests a minute, counted in Valkey so that all processes share the count.

A fixed window of a second-hand minute: cheap, exact enough, and its end is the Retry-After. A process tells Valkey of
a thousandth of the limit at once, so that a request seldom waits for it; a process may let that much more through.
Without Valkey nobody is refused, because a provider that cannot deactivate people is worse than one that sends too
much.
"""

import logging
import threading
import time
from uuid import UUID

import redis
from django.conf import settings

from scim.errors import ScimError
from workspace import counters

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60


class TooManyRequests(ScimError):
    """429; `retry_after` in whole seconds, the only form Okta obeys."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests with this token. Try again in {retry_after} seconds.", status=429)
        self.retry_after = retry_after


class _Window:
    """What this process knows of one minute: requests by token, told to Valkey and not yet told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.told: dict[UUID, int] = {}
        self.untold: dict[UUID, int] = {}


_window = _Window(0)
_mutex = threading.Lock()


def count(token_id: UUID) -> None:
    """Count a request of this token. Raises TooManyRequests past `settings.SCIM_REQUESTS_PER_MINUTE`."""
    number, passed = divmod(int(time.time()), WINDOW_SECONDS)
    limit = settings.SCIM_REQUESTS_PER_MINUTE
    window, untold = _note(token_id, number, max(limit // 1000, 1))
    if untold:
        window.told[token_id] = _tell(token_id, number, untold) or window.told.get(token_id, 0)
    if window.told.get(token_id, 0) + window.untold.get(token_id, 0) > limit:
        raise TooManyRequests(WINDOW_SECONDS - passed)


def _note(token_id: UUID, number: int, at_once: int) -> tuple[_Window, int]:
    """The running minute, and how many requests Valkey is to be told of now."""
    global _window
    with _mutex:
        if _window.number != number:
            _window = _Window(number)
        untold = _window.untold.get(token_id, 0) + 1
        due = untold if untold >= at_once else 0
        _window.untold[token_id] = untold - due
        return _window, due


def _tell(token_id: UUID, number: int, requests: int) -> int:
    """The requests of all processes, these included; 0 when Valkey does not answer."""
    try:
        return counters.count(f"scim:{token_id}:{number}", seconds=WINDOW_SECONDS, by=requests)
    except redis.RedisError as error:
        logger.warning("Requests are not counted, Valkey did not answer: %s", type(error).__name__)
        return 0
