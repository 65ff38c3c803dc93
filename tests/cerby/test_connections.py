"""DATABASE_URL and REDIS_URL: what their query asks for holds in every client, and what cannot be is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from cerby import connections
from cerby.environment import ROOT
from tests.rotation.connectors.tls import TlsFront, self_signed

DATABASE = urlsplit(os.environ["DATABASE_URL"])
VALKEY = urlsplit(os.environ["REDIS_URL"])

# Each client that the product makes of REDIS_URL, by name: what became of it.
_CLIENTS = """
import json
from cerby.celery import app
from cerby import readiness
from workspace import counters, heartbeats
def outcome(act):
    try:
        act()
    except Exception as error:
        return type(error).__name__
    return "ok"
def ask_broker():
    with app.connection_for_write() as connection:
        connection.default_channel.client.ping()
print(json.dumps({
    "counters": outcome(lambda: counters.count("anything", seconds=1)),
    "heartbeats": outcome(heartbeats.heard),
    "broker": outcome(ask_broker),
    "health": readiness._look_at_broker()["broker"],
}))
"""
ALL_WELL = {"counters": "ok", "heartbeats": "ok", "broker": "ok", "health": "ok"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another authority, which vouches for the same name."""
    return self_signed(tmp_path_factory.mktemp("stranger"), "localhost")


@pytest.fixture
def database_front(pem: Path) -> Iterator[TlsFront]:
    with TlsFront((DATABASE.hostname or "", DATABASE.port or 0), pem, postgres=True) as front:
        yield front


@pytest.fixture
def valkey_front(pem: Path) -> Iterator[TlsFront]:
    with TlsFront((VALKEY.hostname or "", VALKEY.port or 0), pem) as front:
        yield front


def _at(url: SplitResult, scheme: str, place: str, query: str = "") -> str:
    who = url.netloc.rpartition("@")[0]
    return url._replace(scheme=scheme, netloc=f"{who}@{place}", query=query).geturl()


def database(place: str, query: str = "") -> BaseDatabaseWrapper:
    url = _at(DATABASE, "postgresql", place, query)
    return ConnectionHandler({"default": connections.django_database(url)})["default"]


def ask(database: BaseDatabaseWrapper, sql: str = "SELECT 1") -> tuple[Any, ...]:
    """The first row, over a connection as Django makes it of the settings."""
    with database.wrap_database_errors, database.get_new_connection(database.get_connection_params()) as connection:
        return tuple(connection.execute(sql).fetchone())


def answers(database: BaseDatabaseWrapper) -> bool:
    return ask(database) == (1,)


def clients(scheme: str, place: str, query: str = "", **more: str) -> dict[str, str]:
    variables = {**os.environ, **more, "REDIS_URL": _at(VALKEY, scheme, place, query)}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", _CLIENTS], cwd=ROOT, env=variables,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_verified_database_is_used(database_front: TlsFront, pem: Path) -> None:
    query = f"sslmode=verify-full&sslrootcert={quote(str(pem), safe='')}"
    assert answers(database(f"localhost:{database_front.port}", query))
    assert database_front.names == ["localhost"]


def test_a_database_is_verified_against_what_the_machine_trusts_unless_told_otherwise(
    database_front: TlsFront, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"localhost:{database_front.port}"
    for query in ("sslmode=verify-full", "sslrootcert=system"):
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(OperationalError, match="certificate"):
            answers(database(place, query))
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        assert answers(database(place, query))


def test_a_database_with_a_strangers_certificate_is_refused(database_front: TlsFront, stranger: Path) -> None:
    with pytest.raises(OperationalError, match="certificate"):
        answers(database(f"localhost:{database_front.port}", f"sslmode=verify-full&sslrootcert={stranger}"))


def test_a_database_under_another_name_is_refused(database_front: TlsFront, pem: Path) -> None:
    with pytest.raises(OperationalError, match="does not match"):
        answers(database(f"127.0.0.1:{database_front.port}", f"sslmode=verify-full&sslrootcert={pem}"))


@pytest.mark.parametrize("query", ["sslmode=require", "sslmode=verify-full", "ssl=true"])
def test_a_database_without_tls_is_not_used_where_tls_is_asked_for(query: str) -> None:
    with pytest.raises(OperationalError, match="SSL"):
        answers(database(f"{DATABASE.hostname}:{DATABASE.port}", query))


def test_of_several_hosts_the_one_that_answers_is_used() -> None:
    hosts = f"127.0.0.1:1,{DATABASE.hostname}:{DATABASE.port}"
    found = database(hosts, "target_session_attrs=read-write")
    assert answers(found)
    assert (found.settings_dict["HOST"], found.settings_dict["PORT"]) == (
        f"127.0.0.1,{DATABASE.hostname}", f"1,{DATABASE.port}",
    )  # fmt: skip


def test_what_the_query_sets_is_what_the_server_has() -> None:
    found = database(
        f"{DATABASE.hostname}:{DATABASE.port}", "application_name=billing&options=-c%20statement_timeout%3D4321"
    )
    sql = "SELECT current_setting('application_name'), current_setting('statement_timeout')"
    assert ask(found, sql) == ("billing", "4321ms")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p%40%2F%3F@h/d", {"HOST": "h", "PORT": "", "PASSWORD": "p@/?", "NAME": "d"}),
        ("postgres://u@[2001:db8::1]:5433/d", {"HOST": "2001:db8::1", "PORT": "5433"}),
        ("postgresql:///d?host=/run/postgresql&user=u", {"HOST": "/run/postgresql", "USER": "u", "NAME": "d"}),
        ("postgresql://%2Frun%2Fpostgresql/d", {"HOST": "/run/postgresql"}),
        ("postgresql://u:pa?ss@h/d", {"PASSWORD": "pa?ss", "HOST": "h"}),
        ("postgresql://h/?dbname=d%20e", {"NAME": "d e"}),
        ("postgresql://h/?service=cerby", {"NAME": "", "HOST": "h"}),
    ],
)
def test_a_database_address_is_read_as_postgresqls_own_programs_read_it(url: str, expected: dict[str, str]) -> None:
    found = connections.django_database(url)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:hidden@h/d?sslmod=verify-full", "sslmod,"),
        ("postgresql://u:hidden@h/d?SSLMODE=verify-full", "cannot be read"),
        ("postgresql://u:hidden@h/d?sslmode=verify-full&sslmode=disable", "sslmode twice"),
        ("postgresql://u:hidden@h/d?sslmode=verify-full&ssl=true", "sslmode twice"),
        ("postgresql://u:hidden@h/d?sslmode=hidden", "sslmode must be one of"),
        ("postgresql://u:hidden@h/d?sslmode=verify-full&sslrootcert=/hidden", "sslrootcert names a file"),
        ("postgresql://u:hidden@h/d?connect_timeout=hidden", "connect_timeout must be a whole number"),
        ("postgresql://u:hidden@h/d?target_session_attrs=standby", "target_session_attrs must be one of"),
        ("postgresql://u:hidden@h/d?client_encoding=LATIN1", "client_encoding"),
        ("postgresql://u:hidden@h/d?replication=1", "replication"),
        ("postgresql://u:hid%zzden@h/d", "cannot be read"),
        ("postgresql://u:hid/?hidden=1@h/d", "cannot be read"),
        ("postgresql://u:hidden@h:hidden/d", "port must be a number"),
        ("postgresql://u:hidden@h:1,g:hidden/d", "port must be a number"),
        ("postgresql://u:hidden@h", "names no database"),
        ("mysql://u:hidden@h/d", "must be postgresql://"),
        ("host=h password=hidden", "must be postgresql://"),
    ],
)
def test_a_database_address_that_cannot_hold_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        connections.django_database(url)
    assert "hid" not in str(refused.value)


def test_every_client_of_valkey_verifies_over_tls(valkey_front: TlsFront, pem: Path) -> None:
    place = f"localhost:{valkey_front.port}"
    assert clients("rediss", place, f"ssl_ca_certs={quote(str(pem), safe='')}") == ALL_WELL
    assert clients("rediss", place, SSL_CERT_FILE=str(pem)) == ALL_WELL


@pytest.mark.parametrize("case", ["unknown authority", "stranger", "another name", "no tls"])
def test_no_client_of_valkey_takes_one_that_is_not_proved(
    valkey_front: TlsFront, pem: Path, stranger: Path, case: str
) -> None:
    place, query = f"localhost:{valkey_front.port}", ""
    if case == "stranger":
        query = f"ssl_ca_certs={stranger}"
    elif case == "another name":
        place, query = f"127.0.0.1:{valkey_front.port}", f"ssl_ca_certs={pem}"
    elif case == "no tls":
        place = f"{VALKEY.hostname}:{VALKEY.port}"
    found = clients("rediss", place, query)
    assert "ok" not in found.values()
    assert found["health"] == "unavailable"


def test_who_says_so_takes_any_certificate_with_every_client(valkey_front: TlsFront) -> None:
    for spelling in ("none", "CERT_NONE"):
        assert clients("rediss", f"127.0.0.1:{valkey_front.port}", f"ssl_cert_reqs={spelling}") == ALL_WELL


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://:hidden@h/0?ssl_cert_reqs=required", "ssl_cert_reqs.*rediss://"),
        ("rediss://:hidden@h/0?ssl_cert_req=required", "ssl_cert_req,"),
        ("rediss://:hidden@h/0?ssl_cert_reqs=hidden", "ssl_cert_reqs must be"),
        ("rediss://:hidden@h/0?ssl_cert_reqs=required&ssl_cert_reqs=none", "twice"),
        ("rediss://:hidden@h/0?ssl_check_hostname=hidden", "ssl_check_hostname must be"),
        ("rediss://:hidden@h/0?ssl_ca_certs=/hidden", "ssl_ca_certs names a file"),
        ("redis://:hidden@h/0?socket_timeout=5", "socket_timeout"),
        ("redis://:hidden@h/0?HIDDEN=5", "a parameter"),
        ("redis://:hid/den@h/0", "REDIS_URL must be"),
        ("redis://:hid#den@h/0", "REDIS_URL must be"),
        ("redis://:hid?den@h/0", "REDIS_URL must be"),
        ("redis://:hidden@h/hidden", "must be one number"),
        ("redis://:hidden@h/1?db=2", "must be one number"),
        ("redis://:hidden@h:70000/0", "REDIS_URL must be"),
        ("unix:///hidden", "REDIS_URL must be"),
        ("amqp://:hidden@h/0", "REDIS_URL must be"),
    ],
)
def test_a_broker_address_that_cannot_hold_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        connections.redis_address(url)
    assert "hid" not in str(refused.value).lower()
