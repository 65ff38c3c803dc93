"""How the API knows a person by their key: `Authorization: Bearer cerby_key_…` (RFC 6750).

Apart from `workspace.api`, because REST framework's views import their default authentication while they load.
"""

from typing import Any, Final

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.request import Request

from workspace import gate, keys
from workspace.gate import Standing
from workspace.models import User

OWED: Final = {
    Standing.OWES_CODE: "Give the code of your second factor in the web app first.",
    Standing.OWES_SECOND_FACTOR: "Set up a second factor in the web app first.",
}


class KeyAuthentication(BaseAuthentication):
    """A person by their API key. Any other scheme is left to the session; a wrong key is a 401, never a guest."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, _, key = get_authorization_header(request).decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        user = keys.authenticate(key.strip())
        if user is None:
            raise exceptions.AuthenticationFailed("This API key is not valid, or no longer so.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Cerby API"'


class PersonSession(SessionAuthentication):
    """A person by their browser session, when nothing is owed that the web app would ask for."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found is not None and isinstance(found[0], User):
            owed = gate.standing(request._request, found[0])
            if owed in OWED:
                raise exceptions.PermissionDenied(OWED[owed], code="second_factor_required")
        return found
