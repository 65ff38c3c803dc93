"""What a MariaDB says to a login, and what it is known by."""

import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymysql.err import OperationalError

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract import random_password, until
from rotation.connectors.mariadb import MariaDb
from tests.rotation.connectors.mariadb_target import MariaDbTarget
from tests.rotation.connectors.tls import self_signed
from workspace.crypto import Secret


@pytest.fixture
def target(mariadb_server: MariaDbTarget) -> Iterator[MariaDbTarget]:
    yield mariadb_server
    mariadb_server.drop_logins()


def kind_of(failure: pytest.ExceptionInfo[TargetError]) -> FailureKind:
    return failure.value.kind


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
