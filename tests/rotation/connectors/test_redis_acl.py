"""ACL users of Redis and Valkey: the contract, and what only they do."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cerby.engines import Addresses
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.contract import ConnectorContract, random_password, until
from rotation.connectors.redis_acl import RedisAcl
from tests.rotation.connectors.redis_target import EVERYTHING, RedisTarget, digest, server, target_at
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret


@pytest.fixture
def target(addresses: Addresses) -> Iterator[RedisTarget]:
    found = target_at(addresses.redis_url)
    yield found
    found.drop_logins()


class TestRedisAcl(ConnectorContract):
    """The contract."""

    able = RedisAcl.capabilities


# Two passwords beside each other


def test_the_old_password_works_until_it_is_retired(target: RedisTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (True, True)
    connector.retire(old, new=new, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_retiring_ends_passwords_that_somebody_added_beside_us(target: RedisTarget, old: Secret, new: Secret) -> None:
    backdoor = random_password()
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=target.admin)
    target.execute("ACL", "SETUSER", connector.username, f"#{digest(backdoor)}")
    connector.retire(old, new=new, admin=target.admin)
    assert target.passwords(connector.username) == {digest(new)}
    assert not connector.verify(backdoor)


def test_nothing_is_retired_when_the_new_password_is_gone(target: RedisTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match="somebody else changed it") as failure:
        connector.retire(old, new=new, admin=target.admin)
    assert failure.value.kind is FailureKind.AUTHENTICATION
    assert connector.verify(old)


def test_a_reset_without_a_known_password_leaves_none_of_the_unknown(
    target: RedisTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, f"#{digest(random_password())}", *EVERYTHING))
    connector.change(new, current=None, admin=target.admin)
    assert target.passwords(connector.username) == {digest(new)}


# What the server says


def test_a_user_who_needs_no_password_is_found_by_the_canary_and_mended(
    target: RedisTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "nopass", *EVERYTHING))
    assert connector.verify(random_password())
    connector.change(new, current=old, admin=target.admin)
    assert connector.verify(new)
    assert not connector.verify(random_password())


def test_a_user_who_is_switched_off_is_reported_before_anything_is_changed(
    target: RedisTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "off"))
    assert not connector.verify(old)
    with pytest.raises(TargetError, match="switched off") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert target.passwords(connector.username) == {digest(old)}


def test_a_login_that_may_do_nothing_is_still_verified(target: RedisTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old, "-@all"))
    assert connector.verify(old)
    assert not connector.verify(random_password())


def test_a_login_without_acl_rights_cannot_change_itself_and_is_told_so(
    target: RedisTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "~*", "+@read"))
    with pytest.raises(TargetError, match="lacks a right") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    assert target.passwords(connector.username) == {digest(old)}


def test_a_missing_user_is_not_made(target: RedisTarget, new: Secret) -> None:
    with pytest.raises(TargetError, match="no user ghost"):
        target.connector("ghost").change(new, current=None, admin=target.admin)
    assert target.execute("ACL", "GETUSER", "ghost") is None


def test_a_full_server_is_unreachable_and_no_wrong_password(tmp_path: Path, old: Secret) -> None:
    with server(tmp_path, "--maxclients", "1") as full:
        connector = full.connector("default", save=False)
        session = full.open_session("default", full.admin.password)
        assert session.is_alive()
        with pytest.raises(TargetError, match="max number of clients") as failure:
            connector.verify(full.admin.password)
        assert failure.value.kind is FailureKind.UNREACHABLE
        session.close()
        assert until(lambda: _accepts(connector.verify, full.admin.password))


def _accepts(verify: Any, password: Secret) -> bool:
    try:
        return bool(verify(password))
    except TargetError:
        return False


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-LOADING yet\r\n", b"-ERR what\r\n"])
def test_an_answer_that_means_neither_is_neither(answer: bytes, target: RedisTarget, old: Secret) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connector = target.connector("app", port=listener.getsockname()[1])
        answers = _answer_once(listener, answer)
        with pytest.raises(TargetError) as failure:
            connector.verify(old)
        answers.join(PATIENCE)
    assert failure.value.kind is (FailureKind.PERMISSION if b"ERR" in answer else FailureKind.UNREACHABLE)


def _answer_once(listener: socket.socket, answer: bytes) -> threading.Thread:
    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


# Kept over a restart


def test_a_change_is_kept_over_a_restart(target: RedisTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    connector.change(new, current=old, admin=target.admin)
    target.execute("ACL", "LOAD")  # what a restart does
    assert connector.verify(new)
    connector.retire(old, new=new, admin=target.admin)
    target.execute("ACL", "LOAD")
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_without_save_a_restart_brings_the_old_password_back(target: RedisTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old), save=False)
    connector.change(new, current=old, admin=target.admin)
    connector.retire(old, new=new, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    target.execute("ACL", "LOAD")
    assert (connector.verify(old), connector.verify(new)) == (True, False)


def test_a_server_without_an_acl_file_says_so_before_anything_is_changed(
    tmp_path: Path, old: Secret, new: Secret
) -> None:
    with server(tmp_path) as forgetful:
        forgetful.execute("ACL", "SETUSER", "app", "on", f"#{digest(old)}", *EVERYTHING)
        with pytest.raises(TargetError, match="aclfile") as failure:
            forgetful.connector("app").change(new, current=old, admin=forgetful.admin)
        assert failure.value.kind is FailureKind.PERMISSION
        assert forgetful.passwords("app") == {digest(old)}
        connector = forgetful.connector("app", save=False)
        connector.change(new, current=old, admin=forgetful.admin)
        connector.retire(old, new=new, admin=forgetful.admin)
        assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_a_save_that_fails_after_the_change_is_not_called_a_refusal(
    target: RedisTarget, old: Secret, new: Secret
) -> None:
    admin_password = random_password()
    rules = ("+acl|getuser", "+acl|setuser")
    admin = Login(target.make_login(admin_password, *rules), admin_password)
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError) as failure:  # already the first save, with which nothing has changed yet
        connector.change(new, current=old, admin=admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert target.passwords(connector.username) == {digest(old)}
    target.execute("ACL", "SETUSER", connector.username, f"#{digest(new)}")
    with pytest.raises(TargetError, match="not saved") as failure:
        connector.retire(old, new=new, admin=admin)
    assert failure.value.kind is FailureKind.UNREACHABLE


# Sessions


def test_every_kind_of_session_is_cut(target: RedisTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    sessions = [target.open_session(connector.username, old) for _ in range(3)]
    for session, words in zip(sessions, [("SUBSCRIBE", "news"), ("MULTI",), ("CLIENT", "REPLY", "ON")], strict=True):
        session.send(*words)
    connector.change(new, current=old, admin=target.admin)
    assert connector.close_sessions(new=new, admin=target.admin).sessions == 3
    assert until(lambda: not any(session.is_alive() for session in sessions))
    for session in sessions:
        session.close()


def test_a_single_server_asks_nothing_more_of_anybody(target: RedisTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    assert connector.close_sessions(new=old, admin=target.admin).follow_ups == ()


def test_a_cluster_node_asks_for_the_other_nodes(tmp_path: Path) -> None:
    with server(tmp_path, "--cluster-enabled", "yes") as node:
        closed = node.connector("default", save=False).close_sessions(new=node.admin.password, admin=None)
    assert ["Each node" in line for line in closed.follow_ups] == [True]


def test_an_admin_who_cannot_see_replicas_leaves_the_question_open(target: RedisTarget, old: Secret) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password, "+client|kill"), admin_password)
    closed = target.connector(target.make_login(old)).close_sessions(new=old, admin=admin)
    assert ["replicas?" in line for line in closed.follow_ups] == [True]


# TLS


@pytest.fixture
def front(target: RedisTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsFront]:
    """A server whose certificate is for the name localhost, from an authority that the operator trusts."""
    pem = self_signed(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with TlsFront((target.host, target.port), pem) as front:
        yield front


def test_tls_goes_to_the_judged_address_and_asks_for_the_name(
    target: RedisTarget, old: Secret, new: Secret, front: TlsFront
) -> None:
    connector = target.connector(target.make_login(old), host="localhost", port=front.port, tls=True)
    connector.change(new, current=old, admin=target.admin)
    connector.retire(old, new=new, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    assert set(front.names) == {"localhost"}


def test_a_certificate_for_another_name_is_refused(target: RedisTarget, old: Secret, front: TlsFront) -> None:
    connector = target.connector(target.make_login(old), host="127.0.0.1", port=front.port, tls=True)
    with pytest.raises(TargetError, match="certificate") as failure:
        connector.verify(old)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_certificate_of_an_unknown_authority_is_refused(
    target: RedisTarget, old: Secret, front: TlsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path, "elsewhere.example")))
    connector = target.connector(target.make_login(old), host="localhost", port=front.port, tls=True)
    with pytest.raises(TargetError, match="certificate verify failed"):
        connector.verify(old)
