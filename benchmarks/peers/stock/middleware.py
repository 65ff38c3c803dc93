"""The authentication that django-scim2 leaves to others, as cheap as it can be."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponseBase

TOKEN: Final = "stock"  # noqa: S105  # of a server that lives for a measurement, on loopback


class _Provider:
    """Who the token stands for."""

    is_anonymous = False
    is_authenticated = True


class Token:
    """Sets `request.user` for who has the token; nothing is looked up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.META.get("HTTP_AUTHORIZATION") == f"Bearer {TOKEN}":
            request.user = _Provider()  # type: ignore[assignment]
        return self.get_response(request)
