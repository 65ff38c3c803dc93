"""What a load balancer is told."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

from cerby import health
from tests.companies import Company
from tests.waiting import PATIENCE

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "BROKER_SECONDS", PATIENCE)


@pytest.fixture
def no_database(transactional_db: None) -> Iterator[None]:
    """The database does not answer."""
    connection.close()
    port, connection.settings_dict["PORT"] = connection.settings_dict["PORT"], 1
    yield
    connection.close()
    connection.settings_dict["PORT"] = port


@pytest.mark.django_db
def test_a_whole_installation_is_ready() -> None:
    response = Client().get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready", "checks": {"database": "ok", "broker": "ok", "migrations": "ok"},
    }  # fmt: skip
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_without_the_broker_it_is_not_ready(settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    response = Client().get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "ok", "broker": "unavailable", "migrations": "ok"}


def test_without_the_database_it_is_alive_and_not_ready(no_database: None) -> None:
    response = Client().get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "unavailable", "broker": "ok", "migrations": "unknown"}
    assert Client().get("/health/live").status_code == 200


@pytest.mark.django_db
def test_with_a_migration_missing_it_is_not_ready() -> None:
    MigrationRecorder(connection).record_unapplied("rotation", "0001_initial")
    response = Client().get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"] == "unapplied"


def test_being_alive_asks_nobody(no_database: None, settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_the_answers_give_an_attacker_nothing(no_database: None, settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    text = Client().get("/health/ready").content.decode()
    assert "127.0.0.1" not in text
    assert "refused" not in text


def test_health_is_the_same_for_everybody(acme: Company, rival: Company) -> None:
    for path in ("/health/live", "/health/ready"):
        assert Client().get(path).json() == acme.browser().get(path).json()
        assert Client().post(path).status_code == 405
        assert "rival" not in acme.browser().get(path).content.decode()


def test_a_probe_by_address_is_answered_whatever_the_host_name(client: Client) -> None:
    assert client.get("/health/live", headers={"host": "10.0.0.7"}).status_code == 200
    assert client.get("/login/", headers={"host": "10.0.0.7"}).status_code == 400
