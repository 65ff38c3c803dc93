"""A workspace that is purged is gone from every table there is, and nobody else's row with it."""

import sys
from typing import Any

import pytest
from django.apps import apps

from tests.companies import TESTS, Company
from tests.console_world import everything_of, populate
from tests.terminal import run
from workspace import deactivation, erasure
from workspace.errors import Refused
from workspace.models import AuditEvent, User, Workspace

pytestmark = pytest.mark.django_db

# Tables that belong to nobody: Django's own, and the platform's.
OF_NOBODY = {"contenttypes.ContentType", "auth.Permission", "auth.Group", "workspace.Workspace"}
# Its tables stay empty: attempts to sign in are counted in the cache (AXES_HANDLER).
OF_NOBODY |= {f"axes.{name}" for name in ("AccessAttempt", "AccessAttemptExpiration", "AccessFailureLog", "AccessLog")}


def emptied(company: Company) -> None:
    for user in User.objects.filter(workspace=company.workspace, is_active=True):
        deactivation.deactivate(user, actor=TESTS, reason="the customer left")


def test_every_table_leads_to_a_workspace_or_is_known_to_belong_to_nobody(acme: Company) -> None:
    covered = {rows.model for rows in erasure.tenant_rows(acme.workspace)}
    tables = (model for model in apps.get_models() if model._meta.managed and not model._meta.proxy)
    left = {model._meta.label for model in tables if model not in covered}
    assert left <= OF_NOBODY


def test_everything_goes_and_rival_keeps_every_row(acme: Company, rival: Company) -> None:
    populate(acme)
    populate(rival)
    emptied(acme)
    before = everything_of(rival)
    gone = erasure.purge(acme.workspace, actor=TESTS)

    assert gone["people"] == 3
    assert not any(rows.exists() for rows in erasure.tenant_rows(acme.workspace))
    assert not Workspace.objects.filter(slug="acme").exists()
    assert everything_of(rival) == before
    event = AuditEvent.objects.get(verb="workspace.purged")
    assert (event.workspace, event.subject_id, event.detail["slug"]) == (None, acme.workspace.pk, "acme")


def test_not_while_people_have_access(acme: Company) -> None:
    with pytest.raises(Refused, match="2 people still have access"):
        erasure.purge(acme.workspace, actor=TESTS)
    assert erasure.purge(acme.workspace, actor=TESTS, despite_people=True)["people"] == 2


def test_support_sees_first_what_would_go(acme: Company) -> None:
    before = everything_of(acme)
    answer = run("purge_workspace", "acme", "--despite-people", "--dry-run")
    assert answer.code == 0
    assert {"what": "people", "how_many": 2} in answer.data["gone"]
    assert everything_of(acme) == before
    assert run("purge_workspace", "acme", "--yes").code == 1


def test_support_has_to_type_the_slug(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run("purge_workspace", "acme", "--despite-people")
    assert (answer.code, Workspace.objects.filter(slug="acme").exists()) == (1, True)
    assert "--yes" in answer.said

    class Terminal:
        def __init__(self, typed: str) -> None:
            self.typed = typed

        def isatty(self) -> bool:
            return True

        def readline(self, *_: Any) -> str:
            return self.typed

    monkeypatch.setattr(sys, "stdin", Terminal("rival\n"))
    assert run("purge_workspace", "acme", "--despite-people").code == 1
    monkeypatch.setattr(sys, "stdin", Terminal("acme\n"))
    assert run("purge_workspace", "acme", "--despite-people").code == 0
    assert not Workspace.objects.filter(slug="acme").exists()
