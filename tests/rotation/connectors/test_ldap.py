"""OpenLDAP: the contract, and what only a directory does."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.contract import ConnectorContract, random_password
from rotation.connectors.ldap import Ldap
from tests.rotation.connectors import ldap_target
from tests.rotation.connectors.ldap_target import LdapTarget
from tests.rotation.connectors.tls import self_signed
from workspace.crypto import Secret
from workspace.errors import Invalid


@pytest.fixture
def target(ldap_server: LdapTarget) -> Iterator[LdapTarget]:
    yield ldap_server
    ldap_server.drop_logins()


class TestLdap(ConnectorContract):
    """The contract."""

    able = Ldap.capabilities
    refused = "Short1"


# What the directory says to a new password


def test_the_reference_client_is_let_in_with_the_new_password_alone(
    target: LdapTarget, old: Secret, new: Secret
) -> None:
    username = target.make_login(old)
    target.connector(username).change(new, current=old, admin=None)
    assert target.lets_in(username, new)
    assert not target.lets_in(username, old)
    stored = base64.b64decode(target.read(target.name(username), "userPassword")[0])
    assert stored.startswith(b"{SSHA}")


@pytest.mark.parametrize("who", ["admin", "itself"])
def test_a_password_that_is_too_short_is_a_policy_refusal(target: LdapTarget, old: Secret, who: str) -> None:
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError) as failure:
        connector.change(Secret("short"), current=old, admin=target.admin if who == "admin" else None)
    assert failure.value.kind is FailureKind.POLICY
    assert "short" not in failure.value.detail.replace("too short", "")
    assert connector.verify(old)


def test_the_servers_own_root_is_bound_by_no_policy(target: LdapTarget, old: Secret) -> None:
    """A trap, and why docs/connectors/ldap.md asks for an admin of another name."""
    connector = target.connector(target.make_login(old))
    connector.change(Secret("short"), current=old, admin=target.root)
    assert connector.verify(Secret("short"))


def test_a_history_refuses_what_was_used_and_not_what_an_earlier_attempt_set(
    target: LdapTarget, old: Secret, new: Secret
) -> None:
    policy = target.policy("pwdInHistory: 5")
    connector = target.connector(target.make_login(old, policy))
    connector.change(new, current=old, admin=target.admin)
    connector.change(new, current=old, admin=target.admin)
    connector.change(new, current=new, admin=None)
    with pytest.raises(TargetError, match="remembers") as failure:
        connector.change(old, current=new, admin=target.admin)
    assert failure.value.kind is FailureKind.POLICY
    assert (connector.verify(old), connector.verify(new)) == (False, True)


@pytest.mark.parametrize("rule", ["pwdMinAge: 86400", "pwdAllowUserChange: FALSE"])
def test_a_login_that_may_not_change_itself_now_is_no_policy_refusal(
    target: LdapTarget, old: Secret, new: Secret, rule: str
) -> None:
    """Another candidate would be refused as well."""
    connector = target.connector(target.make_login(old, target.policy(rule)))
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


def test_an_admin_without_the_right_is_told_so(target: LdapTarget, old: Secret, new: Secret) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password), admin_password)
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match="50") as failure:
        connector.change(new, current=old, admin=admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


def test_a_login_that_must_change_what_was_set_for_it_is_spared_that(
    target: LdapTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, target.policy("pwdMustChange: TRUE")))
    connector.change(new, current=old, admin=target.admin)
    assert connector.verify(new)
    session = target.open_session(connector.username, new)
    assert session.is_alive()  # and may do more than change its password
    session.close()


# What the directory says to a login


def test_a_login_that_must_change_its_password_is_accepted(target: LdapTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old, target.policy("pwdMustChange: TRUE")))
    target.modify(target.name(connector.username), "replace: pwdReset", "pwdReset: TRUE")
    assert connector.verify(old)
    assert not connector.verify(random_password())
    connector.change(new, current=old, admin=None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_an_expired_password_is_told_from_a_wrong_one(target: LdapTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old, target.policy("pwdMaxAge: 60")))
    target.modify(target.name(connector.username), "replace: pwdChangedTime", "pwdChangedTime: 20010101000000Z")
    assert connector.verify(old)
    assert not connector.verify(random_password())
    with pytest.raises(TargetError, match="has expired") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


def test_a_locked_login_is_told_from_a_wrong_password_and_unlocked_by_a_reset(
    target: LdapTarget, old: Secret, new: Secret
) -> None:
    policy = target.policy("pwdLockout: TRUE", "pwdMaxFailure: 2", "pwdLockoutDuration: 3600")
    connector = target.connector(target.make_login(old, policy))
    for _ in range(2):
        assert not connector.verify(random_password())
    for password in (old, random_password()):
        with pytest.raises(TargetError, match="locked") as failure:
            connector.verify(password)
        assert failure.value.kind is FailureKind.LOCKED
    with pytest.raises(TargetError) as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.LOCKED
    connector.change(new, current=old, admin=target.admin)
    assert connector.verify(new)


def test_a_directory_that_hides_its_locks_answers_like_a_wrong_password(old: Secret) -> None:
    """OpenLDAP as it is without ppolicy_use_lockout."""
    with ldap_target.server(is_lock_told=False) as target:
        policy = target.policy("pwdLockout: TRUE", "pwdMaxFailure: 1", "pwdLockoutDuration: 3600")
        connector = target.connector(target.make_login(old, policy))
        assert not connector.verify(random_password())
        assert not connector.verify(old)


def test_a_login_that_an_administrator_locked_is_not_unlocked(target: LdapTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old, target.policy("pwdLockout: TRUE")))
    name = target.name(connector.username)
    target.modify(name, "replace: pwdAccountLockedTime", "pwdAccountLockedTime: 000001010000Z")
    before = target.read(name, "userPassword")
    with pytest.raises(TargetError, match="administrator of the directory locked") as failure:
        connector.change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert target.read(name, "userPassword") == before
    assert target.read(name, "pwdAccountLockedTime") == ["000001010000Z"]


@pytest.mark.parametrize("username", ["Ana, Ops", '"q" <a>;\\+', "#first", " lead", "trail ", "a b"])
def test_a_name_that_a_dn_has_to_escape_is_escaped(target: LdapTarget, old: Secret, new: Secret, username: str) -> None:
    target.make_login_named(username, old)
    connector = target.connector(username)
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


@pytest.mark.parametrize("template", ["", f"uid={{username}},{ldap_target.PEOPLE}"])
def test_a_user_name_that_is_a_dn_is_taken_as_it_is(target: LdapTarget, old: Secret, template: str) -> None:
    connector = target.connector(target.name(target.make_login(old)), bind_as=template)
    assert connector.verify(old)
    assert not connector.verify(random_password())


def test_a_user_name_that_is_no_dn_is_reported_where_one_is_needed(target: LdapTarget, old: Secret) -> None:
    with pytest.raises(TargetError, match="34") as failure:
        target.connector(target.make_login(old), bind_as="").verify(old)
    assert failure.value.kind is FailureKind.PERMISSION


@pytest.mark.parametrize("username", ["", " "])
def test_nobody_is_never_logged_in_as(target: LdapTarget, old: Secret, username: str) -> None:
    """With an empty name a server lets in whoever asks, as nobody."""
    connector = target.connector(username, bind_as="")
    with pytest.raises(Invalid, match="username"):
        connector.verify(old)
    with pytest.raises(Invalid, match="username"):
        connector.change(old, current=old, admin=None)


def test_a_server_that_lets_in_without_a_password_is_not_asked_to(old: Secret) -> None:
    """An empty password would be accepted here as an unauthenticated bind (RFC 4513, section 5.1.2)."""
    with ldap_target.server("allow bind_anon_cred bind_anon_dn") as target:
        connector = target.connector(target.make_login(old))
        assert connector.verify(old)
        assert not connector.verify(random_password())
        with pytest.raises(Invalid):
            connector.verify(Secret(""))


# Connections


def test_bound_connections_live_on_and_are_named(target: LdapTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    session = target.open_session(connector.username, old)
    connector.change(new, current=old, admin=target.admin)
    closed = connector.close_sessions(new=new, admin=target.admin)
    assert session.is_alive()
    assert closed.sessions == 0
    assert ["live on" in line and connector.username in line for line in closed.follow_ups] == [True]
    session.close()


# TLS


@pytest.fixture
def trusted(target: LdapTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's certificate is for the name localhost, from an authority that the operator trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(target.home / "localhost.pem"))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
@pytest.mark.parametrize("who", ["admin", "itself"])
def test_over_tls_everything_is_as_without(target: LdapTarget, old: Secret, new: Secret, tls: str, who: str) -> None:
    port = target.tls_port if tls == "ldaps" else target.port
    connector = target.connector(target.make_login(old), host="localhost", port=port, tls=tls)
    connector.change(new, current=old, admin=target.admin if who == "admin" else None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_certificate_for_another_name_is_refused(target: LdapTarget, old: Secret, tls: str) -> None:
    port = target.tls_port if tls == "ldaps" else target.port
    connector = target.connector(target.make_login(old), host="127.0.0.1", port=port, tls=tls)
    log = target.recorded(lambda: _assert_refused(connector, old, "certificate"))
    assert 'BIND dn="uid' not in log


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    target: LdapTarget, old: Secret, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path, "elsewhere.example")))
    port = target.tls_port if tls == "ldaps" else target.port
    connector = target.connector(target.make_login(old), host="localhost", port=port, tls=tls)
    _assert_refused(connector, old, "certificate verify failed")


def test_tls_that_is_spoken_to_a_port_without_it_is_unreachable(target: LdapTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old), host="localhost", tls="ldaps")
    with pytest.raises(TargetError) as failure:
        connector.verify(old)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_server_that_wants_tls_says_so(old: Secret) -> None:
    with ldap_target.server("security simple_bind=128") as target:
        username = "app"
        with pytest.raises(TargetError, match="ldaps or starttls") as failure:
            target.connector(username).verify(old)
        assert failure.value.kind is FailureKind.PERMISSION


def test_active_directory_is_refused_without_tls() -> None:
    with pytest.raises(Invalid, match="tls: Active Directory"):
        validated(Ldap, {"host": "dc1.corp.example", "directory": "active_directory", "tls": "none"})


@pytest.mark.parametrize("template", ["{username}{username}", "{user}", "uid={username},{x}", "uid=ana"])
def test_a_template_without_the_user_name_is_refused(template: str) -> None:
    with pytest.raises(Invalid, match=r"bind_as.*\{username\}"):
        validated(Ldap, {"host": "ldap.example", "bind_as": template})


def _assert_refused(connector: Ldap, password: Secret, words: str) -> None:
    with pytest.raises(TargetError, match=words) as failure:
        connector.verify(password)
    assert failure.value.kind is FailureKind.UNREACHABLE
