"""What a load balancer and an orchestrator ask: is the process alive, and can it serve SCIM.

The answers name what is wrong and nothing about it: they need no authentication.
"""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cerby import readiness

Respond = Callable[[HttpRequest], HttpResponseBase]


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers. It looks at nothing else: a restart would not mend a database."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 while SCIM can be served, 503 while it cannot; the body names what else is wrong, too."""
    found = readiness.report()
    body = {"status": "ready" if found.can_serve else "not ready", "checks": found.checks}
    return JsonResponse(body, status=200 if found.can_serve else 503)


def probes_first(get_response: Respond) -> Respond:
    """Middleware, the first of all: a load balancer probes by address, over plain HTTP, and knows no host name."""
    probes: dict[str, Respond] = {"/health/live": live, "/health/ready": ready}

    def respond(request: HttpRequest) -> HttpResponseBase:
        return probes.get(request.path, get_response)(request)

    return respond
