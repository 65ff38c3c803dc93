"""Sessions: Django's database store with the person in a column, and what a person sees and ends of their own."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from workspace import audit, clients
from workspace.audit import Actor
from workspace.errors import NotFound
from workspace.models import Session, User
from workspace.models.people import user_id_of

SEEN_AGAIN_SECONDS: Final = 300
_CLIENT: Final = "client"


class SessionStore(DatabaseSessions):
    """Named by `SESSION_ENGINE`. A departure deletes the rows of a person, so open sessions die at once."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session: Session = super().create_model_instance(data)  # type: ignore[assignment]
        session.user_id = user_id_of(data)
        client = data.get(_CLIENT) or {}
        session.began_at, session.seen_at = _moment(client.get("began")), _moment(client.get("seen"))
        session.address, session.user_agent = client.get("address"), client.get("agent", "")
        return session


def begin(request: HttpRequest) -> None:
    """Somebody has just signed in: keep when, from where and with what."""
    request.session[_CLIENT] = {**_client(request), "began": time.time()}


def touch(request: HttpRequest) -> None:
    """Keep that the session is in use; written down once in some minutes, not at each request."""
    known = request.session.get(_CLIENT) or {}
    if time.time() - known.get("seen", 0) >= SEEN_AGAIN_SECONDS:
        request.session[_CLIENT] = {"began": time.time(), **known, **_client(request)}


def open_of(user: User) -> list[Session]:
    """A person's sessions that are open, the latest used first."""
    rows = Session.objects.filter(user=user, expire_date__gt=timezone.now())
    return sorted(rows, key=lambda session: session.seen_at or datetime.min.replace(tzinfo=UTC), reverse=True)


def handle(session_key: str) -> str:
    """What a page calls a session by: its key would let whoever reads it in."""
    return salted_hmac("workspace.sessions", session_key).hexdigest()[:32]


@transaction.atomic
def end(user: User, which: str, *, actor: Actor) -> None:
    """End one of a person's sessions, by its handle. Raises NotFound."""
    found = next((each for each in open_of(user) if constant_time_compare(handle(each.session_key), which)), None)
    if found is None:
        raise NotFound("This session has ended already.")
    found.delete()
    audit.record(user.workspace, "session.ended", user, actor=actor, sessions=1)


@transaction.atomic
def end_all(user: User, *, actor: Actor, but: str | None = None) -> int:
    """End a person's sessions, all but the one with the key `but`; how many."""
    ended = Session.objects.filter(user=user).exclude(session_key=but or "").delete()[0]
    if ended:
        audit.record(user.workspace, "session.ended", user, actor=actor, sessions=ended)
    return ended


def _client(request: HttpRequest) -> dict[str, Any]:
    return {"seen": time.time(), "address": clients.address(request), "agent": clients.user_agent(request)}


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None
