"""How much one token may ask for: requests a minute, counted in Valkey so that all processes share the count.

A fixed window of a second-hand minute: cheap, exact enough, and its end is the Retry-After. Without Valkey nobody is
refused, because a provider that cannot deactivate people is worse than one that sends too much.
"""

import logging
import time
from functools import cache
from uuid import UUID

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from scim.errors import ScimError

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60


class TooManyRequests(ScimError):
    """429; `retry_after` in whole seconds, the only form Okta obeys."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests with this token. Try again in {retry_after} seconds.", status=429)
        self.retry_after = retry_after


def count(token_id: UUID) -> None:
    """Count a request of this token. Raises TooManyRequests past `settings.SCIM_REQUESTS_PER_MINUTE`."""
    window, passed = divmod(int(time.time()), WINDOW_SECONDS)
    key = f"cerby:scim:{token_id}:{window}"
    try:
        with _valkey().pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, WINDOW_SECONDS)
            requests, _ = pipeline.execute()
    except redis.RedisError as error:
        logger.warning("Requests are not counted, Valkey did not answer: %s", type(error).__name__)
        return
    if requests > settings.SCIM_REQUESTS_PER_MINUTE:
        raise TooManyRequests(WINDOW_SECONDS - passed)


@cache
def _valkey() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0)
    )
