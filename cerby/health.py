"""What a load balancer and an orchestrator ask: is the process alive, and can it do its work.

The answers name what is wrong and nothing about it: they need no authentication.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

Respond = Callable[[HttpRequest], HttpResponseBase]

OK: Final = "ok"
BROKER_SECONDS: Final = 2


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers. It looks at nothing else: a restart would not mend a database."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database, its tables and the broker are there; 503 and which of them is not."""
    checks = {"database": _database(), "broker": _broker()}
    checks["migrations"] = _migrations() if checks["database"] == OK else "unknown"
    is_ready = set(checks.values()) == {OK}
    body = {"status": "ready" if is_ready else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if is_ready else 503)


def probes_first(get_response: Respond) -> Respond:
    """Middleware, the first of all: a load balancer probes by address, over plain HTTP, and knows no host name."""
    probes: dict[str, Respond] = {"/health/live": live, "/health/ready": ready}

    def respond(request: HttpRequest) -> HttpResponseBase:
        return probes.get(request.path, get_response)(request)

    return respond


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "unavailable"
    return OK


def _migrations() -> str:
    """Whether every migration of this release was applied."""
    try:
        applied = MigrationRecorder(connection).applied_migrations().keys()
    except Error:
        return "unavailable"
    return OK if _released() <= applied else "unapplied"


def _broker() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=BROKER_SECONDS, socket_timeout=BROKER_SECONDS
        ) as broker:
            broker.ping()
    except redis.RedisError:
        return "unavailable"
    return OK


@cache
def _released() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)
