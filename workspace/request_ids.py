"""The id under which a request is found again: in the provisioning log, the audit trail, and the other side's logs."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

Respond = Callable[[HttpRequest], HttpResponseBase]

_USABLE: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_current: Final[ContextVar[str]] = ContextVar("request_id", default="")


def named(get_response: Respond) -> Respond:
    """Middleware: the id that the other side sent as X-Request-Id, or one made up, while the request is answered."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = sent if _USABLE.fullmatch(sent) else uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        before = _current.set(request_id)
        try:
            return get_response(request)
        finally:
            _current.reset(before)

    return respond


def current() -> str:
    """The id of the request that is being answered; empty in a worker or a command."""
    return _current.get()
