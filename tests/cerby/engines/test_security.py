"""Who may talk to the engines, and where their passwords must not show."""

import hashlib
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines import Addresses, record

from .conftest import Uses, command_line, keeper_pid, server_pids, stop_at_once

LOOPBACK = "0100007F"
LISTENING = "0A"

Running = tuple[Path, Addresses]


def passwords(home: Path) -> list[str]:
    known = record.load(home)
    assert known is not None
    return [known.admin_password, known.cerby_password, known.valkey_password]


def listeners(port: int) -> set[str]:
    """The local addresses, in the kernel's spelling, that somebody listens on at `port`."""
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    ends = [line[1].split(":") for line in lines if line[3] == LISTENING]
    return {address for address, found in ends if int(found, 16) == port}


def test_both_listen_on_loopback_alone(running: Running) -> None:
    assert listeners(running[1].postgres_port) == {LOOPBACK}
    assert listeners(running[1].valkey_port) == {LOOPBACK}


@pytest.mark.parametrize("user", ["postgres", "cerby"])
@pytest.mark.parametrize("password", [None, "", "wrong"])
def test_postgres_lets_nobody_in_without_the_password(running: Running, user: str, password: str | None) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=running[1].postgres_port, user=user, password=password, dbname="postgres"
        )


@pytest.mark.parametrize("password", [None, "wrong"])
def test_valkey_lets_nobody_in_without_the_password(running: Running, password: str | None) -> None:
    client = redis.Redis(port=running[1].valkey_port, password=password, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.AuthenticationError):
        client.keys()
    client.close()


def test_every_line_of_pg_hba_wants_scram_and_no_socket_lies_about(running: Running) -> None:
    with psycopg.connect(running[1].postgres_admin_url) as connection:
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert methods == [("scram-sha-256",)]
    assert sockets == ("",)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("fsync", "on"), ("data_checksums", "on"), ("max_connections", "200"), ("server_encoding", "UTF8")],
)
def test_postgres_keeps_what_it_was_told(running: Running, setting: str, value: str) -> None:
    with psycopg.connect(running[1].database_url) as connection:
        found = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
    assert found == (value,)


def test_cerby_owns_its_database_and_is_no_superuser(running: Running) -> None:
    with psycopg.connect(running[1].database_url) as connection:
        role = connection.execute(
            "SELECT rolname, rolcreatedb, rolsuper, rolcreaterole, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        owner = connection.execute(
            "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert role == ("cerby", True, False, False, False, False)
    assert owner == ("cerby", "cerby")


def test_another_role_of_the_server_may_not_enter_the_database(running: Running) -> None:
    with psycopg.connect(running[1].postgres_admin_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(
            host="127.0.0.1",
            port=running[1].postgres_port,
            user="stranger",
            password="stranger",
            dbname="cerby",
        )


def test_passwords_show_neither_in_a_repr_nor_on_a_command_line(running: Running) -> None:
    home, addresses = running
    pids = [keeper_pid(home), *server_pids(home)]
    assert len(pids) > 5
    shown = [repr(addresses), str(addresses), repr(record.load(home)), *(command_line(pid) for pid in pids)]
    shown += [Path(f"/proc/{pid}/environ").read_text() for pid in pids]
    for password in passwords(home):
        assert len(password) >= 40
        assert not [text for text in shown if password in text]


def test_passwords_lie_in_one_private_file(running: Running) -> None:
    home, _ = running
    assert (home / record.FILE).stat().st_mode & 0o777 == 0o600
    digests = [hashlib.sha256(password.encode()).hexdigest() for password in passwords(home)]
    for path in home.iterdir():
        if path.is_file() and path.name != record.FILE:
            assert path.stat().st_mode & 0o077 == 0
            assert not [secret for secret in (*passwords(home), *digests) if secret in path.read_text()]


def test_a_statement_that_fails_leaves_its_secrets_out_of_the_log(running: Running) -> None:
    home, addresses = running
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("ALTER ROLE nobody_here PASSWORD 'hunter2-hunter2'")
        connection.execute("CREATE TABLE sealed (word text CHECK (word = ''))")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO sealed VALUES ('hunter2-hunter2')")
    log = (home / "postgres.log").read_text()
    assert 'role "nobody_here" does not exist' in log
    assert "hunter2" not in log


def test_a_saved_valkey_user_outlives_a_restart(running: Running, uses: Uses) -> None:
    home, addresses = running
    with redis.Redis.from_url(addresses.redis_url) as client:
        client.acl_setuser("app", enabled=True, passwords=["+pw"], keys=["app:*"], commands=["+get"])
        client.acl_save()
    stop_at_once(home)
    uses.start(home)
    with redis.Redis(port=addresses.valkey_port, username="app", password="pw") as app:
        assert app.get("app:1") is None
        with pytest.raises(redis.ResponseError):
            app.set("app:1", "x")
    with redis.Redis.from_url(addresses.redis_url) as client:
        assert client.ping()
