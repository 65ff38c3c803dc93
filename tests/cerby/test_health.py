"""What a load balancer is told: 200 is whether SCIM can be served, and the body names what else is wrong."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

from cerby import readiness
from tests.companies import TESTS, Company, company
from tests.e2e.processes import SWEEP, WORKER, running
from tests.waiting import eventually
from workspace import accounts, heartbeats
from workspace.crypto import Secret

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _rested(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test finds what another one's look has kept, or waits too short for a busy machine; and the test database can
    be dropped."""
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 60)
    monkeypatch.setattr(heartbeats, "ANSWER_SECONDS", 60)
    readiness._keys_held_until = 0
    with heartbeats.client() as valkey:
        valkey.delete(*(heartbeats._key(process) for process in heartbeats.Process))
    yield
    readiness.close()


@pytest.fixture
def no_database() -> Iterator[None]:
    """The database does not answer."""
    readiness.close()
    connection.close()
    port, connection.settings_dict["PORT"] = connection.settings_dict["PORT"], 1
    yield
    connection.close()
    connection.settings_dict["PORT"] = port


def ready() -> tuple[int, dict[str, str]]:
    response = Client().get("/health/ready")
    assert response.json()["status"] == ("ready" if response.status_code == 200 else "not ready")
    return response.status_code, response.json()["checks"]


ALL_WELL = {
    "database": "ok", "migrations": "ok", "keys": "ok", "threads": "ok", "broker": "ok", "workers": "ok",
    "scheduler": "ok", "disk": "ok",
}  # fmt: skip


def test_a_whole_installation_is_ready(settings: Settings) -> None:
    settings.DISK_FREE_MIB = 0
    for process in heartbeats.Process:
        heartbeats.beat(process, 60)
    assert ready() == (200, ALL_WELL)
    assert "no-store" in Client().get("/health/ready")["Cache-Control"]


def test_without_the_broker_scim_is_served_and_the_body_says_so(settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    status, checks = ready()
    assert status == 200
    assert (checks["broker"], checks["workers"], checks["scheduler"]) == ("unavailable", "unknown", "unknown")
    assert checks["database"] == "ok"


def test_without_the_database_it_is_alive_and_not_ready(no_database: None) -> None:
    status, checks = ready()
    assert (status, checks["database"], checks["migrations"], checks["keys"]) == (
        503, "unavailable", "unknown", "unknown",
    )  # fmt: skip
    assert checks["broker"] == "ok"
    assert Client().get("/health/live").status_code == 200


def test_a_database_that_comes_back_is_ready_at_once(no_database: None) -> None:
    assert ready()[0] == 503
    connection.settings_dict["PORT"] = int(os.environ["DATABASE_URL"].rpartition(":")[2].partition("/")[0])
    assert ready()[0] == 200


def test_a_connection_that_the_database_ended_meanwhile_is_opened_anew() -> None:
    assert ready()[0] == 200
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    assert ready()[0] == 200


def test_a_database_that_cannot_be_written_is_not_ready() -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        readiness.close()
        status, checks = ready()
        assert (status, checks["database"]) == (503, "read-only")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


@pytest.mark.parametrize(
    "hide", ["TABLE scim_scimtoken RENAME TO hidden", "TABLE workspace_user RENAME COLUMN is_active TO hidden"]
)
def test_without_what_scim_reads_it_is_not_ready(hide: str) -> None:
    table = hide.split()[1]
    back = f"hidden RENAME TO {table}" if "COLUMN" not in hide else f"{table} RENAME COLUMN hidden TO is_active"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER {hide}")
    try:
        status, checks = ready()
        assert (status, checks["database"]) == (503, "tables missing")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {back}")
    assert ready()[0] == 200


def test_a_migration_that_is_missing_is_named_while_scim_is_served() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("rotation", "0001_initial")
    try:
        status, checks = ready()
        assert (status, checks["migrations"]) == (200, "unapplied")
    finally:
        recorder.record_applied("rotation", "0001_initial")


def test_a_key_that_stored_secrets_name_and_that_is_not_here_is_named(settings: Settings) -> None:
    acme = company("acme")
    former, new = settings.ENCRYPTION_KEYS[0], base64.b64encode(os.urandom(32)).decode()
    settings.ENCRYPTION_KEYS = [new, former]
    accounts.store_password(acme.account, Secret("the present password"), actor=TESTS)
    assert ready()[1]["keys"] == "ok"
    readiness._keys_held_until = 0
    for ring in ([new], [former], [base64.b64encode(os.urandom(32)).decode()]):
        settings.ENCRYPTION_KEYS = ring
        status, checks = ready()
        assert (status, checks["keys"]) == (200, "missing")
    settings.ENCRYPTION_KEYS = [former, new]
    assert ready()[1]["keys"] == "ok"


def test_a_disk_that_is_nearly_full_is_named(settings: Settings) -> None:
    settings.DISK_FREE_MIB = 2**40
    status, checks = ready()
    assert (status, checks["disk"]) == (200, "nearly full")


def test_a_home_that_is_not_there_says_nothing_about_the_disk(settings: Settings, tmp_path: Path) -> None:
    settings.HOME = tmp_path / "missing"
    assert ready()[1]["disk"] == "unknown"


def test_a_worker_and_the_scheduler_are_heard_while_they_run(tmp_path: Path) -> None:
    assert (ready()[1]["workers"], ready()[1]["scheduler"]) == ("missing", "missing")
    log = tmp_path / "log"
    with running(WORKER, log):
        eventually(lambda: ready()[1]["workers"] == "ok", "a worker is heard", log=log)
        assert ready()[1]["scheduler"] == "missing"
    with running(SWEEP, log):
        eventually(lambda: ready()[1]["scheduler"] == "ok", "the scheduler is heard", log=log)


def test_what_is_not_heard_any_more_is_missing() -> None:
    heartbeats.beat(heartbeats.Process.WORKER, 0.05)
    eventually(lambda: ready()[1]["workers"] == "missing", "a sign of life lapses")


def test_without_the_broker_a_process_goes_on_unheard(settings: Settings) -> None:
    settings.REDIS_URL = NOWHERE
    heartbeats._kept.cache_clear()
    try:
        heartbeats.beat(heartbeats.Process.WORKER, 30)
    finally:
        heartbeats._kept.cache_clear()


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
