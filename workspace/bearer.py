"""How the API knows a person by their key: `Authorization: Bearer cerby_key_…` (RFC 6750).

Apart from `workspace.api`, because REST framework's views import their default authentication while they load.
"""

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from workspace import keys
from workspace.models import User


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
