"""What MySQL does differently, said and answered byte for byte; no MySQL server is at hand."""

import contextlib
import hashlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.mariadb_hashes import caching_sha2, native
from rotation.connectors.mariadb_protocol import scrambled_sha2
from tests.rotation.connectors.scripted_mysql import (
    FAST_OK,
    FULL_AUTHENTICATION,
    LOCAL_INFILE,
    NONCE,
    OK,
    ScriptedMySql,
    asks,
    refusal,
    switch_to,
)
from tests.rotation.connectors.tls import self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret

PASSWORD, NEW = Secret("the-password"), Secret("the-new-password")
ADMIN = Login("root", Secret("admin-password"))
SHA2 = "CREATE USER `app`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$\x04salt' REQUIRE NONE ACCOUNT UNLOCK"
NATIVE = "CREATE USER 'app'@'%' IDENTIFIED WITH 'mysql_native_password' AS '*00' REQUIRE NONE ACCOUNT UNLOCK"


def connector(server: ScriptedMySql, **settings: Any) -> MariaDb:
    given = {"host": "localhost", "port": server.port, "ssl_mode": "disabled", **settings}
    return MariaDb(validated(MariaDb, given), "app", timeout=PATIENCE)


def mysql(account: str = SHA2, version: str = "8.0.36", **answers: Any) -> ScriptedMySql:
    known = {
        "SELECT VERSION()": [[version]], "SHOW CREATE USER": [[account]], "SHOW VARIABLES": [],
        "SELECT CURRENT_USER()": [["app@%"]], **{name.replace("_", " "): value for name, value in answers.items()},
    }  # fmt: skip
    return ScriptedMySql(answer=asks(known), version=version)


def changes(server: ScriptedMySql) -> list[str]:
    return [statement for statement in server.statements if statement.startswith(("ALTER", "SET PASSWORD"))]


# The password itself


def test_a_server_that_remembers_the_login_is_given_no_password() -> None:
    with ScriptedMySql(FAST_OK) as server:
        assert _verifies(server) is True
    assert scrambled_sha2(b"the-password", NONCE) in server.received
    assert b"the-password" not in server.received


def _verifies(server: ScriptedMySql, **settings: Any) -> bool:
    return connector(server, **settings).verify(PASSWORD)


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_unknown_server_that_asks_for_the_password_itself_does_not_get_it(encrypted: bool, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "localhost") if encrypted else None
    with ScriptedMySql(FULL_AUTHENTICATION, OK, certificate=certificate) as server:
        for mode in ("preferred", "required") if encrypted else ("disabled", "preferred"):
            with pytest.raises(TargetError, match="verify_identity") as failure:
                _verifies(server, ssl_mode=mode)
            assert failure.value.kind is FailureKind.PERMISSION
    assert b"the-password" not in server.received


@pytest.mark.parametrize("by", ["authority", "fingerprint"])
def test_a_server_known_by_its_certificate_is_given_the_password(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "localhost")
    if by == "authority":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        settings = {"ssl_mode": "verify_identity"}
    else:
        settings = {"certificate_sha256": _fingerprint(certificate)}
    with ScriptedMySql(FULL_AUTHENTICATION, OK, certificate=certificate) as server:
        assert _verifies(server, **settings) is True
    assert b"the-password\0" in server.received


def _fingerprint(certificate: Path) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    return hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(
    "plugin", ["mysql_clear_password", "dialog", "sha256_password", "mysql_old_password", "auth_gssapi_client"]
)
@pytest.mark.parametrize("mode", ["preferred", "fingerprint"])
def test_plugins_that_want_the_password_itself_never_get_it(plugin: str, mode: str, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "localhost")
    settings = {"ssl_mode": mode} if mode == "preferred" else {"certificate_sha256": _fingerprint(certificate)}
    with ScriptedMySql(switch_to(plugin), OK, certificate=certificate) as server:
        with pytest.raises(TargetError) as failure:
            _verifies(server, **settings)
        assert failure.value.kind is FailureKind.PERMISSION
    assert b"the-password" not in server.received


def test_a_server_that_begins_with_such_a_plugin_does_not_get_it_either(tmp_path: Path) -> None:
    with ScriptedMySql(OK, plugin="sha256_password", certificate=self_signed(tmp_path, "localhost")) as server:
        assert _verifies(server, ssl_mode="preferred") is True
    assert b"mysql_native_password" in server.received
    assert b"the-password" not in server.received


def test_a_server_may_want_one_plugin_after_another(tmp_path: Path) -> None:
    rejected = refusal(1045, "no")
    with ScriptedMySql(
        switch_to("client_ed25519"), switch_to("mysql_native_password"), switch_to("caching_sha2_password"), rejected
    ) as server:
        assert _verifies(server) is False
    with ScriptedMySql(*[switch_to("mysql_native_password")] * 20) as server:
        with pytest.raises(TargetError) as failure:
            _verifies(server)
        assert failure.value.kind is FailureKind.UNREACHABLE


def test_no_file_of_ours_is_sent_to_a_server_that_asks_for_one() -> None:
    with ScriptedMySql(answer=lambda _: LOCAL_INFILE) as server:
        with pytest.raises(TargetError) as failure:
            connector(server).change(NEW, current=None, admin=ADMIN)
        assert failure.value.kind is FailureKind.UNREACHABLE
    assert b"root:" not in server.received


# What a login's end means


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1040, FailureKind.UNREACHABLE), (1053, FailureKind.UNREACHABLE), (1129, FailureKind.UNREACHABLE),
        (1130, FailureKind.PERMISSION), (3159, FailureKind.PERMISSION), (3118, FailureKind.LOCKED),
        (3955, FailureKind.LOCKED), (4151, FailureKind.LOCKED), (1251, FailureKind.PERMISSION),
    ],
)  # fmt: skip
def test_each_refusal_of_a_login_is_handled_by_its_code(number: int, kind: FailureKind) -> None:
    with ScriptedMySql(refusal(number, "слова на другом языке")) as server:
        with pytest.raises(TargetError, match=f"слова.*{number}") as failure:
            _verifies(server)
        assert failure.value.kind is kind
        assert ("FLUSH HOSTS" in failure.value.detail) is (number == 1129)


@pytest.mark.parametrize(
    ("number", "accepted"), [(1045, False), (1698, False), (1226, True), (1203, True), (1862, True)]
)
def test_accepted_and_rejected_are_known_by_their_codes(number: int, accepted: bool) -> None:
    with ScriptedMySql(refusal(number, "nein")) as server:
        assert _verifies(server) is accepted


@pytest.mark.parametrize(
    "greeting", [b"", b"\x0a", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0aabcd", b"\xff" * 64]
)
def test_what_does_not_speak_the_protocol_is_unreachable(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                client.sendall(greeting)

        threading.Thread(target=serve, daemon=True).start()
        given = validated(MariaDb, {"host": "127.0.0.1", "port": listener.getsockname()[1]})
        found = MariaDb(given, "app", timeout=PATIENCE)
        with pytest.raises(TargetError) as failure:
            found.verify(PASSWORD)
    assert failure.value.kind is FailureKind.UNREACHABLE


# The statements


def test_a_hash_of_the_accounts_own_plugin_is_set_and_an_older_password_discarded() -> None:
    with mysql() as server:
        connector(server).change(NEW, current=PASSWORD, admin=ADMIN)
    first, second = changes(server)
    start = "ALTER USER 'app'@'%' IDENTIFIED WITH 'caching_sha2_password' AS '"
    assert first.startswith(start)
    stored = first.removeprefix(start).removesuffix("'")
    assert stored == caching_sha2("the-new-password", stored[7:27])
    assert second == "ALTER USER 'app'@'%' DISCARD OLD PASSWORD"
    assert not [statement for statement in server.statements if "password" in statement and "the-" in statement]


def test_a_server_without_dual_passwords_is_asked_for_none() -> None:
    with mysql(NATIVE, "5.7.44-log") as server:
        connector(server).change(NEW, current=PASSWORD, admin=ADMIN)
        assert changes(server) == [
            f"ALTER USER 'app'@'%' IDENTIFIED WITH 'mysql_native_password' AS '{native('the-new-password')}'"
        ]


def test_with_dual_passwords_the_old_one_works_until_it_is_retired() -> None:
    with mysql() as server:
        dual = connector(server, dual_passwords=True)
        assert dual.capabilities.two_passwords
        dual.change(NEW, current=PASSWORD, admin=ADMIN)
        assert [statement.endswith("' RETAIN CURRENT PASSWORD") for statement in changes(server)] == [True]
        dual.retire(PASSWORD, new=NEW, admin=ADMIN)
        assert changes(server)[1:] == ["ALTER USER 'app'@'%' DISCARD OLD PASSWORD"]
        plain = connector(server)
        assert not plain.capabilities.two_passwords
        plain.retire(PASSWORD, new=NEW, admin=ADMIN)
        assert len(changes(server)) == 2


@pytest.mark.parametrize("version", ["8.0.13", "5.7.44-log", "10.11.19-MariaDB-0+deb12u1", "5.5.5-10.4.2-MariaDB"])
def test_dual_passwords_are_refused_where_the_server_has_none(version: str) -> None:
    with mysql(version=version) as server:
        with pytest.raises(TargetError, match="no dual passwords") as failure:
            connector(server, dual_passwords=True).change(NEW, current=PASSWORD, admin=ADMIN)
        assert failure.value.kind is FailureKind.PERMISSION
        assert changes(server) == []


def test_a_user_that_may_not_alter_itself_is_told_so_and_its_password_not_sent() -> None:
    with mysql(ALTER_USER=refusal(1227, "you need CREATE USER")) as server:
        with pytest.raises(TargetError, match=r"\(1227\).*Name an admin account") as failure:
            connector(server).change(NEW, current=PASSWORD, admin=None)
        assert failure.value.kind is FailureKind.PERMISSION
    assert b"the-new-password" not in server.received


def test_an_older_password_that_cannot_be_discarded_is_not_called_changed() -> None:
    answers: dict[str, Any] = {
        "SELECT VERSION()": [["8.4.0"]], "SHOW CREATE USER": [[SHA2]], "SHOW VARIABLES": [],
        "ALTER USER 'app'@'%' DISCARD": refusal(1227, "no"),
    }  # fmt: skip
    with ScriptedMySql(answer=asks(answers)) as server, pytest.raises(TargetError, match="Changed, but") as failure:
        connector(server).change(NEW, current=PASSWORD, admin=ADMIN)
    assert failure.value.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (SHA2.replace("caching_sha2_password", "sha256_password"), "sha256_password"),
        (SHA2.replace(" REQUIRE", " AND IDENTIFIED WITH 'authentication_fido' REQUIRE"), "several factors"),
        (SHA2.replace("ACCOUNT UNLOCK", "ACCOUNT LOCK"), "locked"), ("GRANT ALL", "not understood"),
    ],
)  # fmt: skip
def test_accounts_that_no_hash_can_be_set_for_are_refused(account: str, words: str) -> None:
    with mysql(account) as server:
        with pytest.raises(TargetError, match=words) as failure:
            connector(server).change(NEW, current=PASSWORD, admin=ADMIN)
        assert failure.value.kind is FailureKind.PERMISSION
        assert changes(server) == []


@pytest.mark.parametrize(("number", "kind"), [(3638, FailureKind.POLICY), (1819, FailureKind.POLICY)])
def test_a_password_used_before_wants_another_one(number: int, kind: FailureKind) -> None:
    with mysql(ALTER_USER=refusal(number, "used before")) as server, pytest.raises(TargetError) as failure:
        connector(server).change(NEW, current=PASSWORD, admin=ADMIN)
    assert failure.value.kind is kind
