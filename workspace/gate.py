"""Who has to give a code, or to set up a second factor, before anything else in the web app and the console.

The API knows people by key and by session; `workspace.bearer` asks the same of the latter.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Final

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from workspace import second_factor, sessions, signin
from workspace.models import User

Respond = Callable[[HttpRequest], HttpResponseBase]

# Where a person may go all the same: in and out, and what asks for no session or asks by itself.
OPEN: Final = ("/login/", "/logout/", "/invitation/", "/admin/logout/", "/admin/jsi18n/", "/static/", "/api/", "/scim/")
SET_UP: Final = "/second-factor/"


class Standing(Enum):
    """What lies between a signed-in person and the pages."""

    FREE = "free"
    OWES_CODE = "owes_code"
    OWES_SECOND_FACTOR = "owes_second_factor"


def standing(request: HttpRequest, user: User) -> Standing:
    if second_factor.is_enrolled(user):
        return Standing.FREE if signin.is_verified(request) else Standing.OWES_CODE
    return Standing.OWES_SECOND_FACTOR if second_factor.is_overdue(user) else Standing.FREE


def gate(get_response: Respond) -> Respond:
    """Middleware, behind the one that knows the person."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OPEN) or not isinstance(request.user, User):
            return get_response(request)
        owed = standing(request, request.user)
        if owed is Standing.FREE or (owed is Standing.OWES_SECOND_FACTOR and request.path.startswith(SET_UP)):
            sessions.touch(request)
            return get_response(request)
        page = "web:code" if owed is Standing.OWES_CODE else "web:second_factor"
        return _lead(request, redirect_to_login(_next(request), reverse(page)).url)

    return respond


def second_factor_due(request: HttpRequest) -> dict[str, datetime | None]:
    """Context of every page: until when the person has to set up a second factor; None when they need not."""
    user = getattr(request, "user", None)
    due = isinstance(user, User) and not second_factor.is_enrolled(user)
    return {"second_factor_until": second_factor.deadline(user) if due and isinstance(user, User) else None}


def _next(request: HttpRequest) -> str:
    return request.get_full_path() if request.method in {"GET", "HEAD"} and not _is_htmx(request) else "/"


def _lead(request: HttpRequest, address: str) -> HttpResponseBase:
    return HttpResponseClientRedirect(address) if _is_htmx(request) else redirect(address)


def _is_htmx(request: Any) -> bool:
    return bool(getattr(request, "htmx", False))
