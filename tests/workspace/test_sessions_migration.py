"""The upgrade to digests of session keys: open sessions go on, what may not stay goes, and there is a way back."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone

from tests.companies import PASSWORD, Company
from workspace import sessions
from workspace.models import Session

pytestmark = pytest.mark.django_db

NAME = "_session_digests"
KEY = "0123456789abcdefghijklmnopqrstuv"


class Step:
    """The migration alone, whatever number it has and whatever comes after it."""

    def __init__(self) -> None:
        self._loader = MigrationExecutor(connection).loader
        (self._node,) = [node for node in self._loader.graph.nodes if node[1].endswith(NAME)]

    def back(self) -> None:
        self._run("unapply")

    def forth(self) -> None:
        self._run("apply")

    def _run(self, how: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # PostgreSQL alters no table with checks to come
        before = self._loader.project_state(self._node, at_end=False)
        with connection.schema_editor(atomic=True) as editor:
            getattr(self._loader.graph.nodes[self._node], how)(before, editor)


def store(key: str, of: Session, *, user: UUID | None, days: int = 1) -> None:
    """A session as releases before stored it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO workspace_session (session_key, session_data, expire_date, user_id, user_agent)"
            " VALUES (%s, %s, %s, %s, '')",
            [key, of.session_data, timezone.now() + timedelta(days=days), user],
        )


def test_an_open_session_goes_on(acme: Company) -> None:
    browser, step = Client(), Step()
    browser.post("/login/", {"username": "member@acme.example", "password": PASSWORD})
    session = Session.objects.get()
    step.back()
    store(KEY, session, user=acme.member.pk)
    store("expired" + KEY[7:], session, user=acme.member.pk, days=-1)
    store("nobodys" + KEY[7:], session, user=None)
    step.forth()

    assert [row.digest for row in Session.objects.all()] == [sessions.digest(KEY)]
    browser.cookies[settings.SESSION_COOKIE_NAME] = KEY
    assert browser.get("/api/v1/me").json()["id"] == str(acme.member.pk)


def test_the_way_back_ends_all_sessions(acme: Company) -> None:
    acme.browser()
    Step().back()
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key FROM workspace_session")
        assert cursor.fetchall() == []
