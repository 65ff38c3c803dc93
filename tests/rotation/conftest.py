"""Acme's Router on a model target, and the rotation that a departure sets off."""

import pytest

from rotation import connectors
from rotation.departures import offboarding
from rotation.models import RotationJob
from tests.companies import TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from workspace.models import Account


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, acme: Company) -> Server:
    """Acme's Router on a model target that knows its first password."""
    ModelConnector.server = Server(accepted={acme.account_password.reveal()})
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    acme.account.refresh_from_db()
    return ModelConnector.server


@pytest.fixture
def job(acme: Company, server: Server) -> RotationJob:
    """The rotation that the member's departure sets off."""
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    return RotationJob.objects.get(account=acme.account)
