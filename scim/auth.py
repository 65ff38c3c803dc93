"""Who is knocking: the bearer token becomes `request.workspace`, or the answer is a SCIM 401.

Named by django-scim2's AUTH_CHECK_MIDDLEWARE. The stock class lets any browser session in and logs bodies; this one
knows tokens only and logs nothing.
"""

from django.http import HttpRequest, HttpResponse
from django_scim.middleware import SCIMAuthCheckMiddleware
from django_scim.settings import scim_settings

from scim import events, failures, scopes, tokens
from scim.errors import ScimError
from scim.http import answer_error
from scim.models import ScimToken
from scim.tokens import Ended
from workspace import clients, notices
from workspace.audit import Actor
from workspace.errors import Refused
from workspace.models import Notice


class TokenMiddleware(SCIMAuthCheckMiddleware):  # type: ignore[misc]  # django-scim2 is untyped
    """Accepts `Bearer <token>` and, for Okta's "Header" authentication, the bare token."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        try:
            return self._admitted(request)
        except Exception as error:
            return failures.answered(request, error)

    def _admitted(self, request: HttpRequest) -> HttpResponse | None:
        """None for a request whose token is good: then the view goes on."""
        try:
            token = tokens.authenticate(_credential(request), address=clients.address(request))
        except Ended as error:
            events.begin(request, error.token)
            refusal = ScimError(error.detail, status=401)
            events.record_refusal(request, refusal)
            _tell_owners(error.token)
            return _unauthorized(refusal)
        except Refused as error:
            return _unauthorized(ScimError(error.detail, status=401))
        request.workspace = token.workspace  # type: ignore[attr-defined]  # read by the views
        request.actor = Actor("token", token.id, token.label)  # type: ignore[attr-defined]
        events.begin(request, token)
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return response

    def should_log_request(self, request: HttpRequest) -> bool:
        return False


def _unauthorized(error: ScimError) -> HttpResponse:
    response = answer_error(error)
    response["WWW-Authenticate"] = scim_settings.WWW_AUTHENTICATE_HEADER
    return response


def _tell_owners(token: ScimToken) -> None:
    """That somebody comes with a token that has ended: most likely an identity provider that was not given the next."""
    notices.tell(
        token.workspace, Notice.Kind.TOKEN_REFUSED, token,
        summary=f"The SCIM token “{token.label}” has ended and is still used. If your identity provider uses it,"
        f" {scopes.without(token)}: issue a new one and enter it there.",
    )  # fmt: skip


def _credential(request: HttpRequest) -> str:
    sent: str = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, rest = sent.strip().partition(" ")
    if rest and scheme.lower() == "bearer":
        return rest.strip()
    if scheme and not rest:
        return scheme
    raise Refused("Send the token in the Authorization header: “Bearer” and the token.")
