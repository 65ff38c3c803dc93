"""The session store: Django's database sessions with the person in a column, and the sign-in checks on them."""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions

from workspace.models import Session
from workspace.models.people import user_id_of


class SessionStore(DatabaseSessions):
    """Named by `SESSION_ENGINE`. A departure deletes the rows of a person, so open sessions die at once."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session: Session = super().create_model_instance(data)  # type: ignore[assignment]
        session.user_id = user_id_of(data)
        return session
