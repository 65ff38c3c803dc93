"""SCIM's own way in, past what serves browsers: an identity provider has no session, cookie, form or page."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import get_resolver
from django.views.generic import View

from scim.errors import ScimError
from scim.views import Door
from workspace import request_checks
from workspace.request_checks import Refusal

Respond = Callable[[HttpRequest], HttpResponseBase]


class Refusing(Door):
    """Answers with one error, whatever is asked, once the token is known: the provisioning log tells of it, too."""

    http_method_names = View.http_method_names
    error = ScimError("This request is not read.")

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        raise self.error

    get = post = put = patch = delete = head = options = trace = _answer


def scim_first(get_response: Respond) -> Respond:
    """Middleware, right behind the one for TLS: answers everything under /scim/v2/ itself."""
    resolver = get_resolver("scim.urls")

    def respond(request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(settings.SCIM_PREFIX):
            return get_response(request)
        request.get_host()  # refuses names that are not ours, as CommonMiddleware does
        match = request.resolver_match = resolver.resolve(request.path_info[len(settings.SCIM_PREFIX) - 1 :])
        refusal = request_checks.length(request)
        view = _refusing(refusal) if refusal else match.func
        response: HttpResponse = view(request, *match.args, **match.kwargs)
        response.headers["Content-Length"] = str(len(response.content))
        return response

    return respond


def _refusing(refusal: Refusal) -> Callable[..., HttpResponse]:
    scim_type = "tooMany" if refusal.status == 413 else "invalidSyntax"
    return Refusing.as_view(error=ScimError(refusal.detail, status=refusal.status, scim_type=scim_type))  # type: ignore[no-any-return]  # django-scim2 is untyped
