"""MariaDB users: the contract, and what only MariaDB does."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymysql.err import OperationalError

from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.contract import ConnectorContract, random_password, until
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.mariadb_hashes import ed25519, native
from tests.rotation.connectors import mariadb_target
from tests.rotation.connectors.mariadb_target import MariaDbTarget
from tests.rotation.connectors.tls import self_signed
from workspace.crypto import Secret


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDbTarget]:
    with mariadb_target.server() as server:
        yield server


@pytest.fixture
def target(mariadb: MariaDbTarget) -> Iterator[MariaDbTarget]:
    yield mariadb
    mariadb.drop_logins()


class TestMariaDb(ConnectorContract):
    """The contract, with an admin that has the documented rights and no more."""

    able = MariaDb.capabilities


def kind_of(failure: pytest.ExceptionInfo[TargetError]) -> FailureKind:
    return failure.value.kind


# How an account logs in


@pytest.mark.parametrize("who", ["admin", "itself"])
def test_an_ed25519_account_stays_one(target: MariaDbTarget, old: Secret, new: Secret, who: str) -> None:
    connector = target.connector(target.make_login(old, via="VIA ed25519 USING '{ed25519}'"))
    assert (connector.verify(old), connector.verify(new)) == (True, False)
    connector.change(new, current=old, admin=target.admin if who == "admin" else None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    stored = target.execute("SHOW CREATE USER %s@'%%'", connector.username)[0][0]
    assert f"IDENTIFIED VIA ed25519 USING '{ed25519(new.reveal())}'" in stored


def test_every_password_of_an_account_is_changed_and_other_ways_in_are_named(
    target: MariaDbTarget, old: Secret, new: Secret
) -> None:
    via = "VIA ed25519 USING '{ed25519}' OR mysql_native_password USING '{native}' OR unix_socket"
    connector = target.connector(target.make_login(old, "REQUIRE NONE WITH MAX_USER_CONNECTIONS 9", via=via))
    connector.change(new, current=old, admin=target.admin)
    stored = target.execute("SHOW CREATE USER %s@'%%'", connector.username)[0][0]
    text = new.reveal()
    assert f"ed25519 USING '{ed25519(text)}' OR mysql_native_password USING '{native(text)}' OR unix_socket" in stored
    assert "MAX_USER_CONNECTIONS 9" in stored
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    follow_ups = connector.close_sessions(new=new, admin=target.admin).follow_ups
    assert ["unix_socket" in line for line in follow_ups] == [True]


def test_a_login_with_several_passwords_cannot_change_them_itself(
    target: MariaDbTarget, old: Secret, new: Secret
) -> None:
    via = "VIA mysql_native_password USING '{native}' OR ed25519 USING '{ed25519}'"
    connector = target.connector(target.make_login(old, via=via))
    with pytest.raises(TargetError, match="several passwords") as failure:
        connector.change(new, current=old, admin=None)
    assert kind_of(failure) is FailureKind.PERMISSION
    assert connector.verify(old)


def test_an_account_whose_plugin_has_no_hash_here_is_refused(target: MariaDbTarget, new: Secret) -> None:
    connector = target.connector(target.make_login(new, via="VIA unix_socket"))
    with pytest.raises(TargetError, match=r"logs in by unix_socket\. .* not sent as text") as failure:
        connector.change(new, current=None, admin=target.admin)
    assert kind_of(failure) is FailureKind.PERMISSION


def test_an_account_without_a_password_is_given_one(target: MariaDbTarget, new: Secret) -> None:
    connector = target.connector(target.make_login(new, via="BY ''"))
    assert not connector.verify(random_password())
    connector.change(new, current=None, admin=target.admin)
    assert connector.verify(new)


# What the server says to a login


def test_a_locked_account_is_told_from_a_wrong_password(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old, "ACCOUNT LOCK"))
    with pytest.raises(TargetError, match="4151") as failure:
        connector.verify(old)
    assert kind_of(failure) is FailureKind.LOCKED
    assert not connector.verify(random_password())
    with pytest.raises(TargetError, match="locked") as failure:
        connector.change(new, current=None, admin=target.admin)
    assert kind_of(failure) is FailureKind.PERMISSION
    target.execute("ALTER USER %s@'%%' ACCOUNT UNLOCK", connector.username)
    assert connector.verify(old)


def test_too_many_wrong_passwords_are_told_from_a_wrong_one(target: MariaDbTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with target.variable("max_password_errors", "2"):
        assert [connector.verify(random_password()) for _ in range(2)] == [False, False]
        with pytest.raises(TargetError, match="4150") as failure:
            connector.verify(old)
        assert kind_of(failure) is FailureKind.LOCKED
    target.execute("FLUSH PRIVILEGES")
    assert connector.verify(old)


@pytest.mark.parametrize("disconnects", ["ON", "OFF"])
def test_an_expired_password_is_still_the_right_one(
    target: MariaDbTarget, old: Secret, new: Secret, disconnects: str
) -> None:
    connector = target.connector(target.make_login(old, "PASSWORD EXPIRE"))
    with target.variable("disconnect_on_expired_password", disconnects):
        assert (connector.verify(old), connector.verify(new)) == (True, False)
        with pytest.raises(TargetError, match=r"1862|1820") as failure:
            connector.change(new, current=old, admin=None)
        assert kind_of(failure) is FailureKind.PERMISSION
        connector.change(new, current=None, admin=target.admin)
        assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_a_login_at_its_limit_of_connections_still_tells_its_password(
    target: MariaDbTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "WITH MAX_USER_CONNECTIONS 1"))
    session = target.open_session(connector.username, old)
    assert (connector.verify(old), connector.verify(new)) == (True, False)
    connector.change(new, current=old, admin=target.admin)
    assert connector.close_sessions(new=new, admin=target.admin).sessions == 1
    assert until(lambda: not session.is_alive())


def test_an_account_that_requires_tls_says_the_same_as_to_a_wrong_password(
    target: MariaDbTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "REQUIRE SSL"))
    assert not connector.verify(old)
    with pytest.raises(TargetError, match="requires TLS") as failure:
        connector.change(new, current=old, admin=None)
    assert kind_of(failure) is FailureKind.AUTHENTICATION
    encrypted = target.connector(connector.username, ssl_mode="required")
    assert encrypted.verify(old)
    encrypted.change(new, current=old, admin=None)
    assert encrypted.verify(new)
    with pytest.raises(TargetError) as failure:
        encrypted.change(old, current=old, admin=None)
    assert "requires TLS" not in failure.value.detail


def test_a_full_server_is_unreachable_and_no_wrong_password(target: MariaDbTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    sessions = []
    with target.variable("max_connections", "10"):
        with pytest.raises(OperationalError):
            while True:
                sessions.append(target.open_session(connector.username, old))
        with pytest.raises(TargetError, match="1040") as failure:
            connector.verify(old)
        assert kind_of(failure) is FailureKind.UNREACHABLE
        for session in sessions:
            session.close()
    assert until(lambda: _accepts(connector, old))


def _accepts(connector: MariaDb, password: Secret) -> bool:
    try:
        return connector.verify(password)
    except TargetError:
        return False


def test_a_server_that_was_made_read_only_is_tried_again_later(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with target.variable("read_only", "ON"), pytest.raises(TargetError, match="1290") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert kind_of(failure) is FailureKind.UNREACHABLE
    assert connector.verify(old)


# Which account it is


def test_the_host_in_a_users_name_is_a_setting(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    username = target.make_login(old, host="127.0.0.1")
    with pytest.raises(TargetError, match=r"no user .*@% on .* one for 127\.0\.0\.1.*user_host") as failure:
        target.connector(username).change(new, current=old, admin=target.admin)
    assert kind_of(failure) is FailureKind.PERMISSION
    connector = target.connector(username, user_host="127.0.0.1")
    connector.change(new, current=old, admin=target.admin)
    assert connector.verify(new)


def test_a_login_that_changes_itself_needs_no_host(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old, host="127.0.0.1"))
    connector.change(new, current=old, admin=None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_the_same_name_for_other_hosts_is_named(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    for host in ("10.0.0.5", "localhost"):
        target.execute("CREATE USER %s@%s", connector.username, host)
        target.made.append((connector.username, host))
    connector.change(new, current=old, admin=target.admin)
    follow_ups = connector.close_sessions(new=new, admin=target.admin).follow_ups
    assert ["for 10.0.0.5, localhost, each" in line for line in follow_ups] == [True]


def test_what_nobody_may_look_at_is_asked_of_a_person(target: MariaDbTarget, old: Secret) -> None:
    follow_ups = target.connector(target.make_login(old)).close_sessions(new=old, admin=None).follow_ups
    assert ["other hosts than %?" in line for line in follow_ups] == [True]


@pytest.mark.parametrize(
    ("rights", "named"),
    [
        ("ALL PRIVILEGES ON *.*", ["rules the server", "replicate"]), ("CREATE USER ON *.*", ["create users"]),
        ("REPLICATION SLAVE ON *.*", ["replicate"]), ("SELECT ON *.*", []), ("ALL PRIVILEGES ON app.*", []),
    ],
)  # fmt: skip
def test_what_closing_sessions_cannot_undo_is_named(
    target: MariaDbTarget, old: Secret, rights: str, named: list[str]
) -> None:
    connector = target.connector(target.make_login(old))
    target.execute(f"GRANT {rights} TO %s@'%%'", connector.username)
    follow_ups = connector.close_sessions(new=old, admin=target.admin).follow_ups
    assert len(follow_ups) == len(named)
    assert all(words in line for words, line in zip(named, follow_ups, strict=True))


# Who may


def limited_admin(target: MariaDbTarget, *rights: str) -> Login:
    password = random_password()
    admin = Login(target.make_login(password), password)
    for right in rights:
        target.execute(f"GRANT {right} TO %s@'%%'", admin.username)
    return admin


def test_an_admin_who_may_not_change_users_is_told_so(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match="1227") as failure:
        connector.change(new, current=old, admin=limited_admin(target, "SELECT ON mysql.*"))
    assert kind_of(failure) is FailureKind.PERMISSION
    assert connector.verify(old)


def test_an_admin_who_may_not_look_at_users_is_told_so(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match=r"needs SELECT on mysql\.\*") as failure:
        connector.change(new, current=old, admin=limited_admin(target, "CREATE USER ON *.*"))
    assert kind_of(failure) is FailureKind.PERMISSION
    assert connector.verify(old)


@pytest.mark.parametrize("rights", [(), ("PROCESS ON *.*",), ("CONNECTION ADMIN ON *.*",)])
def test_an_admin_who_may_not_end_sessions_leaves_it_to_the_login(
    target: MariaDbTarget, old: Secret, new: Secret, rights: tuple[str, ...]
) -> None:
    admin = limited_admin(target, "CREATE USER ON *.*", "SELECT ON mysql.*", *rights)
    connector = target.connector(target.make_login(old))
    session = target.open_session(connector.username, old)
    connector.change(new, current=old, admin=admin)
    assert connector.close_sessions(new=new, admin=admin).sessions == 1
    assert until(lambda: not session.is_alive())


def test_a_session_in_the_middle_of_a_statement_is_cut(target: MariaDbTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    session = target.open_session(connector.username, old)
    session.begin("SELECT SLEEP(60)")
    asked = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s AND info LIKE 'SELECT SLEEP%%'"
    assert until(lambda: target.execute(asked, connector.username) == [(1,)])
    connector.change(new, current=old, admin=target.admin)
    assert connector.close_sessions(new=new, admin=target.admin).sessions == 1
    assert target.execute(asked, connector.username) == [(0,)]


# The server's rules for passwords


RULES = "simple_password_check"


@pytest.mark.parametrize("password", ["Short1!", "no-upper-case-1", "NO-LOWER-CASE-1", "No-digits-here", "NoOthers123"])
def test_the_servers_rules_are_kept_although_it_sees_only_hashes(
    target: MariaDbTarget, old: Secret, password: str
) -> None:
    connector = target.connector(target.make_login(old))
    with target.simple_password_check(strict=False):
        for admin in (target.admin, None):
            with pytest.raises(TargetError, match="rules for passwords") as failure:
                connector.change(Secret(password), current=old, admin=admin)
            assert kind_of(failure) is FailureKind.POLICY
        assert connector.verify(old)
        with pytest.raises(OperationalError, match=RULES):  # the server would say the same, if it were told
            target.execute("SET PASSWORD FOR %s@'%%' = PASSWORD(%s)", connector.username, password)


def test_a_password_that_keeps_the_servers_rules_is_set(target: MariaDbTarget, old: Secret) -> None:
    connector, good = target.connector(target.make_login(old)), Secret("Good-Pass1")
    with target.simple_password_check(strict=False):
        connector.change(good, current=old, admin=target.admin)
        assert connector.verify(good)
        target.execute("SET PASSWORD FOR %s@'%%' = PASSWORD(%s)", connector.username, good.reveal())


@pytest.mark.parametrize("who", ["admin", "itself"])
def test_a_server_that_takes_text_only_gets_none(target: MariaDbTarget, old: Secret, new: Secret, who: str) -> None:
    connector = target.connector(target.make_login(old))
    with target.simple_password_check(strict=True):
        with pytest.raises(TargetError, match="strict_password_validation") as failure:
            connector.change(new, current=old, admin=target.admin if who == "admin" else None)
        assert kind_of(failure) is FailureKind.PERMISSION
        assert connector.verify(old)


# Where it goes


def test_only_the_address_that_was_judged_is_connected_to(
    target: MariaDbTarget, old: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere the second time it is asked for (DNS rebinding)."""
    connector = target.connector(target.make_login(old), host="rebinding.invalid")
    real, asked = socket.getaddrinfo, []

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> list[Any]:
        if host != "rebinding.invalid":
            return list(real(host, port, *rest, **options))
        asked.append(host)
        address = target.host if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert connector.verify(old)
    assert asked == ["rebinding.invalid"]


# TLS, on the server's own


@pytest.fixture
def trusted(target: MariaDbTarget, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's certificate is for the name localhost, and of an authority that the operator trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(target.certificate))
    return target.certificate


def encrypted_logins(target: MariaDbTarget) -> int:
    return int(target.execute("SHOW GLOBAL STATUS LIKE 'Ssl_finished_accepts'")[0][1])


@pytest.mark.parametrize("ssl_mode", ["preferred", "required", "verify_identity"])
def test_tls_goes_to_the_judged_address_and_is_for_the_name(
    target: MariaDbTarget, trusted: Path, old: Secret, new: Secret, ssl_mode: str
) -> None:
    connector = target.connector(target.make_login(old, "REQUIRE SSL"), host="localhost", ssl_mode=ssl_mode)
    before = encrypted_logins(target)
    connector.change(new, current=old, admin=None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    assert encrypted_logins(target) - before == 3


def test_a_certificate_for_another_name_is_refused(target: MariaDbTarget, trusted: Path, old: Secret) -> None:
    connector = target.connector(target.make_login(old), host="127.0.0.1", ssl_mode="verify_identity")
    with pytest.raises(TargetError, match="certificate") as failure:
        connector.verify(old)
    assert kind_of(failure) is FailureKind.UNREACHABLE


def test_a_certificate_of_an_unknown_authority_is_refused(
    target: MariaDbTarget, old: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path, "elsewhere.example")))
    connector = target.connector(target.make_login(old), host="localhost", ssl_mode="verify_identity")
    with pytest.raises(TargetError, match="certificate verify failed"):
        connector.verify(old)


def test_a_certificate_that_nobody_signed_is_known_by_its_fingerprint(
    target: MariaDbTarget, old: Secret, new: Secret
) -> None:
    der = ssl.PEM_cert_to_DER_cert(target.certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    fingerprint = hashlib.sha256(der).hexdigest()
    for spelled in (fingerprint, ":".join(fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()):
        connector = target.connector(target.make_login(old, "REQUIRE SSL"), certificate_sha256=spelled)
        assert (connector.verify(old), connector.verify(new)) == (True, False)
    other = target.connector(connector.username, certificate_sha256="0" * 64)
    with pytest.raises(TargetError, match=f"has the fingerprint {fingerprint}") as failure:
        other.verify(old)
    assert kind_of(failure) is FailureKind.UNREACHABLE
