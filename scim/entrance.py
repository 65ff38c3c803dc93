"""SCIM's own way in, past what serves browsers: an identity provider has no session, cookie, form or page."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_resolver

Respond = Callable[[HttpRequest], HttpResponseBase]

PREFIX: Final = "/scim/v2/"


def scim_first(get_response: Respond) -> Respond:
    """Middleware, right behind the one for TLS: answers everything under /scim/v2/ itself."""
    resolver = get_resolver("scim.urls")

    def respond(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return get_response(request)
        request.get_host()  # refuses names that are not ours, as CommonMiddleware does
        match = request.resolver_match = resolver.resolve(request.path_info[len(PREFIX) - 1 :])
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers["Content-Length"] = str(len(response.content))
        return response

    return respond
