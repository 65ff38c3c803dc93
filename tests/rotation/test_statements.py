"""What a rotation costs on our own database, counted without a clock."""

import pytest
from celery.fixups.django import DjangoWorkerFixup  # type: ignore[attr-defined]  # its stubs leave it out
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cerby.celery import app
from rotation import connectors, engine
from rotation.departures import offboarding
from rotation.models import Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, company
from tests.rotation.model_target import ModelConnector, Server
from workspace import accounts
from workspace.models import Account


@pytest.mark.django_db(transaction=True)
def test_celery_leaves_the_connection_to_the_next_task() -> None:
    connection.ensure_connection()
    before = connection.connection
    DjangoWorkerFixup(app).close_database()
    assert connection.connection is before
    assert not before.closed


@pytest.mark.django_db(transaction=True)
def test_a_rotation_takes_few_statements_and_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim, the candidate with the intent, what was proved, the end; with BEGIN and COMMIT."""
    acme = company("acme")
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: None)
    old = accounts.open_version(accounts.current_version(acme.account))  # type: ignore[arg-type]
    monkeypatch.setattr(ModelConnector, "server", Server({old.reveal()}), raising=False)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={}, is_privileged=True)
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = RotationJob.objects.get()
    with CaptureQueriesContext(connection) as captured:
        engine.run(job.pk, worker="test")
    job.refresh_from_db()
    assert job.state == JobState.DONE
    assert Offboarding.objects.get().completed_at is not None
    said = [query["sql"] for query in captured.captured_queries]
    assert (len(said), said.count("COMMIT")) == (34, 4), said
