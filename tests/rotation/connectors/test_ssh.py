"""Linux logins over SSH: the contract, and what the server says to a login and to a new password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rotation.connectors.base import Connector, FailureKind, Login, TargetError
from rotation.connectors.contract import ConnectorContract, random_password
from rotation.connectors.ssh import Ssh
from tests.rotation.connectors.ssh_proxy import SshProxy
from tests.rotation.connectors.ssh_target import SshTarget
from workspace.crypto import Secret
from workspace.errors import Invalid


@pytest.fixture
def target(ssh_servers: SshTarget) -> Iterator[SshTarget]:
    yield ssh_servers
    ssh_servers.drop_logins()


class TestSsh(ConnectorContract):
    """The contract."""

    able = Ssh.capabilities

    @pytest.fixture
    def proxy(self, target: SshTarget) -> Iterator[SshProxy]:
        with SshProxy(target.host, target.port, target.host_key) as proxy:
            yield proxy

    def test_a_reply_that_never_comes_ends_with_the_time_limit(  # what precedes the request takes a while itself
        self, target: Any, connector: Connector, old: Secret, new: Secret, proxy: Any, changer: Login | None
    ) -> None:
        vars(self)["short"] = 4.0
        super().test_a_reply_that_never_comes_ends_with_the_time_limit(target, connector, old, new, proxy, changer)


# The host key


def test_without_a_host_key_no_password_is_sent_and_the_one_seen_is_named(target: SshTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old), host_key="")
    log = target.recorded(lambda: _refused(connector.verify, old, FailureKind.PERMISSION, target.fingerprint))
    assert "userauth-request" not in log
    assert "KEX done" in log or "kex" in log


def test_another_host_key_than_the_one_entered_is_refused(target: SshTarget, old: Secret, new: Secret) -> None:
    other = f"SHA256:{'A' * 43}"
    connector = target.connector(target.make_login(old), host_key=other)
    _refused(connector.verify, old, FailureKind.PERMISSION, "not the one entered")
    with pytest.raises(TargetError, match="No password was sent"):
        connector.change(new, current=old, admin=target.admin)
    assert target.connector(connector.username).verify(old)


@pytest.mark.parametrize("form", ["fingerprint", "public line", "known_hosts line", "one of several"])
def test_a_host_key_may_be_entered_as_administrators_find_it(target: SshTarget, old: Secret, form: str) -> None:
    line = target.host_key.export_public_key().decode().strip()
    entered = {
        "fingerprint": target.fingerprint,
        "public line": f"{line} root@web1",
        "known_hosts line": f"[web1.example]:22 {line}",
        "one of several": f"SHA256:{'A' * 43}, {target.fingerprint}",
    }[form]
    assert target.connector(target.make_login(old), host_key=entered).verify(old)



# What the server says to a login


def test_a_server_that_asks_in_a_dialogue_is_verified_and_changed(target: SshTarget, old: Secret, new: Secret) -> None:
    """PAM and keyboard-interactive alone, as many distributions ship it."""
    username = target.make_login(old)
    with target.server("UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes") as server:
        connector = server.connector(username)
        connector.change(new, current=old, admin=None)
        assert connector.verify(new)
        assert not connector.verify(old)


def test_a_wrong_password_is_offered_once_where_it_could_be_offered_twice(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.server("UsePAM yes", "PasswordAuthentication yes", "KbdInteractiveAuthentication yes") as server:
        log = target.recorded(lambda: _rejected(server.connector(username).verify))
    assert log.count(f"Failed password for {username}") == 1
    assert f"Failed keyboard-interactive/pam for {username}" not in log


def test_a_server_that_hangs_up_after_one_try_has_rejected_the_password(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.server("UsePAM no", "MaxAuthTries 1") as server:
        assert server.connector(username).verify(old)
        _rejected(server.connector(username).verify)


def test_a_server_that_takes_no_passwords_has_judged_none(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.server("UsePAM no", "PasswordAuthentication no") as server:
        _refused(server.connector(username).verify, old, FailureKind.PERMISSION, "takes no password")


def test_a_second_factor_is_for_a_person(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    with target.server("UsePAM no", "AuthenticationMethods password,publickey") as server:
        _refused(server.connector(username).verify, old, FailureKind.HUMAN, "second factor")
        _rejected(server.connector(username).verify)


def test_a_login_that_needs_no_password_proves_nothing(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    target.machine.run("passwd", "--delete", username)
    with target.server("UsePAM no", "PermitEmptyPasswords yes") as server:
        _refused(server.connector(username).verify, old, FailureKind.PERMISSION, "without asking")


def test_a_login_that_pam_keeps_out_is_no_wrong_password(target: SshTarget, old: Secret) -> None:
    username = target.make_login(old)
    target.machine.run("chage", "--expiredate", "2001-01-01", username)
    with target.server("UsePAM yes") as server:
        _refused(server.connector(username).verify, old, FailureKind.PERMISSION, "expired")


# Logins that take no password at all


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("usermod", "--lock"), "locked"),
        (("chage", "--expiredate", "2001-01-01"), "expired"),
        (("usermod", "--shell", "/opt/gone"), "/opt/gone is missing"),
    ],
)
def test_a_login_that_is_kept_out_is_reported_before_anything_is_changed(
    target: SshTarget, old: Secret, new: Secret, command: tuple[str, ...], named: str
) -> None:
    connector = target.connector(target.make_login(old))
    target.machine.run(*command, connector.username)
    assert not connector.verify(old)
    before = target.machine.run("getent", "shadow", connector.username)
    for admin in (target.admin, target.root):
        with pytest.raises(TargetError, match=named) as failure:
            connector.change(new, current=old, admin=admin)
        assert failure.value.kind is FailureKind.PERMISSION
    assert target.machine.run("getent", "shadow", connector.username) == before


def test_a_login_without_a_shell_is_verified_and_changed_by_an_admin_alone(
    target: SshTarget, old: Secret, new: Secret
) -> None:
    connector = target.connector(target.make_login(old, "--shell", "/usr/sbin/nologin"))
    assert connector.verify(old)
    with pytest.raises(TargetError, match="not available") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    connector.change(new, current=old, admin=target.admin)
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    closed = connector.close_sessions(new=new, admin=target.admin)
    assert ["could not be seen" in line for line in closed.follow_ups] == [True]


@pytest.mark.parametrize("who", ["admin", "itself"])
def test_a_password_that_must_be_changed_is_accepted_and_can_be(
    target: SshTarget, old: Secret, new: Secret, who: str
) -> None:
    connector = target.connector(target.make_login(old))
    target.machine.run("chage", "--lastday", "0", connector.username)
    assert connector.verify(old)
    connector.change(new, current=old, admin=target.admin if who == "admin" else None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


# What the server says to a new password


def test_a_password_that_the_machine_finds_too_weak_is_a_policy_refusal(target: SshTarget, old: Secret) -> None:
    connector = target.connector(target.make_login(old))
    with _policy(target, "passwd", "password requisite pam_unix.so obscure minlen=8 yescrypt"):
        with pytest.raises(TargetError) as failure:
            connector.change(Secret("kurz"), current=old, admin=None)
        assert failure.value.kind is FailureKind.POLICY
    assert "longer" in failure.value.detail
    assert connector.verify(old)


def test_a_policy_that_binds_admins_too_is_told_apart(target: SshTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    history = "password requisite pam_pwhistory.so enforce_for_root remember=5\npassword required pam_unix.so yescrypt"
    with _policy(target, "chpasswd", history):
        connector.change(new, current=old, admin=target.admin)
        connector.change(random_password(), current=new, admin=target.admin)
        with pytest.raises(TargetError, match="already used") as failure:
            connector.change(new, current=None, admin=target.admin)
        assert failure.value.kind is FailureKind.POLICY
    assert not connector.verify(new)


def test_a_history_does_not_refuse_what_an_earlier_attempt_set(target: SshTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    history = "password requisite pam_pwhistory.so enforce_for_root remember=5\npassword required pam_unix.so yescrypt"
    with _policy(target, "chpasswd", history):
        connector.change(new, current=old, admin=target.admin)
        connector.change(new, current=old, admin=target.admin)
    assert connector.verify(new)


def test_a_password_that_is_too_young_is_no_policy_refusal(target: SshTarget, old: Secret, new: Secret) -> None:
    """Another candidate would be refused as well."""
    connector = target.connector(target.make_login(old))
    target.machine.run("chage", "--mindays", "7", connector.username)
    with pytest.raises(TargetError, match="wait longer") as failure:
        connector.change(new, current=old, admin=None)
    assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


@pytest.mark.parametrize("text", ["two\nlines", "bell\x07", "end\x04", "back\x7f", "tab\t"])
def test_a_password_that_a_terminal_would_act_on_is_never_sent(target: SshTarget, old: Secret, text: str) -> None:
    connector = target.connector(target.make_login(old))
    for admin in (target.admin, None):
        with pytest.raises(Invalid, match="control characters"):
            connector.change(Secret(text), current=old, admin=admin)
    assert connector.verify(old)


@pytest.mark.parametrize("username", ["-rf", "a:b", "a b", "$(reboot)", "a;b", "a/b", "~root"])
def test_a_name_that_commands_would_act_on_is_never_sent(target: SshTarget, old: Secret, username: str) -> None:
    connector = target.connector(username)
    for call in (
        lambda: connector.verify(old),
        lambda: connector.change(old, current=old, admin=target.admin),
        lambda: connector.close_sessions(new=old, admin=target.admin),
    ):
        with pytest.raises(Invalid, match="username"):
            call()


# Who may


def test_an_admin_without_sudo_is_told_so(target: SshTarget, old: Secret, new: Secret) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password), admin_password)
    connector = target.connector(target.make_login(old))
    with pytest.raises(TargetError, match=r"lacks a right.*sudo") as failure:
        connector.change(new, current=old, admin=admin)
    assert failure.value.kind is FailureKind.PERMISSION
    assert connector.verify(old)


def test_root_needs_no_sudo(target: SshTarget, old: Secret, new: Secret) -> None:
    connector = target.connector(target.make_login(old))
    log = target.recorded(lambda: connector.change(new, current=None, admin=target.root))
    assert (connector.verify(old), connector.verify(new)) == (False, True)
    assert "COMMAND=" not in log


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/rbash"])
def test_a_login_with_another_shell_or_talkative_start_up_files_changes_itself(
    target: SshTarget, old: Secret, new: Secret, shell: str
) -> None:
    connector = target.connector(target.make_login(old, "--shell", shell))
    for name in (".bashrc", ".profile"):
        target.write(connector.username, name, "echo Welcome; echo 'New password: '; export LC_ALL=de_DE.UTF-8\n")
    connector.change(new, current=old, admin=None)
    assert (connector.verify(old), connector.verify(new)) == (False, True)


@contextmanager
def _policy(target: SshTarget, service: str, lines: str) -> Iterator[None]:
    """While in here, PAM asks only these lines about new passwords."""
    path = target.machine.etc(f"pam.d/{service}")
    before = path.read_text()
    try:
        path.write_text(f"auth include common-auth\naccount include common-account\n{lines}\n")
        yield
    finally:
        path.write_text(before)


def _rejected(verify: Any) -> None:
    assert verify(random_password()) is False


def _refused(verify: Any, password: Secret, kind: FailureKind, words: str) -> None:
    with pytest.raises(TargetError) as failure:
        verify(password)
    assert failure.value.kind is kind
    assert words in failure.value.detail


# What language the server speaks


@pytest.fixture
def german(target: SshTarget, old: Secret) -> Iterator[str]:
    """A login that has its programs, and the admin's, speak German."""
    username = target.make_login(old)
    for name in (username, target.admin.username):
        target.write(name, ".bashrc", "export LC_ALL=de_DE.UTF-8\n")
    yield username
    target.write(target.admin.username, ".bashrc", "")


@pytest.mark.parametrize(("who", "path"), [("itself", "/usr/bin/passwd"), ("admin", "/usr/sbin/chpasswd")])
def test_words_are_asked_for_in_english(
    target: SshTarget, german: str, old: Secret, new: Secret, who: str, path: str
) -> None:
    connector, admin = target.connector(german), target.admin if who == "admin" else None
    with target.stand_in(path, 'echo "locale: $LC_ALL."; exit 1'), pytest.raises(TargetError, match=r"locale: C\."):
        connector.change(new, current=old, admin=admin)
    connector.change(new, current=old, admin=admin)
    assert connector.verify(new)


def test_an_expiry_is_asked_for_in_english(target: SshTarget, german: str, old: Secret, new: Secret) -> None:
    expired = '[ "$LC_ALL" = C ] && echo "Account expires : Jan 01, 2020" || echo "Konto verfällt : Jan 01, 2020"'
    with target.stand_in("/usr/bin/chage", expired), pytest.raises(TargetError, match="expired") as failure:
        target.connector(german).change(new, current=old, admin=target.admin)
    assert failure.value.kind is FailureKind.PERMISSION
