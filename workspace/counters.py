"""Counts that lapse by themselves, in Valkey, where all processes share them: tries, requests.

Each function raises redis.RedisError while Valkey does not answer; the caller says what then holds.
"""

import redis
from django.core.cache import cache

_DIGITS = 18  # all that Valkey counts to has fewer than twenty


def count(key: str, *, seconds: int, by: int = 1) -> int:
    """Count so many more under a key that lapses so long after its first; how many there are now.

    What stands there and is no count is begun anew.
    """
    if cache.add(key, by, seconds):
        return by
    try:
        return cache.incr(key, by)
    except ValueError:  # it lapsed between the two
        return count(key, seconds=seconds, by=by)
    except redis.ResponseError:
        cache.set(key, by, seconds)
        return by


def once(key: str, *, seconds: int) -> bool:
    """Whether this is the first time within so many seconds."""
    return cache.add(key, 1, seconds)


class Serializer:
    """What the cache keeps are counts: Django's own way is pickle, which would run what somebody put into Valkey."""

    def dumps(self, value: int) -> int:
        if type(value) is not int:
            raise TypeError("The cache keeps whole numbers, and nothing else.")
        return value

    def loads(self, data: bytes) -> int:
        """A count; 0 for what is none, as if it had lapsed."""
        return int(data) if data.isdigit() and len(data) <= _DIGITS else 0
