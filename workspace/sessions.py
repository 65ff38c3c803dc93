"""Sessions: Django's database store with digests of keys and the person in a column, and what a person sees and ends
of their own."""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.http import HttpRequest
from django.utils import timezone

from workspace import audit, clients
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import NotFound
from workspace.models import Session, User
from workspace.models.people import user_id_of

SEEN_AGAIN_SECONDS: Final = 300
_CLIENT: Final = "client"


class SessionStore(DatabaseSessions):
    """Named by `SESSION_ENGINE`. A departure deletes the rows of a person, so open sessions die at once.

    `session_key` is what the cookie holds; nothing but its digest is stored or looked up.
    """

    # Django's database store has an asynchronous twin of each method; these call the synchronous ones.
    aload, aexists, acreate = SessionBase.aload, SessionBase.aexists, SessionBase.acreate
    asave, adelete = SessionBase.asave, SessionBase.adelete

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        found = Session.objects.filter(pk=digest(self.session_key), expire_date__gt=timezone.now()).first()
        if found is None:
            self._session_key = None
        return self.decode(found.session_data) if found else {}

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(pk=digest(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            Session.objects.filter(pk=digest(key)).delete()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        client = data.get(_CLIENT) or {}
        return Session(
            digest=digest(self._get_or_create_session_key()),  # type: ignore[attr-defined]  # private in Django
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            user_id=user_id_of(data),
            began_at=_moment(client.get("began")),
            seen_at=_moment(client.get("seen")),
            address=client.get("address"),
            user_agent=client.get("agent", ""),
        )


def digest(session_key: str | None) -> str:
    """What a session is stored under and called by pages: who reads it cannot come in with it. Empty for no key."""
    return hashlib.sha256(session_key.encode(errors="replace")).hexdigest() if session_key else ""


def digest_of(request: HttpRequest) -> str:
    """This request's own session; empty for none."""
    return digest(request.session.session_key)


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


@atomic()
def end(user: User, which: str, *, actor: Actor) -> None:
    """End one of a person's sessions, by its digest. Raises NotFound."""
    found = next((each for each in open_of(user) if each.digest == which), None)
    if found is None:
        raise NotFound("This session has ended already.")
    found.delete()
    audit.record(user.workspace, Verb.SESSION_ENDED, user, actor=actor, sessions=1)


@atomic()
def end_all(user: User, *, actor: Actor, but: str = "") -> int:
    """End a person's sessions, all but the one with the digest `but`; how many."""
    ended = Session.objects.filter(user=user).exclude(pk=but).delete()[0]
    if ended:
        audit.record(user.workspace, Verb.SESSION_ENDED, user, actor=actor, sessions=ended)
    return ended


def _client(request: HttpRequest) -> dict[str, Any]:
    return {"seen": time.time(), "address": clients.address(request), "agent": clients.user_agent(request)}


def _moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else None
