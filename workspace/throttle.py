"""How often somebody may try to sign in: django-axes with counters in Valkey, by what was typed and from where.

A few wrong tries of one name from one address pause that pair. Many tries of one name from many addresses slow that
name down to one try in some seconds, and many of any name from one address pause the address. Nobody is locked out
for ever, and a browser that signed in before is counted by itself, so that strangers cannot keep its owner out.
Several people of several workspaces may have one name: what one of them proves helps nobody against the others.
Without Valkey nobody is refused: passwords are slow to check, and second factors are counted in the database.
"""

import hashlib
import ipaddress
import logging
import secrets
from typing import Any, Final

import redis
from axes.handlers.cache import AxesCacheHandler
from axes.helpers import get_client_cache_keys
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from workspace import candidates, clients, counters
from workspace.models import User

logger = logging.getLogger(__name__)

TRIES: Final = 5
TRIES_OF_A_NAME: Final = 50
TRIES_FROM_AN_ADDRESS: Final = 100
PAUSE_SECONDS: Final = 15 * 60
SLOW_SECONDS: Final = 10
PAUSED: Final = "After several wrong attempts sign-in pauses for up to 15 minutes; then try again."
COOKIE: Final = "cerby_device"
COOKIE_AGE: Final = 180 * 24 * 3600
_SALT: Final = "workspace.throttle"


class Handler(AxesCacheHandler):  # type: ignore[misc]  # django-axes is untyped
    """Named by AXES_HANDLER. django-axes counts the pair of name and address; the rest is counted here."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        try:
            return bool(super().is_locked(request, credentials)) or _is_flooded(request)
        except redis.RedisError as error:
            logger.warning("Sign-ins are not limited, Valkey did not answer: %s", type(error).__name__)
            return False

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        try:
            if request is not None and not is_known(request) and not getattr(request, "axes_locked_out", False):
                for key in (_of_name(request), _of_address(request)):
                    counters.count(key, seconds=PAUSE_SECONDS)
            self._count_pair(sender, credentials, request, **kwargs)
        except redis.RedisError as error:
            logger.warning("A failed sign-in was not counted, Valkey did not answer: %s", type(error).__name__)

    def _count_pair(self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None, **kwargs: Any) -> None:
        try:
            super().user_login_failed(sender, credentials, request, **kwargs)
        except redis.ResponseError:  # what stands in the place of the count is none: begin anew
            cache.delete_many(get_client_cache_keys(request, credentials))
            super().user_login_failed(sender, credentials, request, **kwargs)


def who(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Named by AXES_USERNAME_CALLABLE: the name as typed, in lower case; apart for a browser that is known."""
    known = _device(request)
    return f"{_typed(request)} {known}" if known else _typed(request)


def where(request: HttpRequest) -> str:
    """Named by AXES_CLIENT_IP_CALLABLE. A browser that is known is known wherever it is."""
    return "known" if is_known(request) else _network(request)


def forget(request: HttpRequest, user: User) -> None:
    """The right password was given: the wrong ones before count no longer, unless they were tries of somebody else
    who has the same name."""
    if not is_known(request) and candidates.of(_typed(request)) != [user]:
        return
    try:
        cache.delete_many(get_client_cache_keys(request))
    except redis.RedisError as error:
        logger.warning("Failed sign-ins were not forgotten, Valkey did not answer: %s", type(error).__name__)


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let the browser prove next time that this person signed in with it."""
    value = f"{user.pk.hex}.{secrets.token_hex(8)}"
    response.set_signed_cookie(
        COOKIE, value, salt=_SALT, max_age=COOKIE_AGE, httponly=True, samesite="Lax", secure=request.is_secure()
    )


def is_known(request: HttpRequest) -> bool:
    return bool(_device(request))


def _is_flooded(request: HttpRequest) -> bool:
    """Whether strangers tried so often that this one has to wait, too."""
    if is_known(request):
        return False
    if cache.get(_of_address(request), 0) >= TRIES_FROM_AN_ADDRESS:
        return True
    if cache.get(_of_name(request), 0) < TRIES_OF_A_NAME:
        return False
    return not counters.once(f"{_of_name(request)}:slow", seconds=SLOW_SECONDS)


def _device(request: HttpRequest) -> str:
    """The known browser's mark, when nobody can be meant but who signed in with it."""
    kept = request.get_signed_cookie(COOKIE, "", salt=_SALT, max_age=COOKIE_AGE)
    person, _, mark = str(kept).partition(".")
    if not mark or "\x00" in _typed(request) + _workspace(request):
        return ""
    meant = candidates.of(_typed(request), _workspace(request))
    return mark if [user.pk.hex for user in meant] == [person] else ""


def _typed(request: HttpRequest) -> str:
    return request.POST.get("username", "").strip().lower()


def _workspace(request: HttpRequest) -> str:
    return request.POST.get("workspace", "").strip()


def _of_name(request: HttpRequest) -> str:
    return f"sign-in:name:{_digest(_typed(request))}"


def _of_address(request: HttpRequest) -> str:
    return f"sign-in:address:{_digest(_network(request))}"


def _network(request: HttpRequest) -> str:
    """The address; of IPv6 the network of one subscriber, within which addresses cost nothing (RFC 6177)."""
    found = clients.address(request) or "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if ":" in found else found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
