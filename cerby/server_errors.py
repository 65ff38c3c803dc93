"""What a request that failed on our side is answered with outside SCIM, which has its own (`scim.failures`)."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import loader

RETRY_SECONDS: Final = 30
AWAY: Final = "Cerby's database does not answer at the moment. Try again."
FAILED: Final = "Cerby failed on this request; its log says why. Try again in a moment."


def failed(request: HttpRequest) -> HttpResponse:
    """Named by `handler500`: 503 while the database is away or takes too long, else 500; problem details for the API
    (RFC 9457), a page for browsers. Nothing here asks the database."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    status = 503 if away else 500
    if request.path.startswith("/api/"):
        response: HttpResponse = _problem(status)
    else:
        response = HttpResponse(loader.get_template(f"{status}.html").render(), status=status)
    if away:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _problem(status: int) -> JsonResponse:
    title, detail, code = ("Service Unavailable", AWAY, "unavailable")
    if status == 500:
        title, detail, code = ("Internal Server Error", FAILED, "failed")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return JsonResponse(body, status=status, content_type="application/problem+json")
