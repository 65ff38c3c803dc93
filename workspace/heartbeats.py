"""Signs of life of the processes that serve no requests, in Valkey, where they lapse by themselves."""

from enum import StrEnum
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_SECONDS = 1


class Process(StrEnum):
    WORKER = "worker"
    SCHEDULER = "scheduler"


def beat(process: Process, seconds: float) -> None:
    """Say that one such process is at work; it counts for that long. Without Valkey nobody hears it."""
    try:
        _kept().set(_key(process), 1, px=max(int(seconds * 1000), 1))
    except redis.RedisError:
        return


def heard() -> set[Process]:
    """Those of which at least one is at work. Raises redis.RedisError while the broker does not answer."""
    with client() as valkey:
        found: Any = valkey.mget([_key(process) for process in Process])
    return {process for process, sign in zip(Process, found, strict=True) if sign is not None}


def client() -> "redis.Redis":
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip


@cache
def _kept() -> "redis.Redis":
    return client()


def _key(process: Process) -> str:
    return f"cerby:heartbeat:{process}"
