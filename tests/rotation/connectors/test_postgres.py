"""PostgreSQL roles: the contract, and what only PostgreSQL does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cerby.engines import Addresses, Engines
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.contract import ConnectorContract, random_password, until
from rotation.connectors.dial import Deadline
from rotation.connectors.postgres import Postgres
from rotation.connectors.postgres_scram import ScramKeys
from rotation.connectors.postgres_session import Server, Session, log_in
from tests.rotation.connectors.postgres_target import TIMEOUT, PostgresTarget
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import growing
from workspace.crypto import Secret


@pytest.fixture
def target(addresses: Addresses, engines: Engines) -> Iterator[PostgresTarget]:
    found = PostgresTarget(addresses, engines.home / "postgres.log")
    yield found
    found.drop_logins()


class TestPostgres(ConnectorContract):
    """The contract."""

    able = Postgres.capabilities


# What the server says to a login


@pytest.mark.parametrize("options", ["NOLOGIN", "LOGIN CONNECTION LIMIT 0"])
def test_a_role_that_is_kept_out_still_tells_its_password(
    target: PostgresTarget, old: Secret, new: Secret, options: str
) -> None:
    connector = target.connector(target.make_login(old, options))
    assert connector.verify(old)
    connector.change(new, current=None, admin=target.admin)
    assert connector.verify(new)
    assert not connector.verify(old)


def test_a_missing_database_is_no_wrong_password(target: PostgresTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old), database="not_there")
    assert connector.verify(old)
    assert not connector.verify(random_password())


def test_a_database_without_connect_right_is_no_wrong_password(target: PostgresTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old), database="cerby")
    assert connector.verify(old)
    assert not connector.verify(random_password())


def test_a_change_in_a_missing_database_is_not_done_and_says_why(
    target: PostgresTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old), database="not_there")
    with pytest.raises(TargetError, match="3D000") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


def test_a_trust_line_is_reported_and_proves_nothing(target: PostgresTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.first_rule(username, "trust"):
        for password in (old, random_password()):
            with pytest.raises(TargetError, match=r"pg_hba\.conf") as failure:
                target.connector(username).verify(password)
            assert failure.value.kind is FailureKind.PERMISSION
    assert target.connector(username).verify(old)


def test_a_server_that_wants_plain_text_is_refused(target: PostgresTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.first_rule(username, "password"), pytest.raises(TargetError, match="plain text") as failure:
        target.connector(username).verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


def test_a_rejecting_line_says_nothing_about_the_password(target: PostgresTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.first_rule(username, "reject"), pytest.raises(TargetError, match="28000") as failure:
        target.connector(username).verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


def test_a_login_of_md5_times_is_verified_and_moved_to_scram(target: PostgresTarget, old: Secret, new: Secret) -> None:
    username = target.make_login(old)
    with psycopg.connect(target.addresses.postgres_admin_url) as connection:
        stored = connection.pgconn.encrypt_password(old.reveal().encode(), username.encode(), b"md5").decode()
    target.alter(username, f"PASSWORD '{stored}'")
    with target.first_rule(username, "md5"):
        connector = target.connector(username)
        assert connector.verify(old)
        assert not connector.verify(random_password())
        connector.change(new, current=old, admin=None)
        assert connector.verify(new)
    rows = target.execute("SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname LIKE 'app %'")
    assert rows == [("SCRAM-SHA-256$",)]


def test_an_expired_password_is_reported_before_anything_is_changed(
    target: PostgresTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "LOGIN VALID UNTIL '2001-01-01'"))
    with pytest.raises(TargetError, match="VALID UNTIL") as failure:
        connector.change(new, current=None, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert not connector.verify(old)
    target.alter(connector.username, "VALID UNTIL 'infinity'")
    assert connector.verify(old)


# TLS


@pytest.fixture
def front(target: PostgresTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsFront]:
    """A server whose certificate is for the name localhost, from an authority that the operator trusts."""
    pem = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with TlsFront((target.host, target.port), pem, postgres=True) as front:
        yield front


@pytest.mark.parametrize("sslmode", ["prefer", "require", "verify-full"])
def test_tls_goes_to_the_judged_address_and_asks_for_the_name(
    target: PostgresTarget, old: Secret, new: Secret, front: TlsFront, sslmode: str
) -> None:
    connector = target.connector(target.make_login(old), host="localhost", port=front.port, sslmode=sslmode)
    connector.change(new, current=old, admin=None)
    assert connector.verify(new)
    assert not connector.verify(old)
    assert set(front.names) == {"localhost"}


def test_a_certificate_for_another_name_is_refused(target: PostgresTarget, old: Secret, front: TlsFront) -> None:
    connector = target.connector(target.make_login(old), host="127.0.0.1", port=front.port, sslmode="verify-full")
    with pytest.raises(TargetError, match="certificate") as failure:
        connector.verify(old)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_certificate_of_an_unknown_authority_is_refused(
    target: PostgresTarget, old: Secret, front: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path, "elsewhere.example")))
    connector = target.connector(target.make_login(old), host="localhost", port=front.port, sslmode="verify-full")
    with pytest.raises(TargetError, match="certificate verify failed"):
        connector.verify(old)


@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_no_password_goes_to_a_server_without_tls_where_it_is_required(
    target: PostgresTarget, old: Secret, sslmode: str
) -> None:
    with pytest.raises(TargetError, match="SSL") as failure:
        target.connector(target.make_login(old), sslmode=sslmode).verify(old)
    assert failure.value.kind is FailureKind.UNREACHABLE


# Who may


def test_sessions_nobody_may_end_keep_the_exposure_open(target: PostgresTarget, old: Secret) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password), admin_password)
    session = target.open_session(username := target.make_login(old), old)
    with pytest.raises(TargetError) as failure:
        target.connector(username).close_sessions(new=random_password(), admin=admin)
    assert failure.value.kind is FailureKind.AUTHENTICATION
    assert session.is_alive()
    session.close()


def test_a_session_that_does_not_end_is_not_called_closed(target: PostgresTarget, old: Secret) -> None:
    session = target.open_session(username := target.make_login(old), old)
    backend = session.backend()
    os.kill(backend, signal.SIGSTOP)
    try:
        for seconds in growing(1):
            with pytest.raises(TargetError) as failure:
                target.connector(username, timeout=seconds).close_sessions(new=old, admin=target.admin)
            assert failure.value.kind is FailureKind.UNREACHABLE
            if "do not end" in failure.value.detail:
                break
        assert "do not end" in failure.value.detail
    finally:
        os.kill(backend, signal.SIGCONT)
    assert until(lambda: not session.is_alive())
    assert target.connector(username).close_sessions(new=old, admin=target.admin).sessions == 0
    session.close()


# The session that changed the password, and the keys of the new one


def with_password(target: PostgresTarget, username: str, password: Secret) -> None:
    """Set it as somebody else would: under a salt that we do not know."""
    with psycopg.connect(target.addresses.postgres_admin_url) as connection:
        stored = connection.pgconn.encrypt_password(password.reveal().encode(), b"", b"scram-sha-256").decode()
    target.alter(username, f"PASSWORD '{stored}'")


def test_sessions_are_ended_by_the_login_that_made_the_change(target: PostgresTarget, old: Secret, new: Secret) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password, "LOGIN SUPERUSER"), admin_password)
    username = target.make_login(old)
    session, connector = target.open_session(username, old), target.connector(username)
    connector.change(new, current=None, admin=admin)
    target.alter(admin.username, "NOLOGIN")  # no further login is made
    assert connector.close_sessions(new=new, admin=admin).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


@pytest.mark.parametrize("by_admin", [True, False])
def test_a_kept_session_that_was_cut_is_replaced_by_a_login(
    target: PostgresTarget, old: Secret, new: Secret, by_admin: bool
) -> None:
    username = target.make_login(old)
    session, connector = target.open_session(username, old), target.connector(username)
    connector.change(new, current=old, admin=target.admin if by_admin else None)
    target.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'cerby' AND datname = 'postgres' AND pid <> pg_backend_pid()"
    )
    assert connector.close_sessions(new=new, admin=target.admin if by_admin else None).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


def test_nothing_stays_open_behind_a_connector_that_is_closed(target: PostgresTarget, old: Secret, new: Secret) -> None:
    username = target.make_login(old)
    connector = target.connector(username)
    connector.change(new, current=old, admin=None)
    connector.close()
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'app %'"
    assert until(lambda: target.execute(open_ones) == [(0,)])


def test_a_new_password_set_anew_by_somebody_else_is_still_accepted(
    target: PostgresTarget, old: Secret, new: Secret
) -> None:
    username = target.make_login(old)
    connector = target.connector(username)
    connector.change(new, current=old, admin=None)
    with_password(target, username, new)
    assert connector.verify(new)
    with_password(target, username, old)
    assert not connector.verify(new)
    assert connector.verify(old)


def test_the_keys_prove_no_other_password(target: PostgresTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=None)
    assert not connector.verify(Secret(new.reveal()[:-1]))
    assert not connector.verify(old)
    assert connector.verify(new)


@pytest.mark.parametrize("text", ["plain", " a\x01b ", "pässwörd", "ﬁve\u00ad", "密码", "\u00a0"])
def test_what_is_derived_here_is_what_libpq_derives(target: PostgresTarget, old: Secret, text: str) -> None:
    """SASLprep (RFC 4013) included, which only what is beyond ASCII needs."""
    username = target.make_login(old)
    connector = target.connector(username)
    connector.change(Secret(text), current=old, admin=None)
    assert connector.verify(Secret(text))
    assert target.connector(username).verify(Secret(text))
    assert (ScramKeys.derived(text) is not None) == text.isascii()


# What somebody who knew the password may have prepared


def test_functions_put_in_front_of_the_servers_do_not_save_a_session(
    target: PostgresTarget, old: Secret, new: Secret
) -> None:
    username = target.make_login(old)
    quoted = username.replace('"', '""')
    target.execute("CREATE SCHEMA trap")
    try:
        target.execute(
            "CREATE FUNCTION trap.pg_terminate_backend(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
            "CREATE VIEW trap.pg_stat_activity AS SELECT * FROM pg_catalog.pg_stat_activity WHERE false;"
            f'GRANT USAGE ON SCHEMA trap TO "{quoted}"; GRANT SELECT ON trap.pg_stat_activity TO "{quoted}"'
        )
        target.alter(username, "SET search_path = trap, pg_catalog")
        session, connector = target.open_session(username, old), target.connector(username)
        connector.change(new, current=old, admin=None)
        assert connector.close_sessions(new=new, admin=None).sessions == 1
        assert until(lambda: not session.is_alive())
        session.close()
    finally:
        target.execute("DROP SCHEMA trap CASCADE")


@pytest.mark.parametrize(
    "setting", ["SET default_transaction_read_only = on", "SET role = 'pg_monitor'", "SET statement_timeout = 1"]
)
def test_a_roles_own_settings_do_not_stop_its_change(
    target: PostgresTarget, old: Secret, new: Secret, setting: str
) -> None:
    username = target.make_login(old)
    target.execute(f'GRANT pg_monitor TO "{username.replace(chr(34), chr(34) * 2)}"')
    target.alter(username, setting)
    connector = target.connector(username)
    connector.change(new, current=old, admin=None)
    assert connector.verify(new)


def test_a_replication_session_is_cut_as_well(target: PostgresTarget, old: Secret, new: Secret) -> None:
    username = target.make_login(old, "LOGIN REPLICATION")
    walsender = psycopg.connect(
        host=target.host, port=target.port, user=username, password=old.reveal(), dbname="postgres",
        replication="database", autocommit=True, cursor_factory=psycopg.RawCursor,
    )  # fmt: skip
    connector = target.connector(username)
    connector.change(new, current=old, admin=target.admin)
    closed = connector.close_sessions(new=new, admin=target.admin)
    assert closed.sessions == 1
    assert ["replicate" in line for line in closed.follow_ups] == [True]
    with pytest.raises(psycopg.OperationalError):
        walsender.execute("IDENTIFY_SYSTEM")
    walsender.close()


@pytest.mark.parametrize(
    ("options", "named"),
    [("LOGIN SUPERUSER", "superuser"), ("LOGIN CREATEROLE", "may create roles"), ("LOGIN", None)],
)
def test_what_closing_sessions_cannot_undo_is_named(
    target: PostgresTarget, old: Secret, options: str, named: str | None
) -> None:
    username = target.make_login(old, options)
    follow_ups = target.connector(username).close_sessions(new=old, admin=None).follow_ups
    assert [named in line and username in line for line in follow_ups if named] == ([True] if named else [])


# What the server says to a statement


@pytest.fixture
def session(target: PostgresTarget) -> Iterator[Session]:
    server = Server(target.host, target.port, "postgres", "disable")
    with log_in(server, target.admin, deadline=Deadline(TIMEOUT)) as session:
        yield session


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("22023", FailureKind.POLICY), ("P0001", FailureKind.POLICY), ("28P02", FailureKind.POLICY),
        ("42501", FailureKind.PERMISSION), ("0A000", FailureKind.PERMISSION), ("42704", FailureKind.PERMISSION),
        ("25006", FailureKind.UNREACHABLE), ("57014", FailureKind.UNREACHABLE), ("53100", FailureKind.UNREACHABLE),
        ("55P03", FailureKind.UNREACHABLE), ("40001", FailureKind.UNREACHABLE),
    ],
)  # fmt: skip
def test_each_answer_is_handled_by_its_code(session: Session, state: str, kind: FailureKind) -> None:
    with pytest.raises(TargetError, match=state) as failure:
        session.query(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{state}'; END $$".encode())
    assert failure.value.kind is kind


def test_the_servers_words_are_handed_on_without_secrets(session: Session) -> None:
    with pytest.raises(TargetError, match=r"too weak: \*\*\* is known") as failure:
        session.query(b"DO $$ BEGIN RAISE 'too weak: s3cret is known'; END $$", secrets=("s3cret",))
    assert "s3cret" not in repr(vars(failure.value))


def test_a_slow_statement_ends_with_the_time_limit(target: PostgresTarget) -> None:
    server = Server(target.host, target.port, "postgres", "disable")
    asked = False
    for seconds in growing(1):
        with pytest.raises(TargetError) as failure, log_in(server, target.admin, deadline=Deadline(seconds)) as session:
            asked = True
            session.query(b"SELECT pg_sleep(600)")
        assert failure.value.kind is FailureKind.UNREACHABLE
        if asked:
            break
    assert asked
