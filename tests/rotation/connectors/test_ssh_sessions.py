"""What is ended after a Linux login's password was changed, and what is named because it cannot be."""

from collections.abc import Iterator

import pytest

from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.contract import random_password, until
from tests.rotation.connectors.ssh_target import SshTarget
from workspace.crypto import Secret


@pytest.fixture
def target(ssh_servers: SshTarget) -> Iterator[SshTarget]:
    yield ssh_servers
    ssh_servers.drop_logins()


@pytest.fixture
def password() -> Secret:
    return random_password()


@pytest.fixture
def username(target: SshTarget, password: Secret) -> str:
    return target.make_login(password)


@pytest.mark.parametrize("who", ["admin", "root", "itself"])
def test_what_was_left_in_the_background_of_a_session_ends_with_it(
    target: SshTarget, username: str, password: Secret, who: str
) -> None:
    session = target.open_session(username, password)
    session.type("nohup sleep 1001 > /dev/null 2>&1 &")
    assert until(lambda: target.running(username, "sleep 1001"))
    login = {"admin": target.admin, "root": target.root, "itself": None}[who]
    assert target.connector(username).close_sessions(new=password, admin=login).sessions == 1
    assert until(lambda: not session.is_alive())
    assert not target.running(username, "sleep 1001")
    session.close()


def test_a_connection_without_a_shell_is_cut_as_well(target: SshTarget, username: str, password: Secret) -> None:
    """As of somebody who only forwards ports."""
    session = target.open_session(username, password, shell=False)
    assert target.connector(username).close_sessions(new=password, admin=target.admin).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


def test_what_outlived_its_command_is_named(target: SshTarget, username: str, password: Secret) -> None:
    """Its parents are gone, so that nothing tells it from a service."""
    session = target.open_session(username, password, shell=False)
    session.execute("nohup sleep 1005 > /dev/null 2>&1 &")
    closed = target.connector(username).close_sessions(new=password, admin=target.admin)
    assert closed.sessions == 1
    assert ["1 process(es)" in line for line in closed.follow_ups] == [True]
    session.close()


def test_a_service_of_the_login_goes_on_and_is_named(target: SshTarget, username: str, password: Secret) -> None:
    target.serve(username, "sleep 1002")
    closed = target.connector(username).close_sessions(new=password, admin=target.admin)
    assert closed.sessions == 0
    assert ["1 process(es)" in line and username in line for line in closed.follow_ups] == [True]
    assert target.running(username, "sleep 1002")


@pytest.mark.parametrize("who", ["admin", "itself"])
def test_everything_of_the_login_ends_where_the_account_says_so(
    target: SshTarget, username: str, password: Secret, who: str
) -> None:
    target.serve(username, "sleep 1003")
    connector = target.connector(username, end_processes="all")
    closed = connector.close_sessions(new=password, admin=target.admin if who == "admin" else None)
    assert closed.follow_ups == ()
    assert not target.running(username, "sleep 1003")


def test_sessions_that_logind_keeps_are_ended_by_it(target: SshTarget, username: str, password: Secret) -> None:
    """Our machine has no logind; a program in its place says what it was asked for."""
    log = target.machine.home / "loginctl.log"
    with target.stand_in("/usr/bin/loginctl", f'echo "$@" >> {log}'):
        target.connector(username, end_processes="all").close_sessions(new=password, admin=target.admin)
        target.connector(username).close_sessions(new=password, admin=target.admin)
    assert log.read_text().splitlines() == [f"terminate-user {username}"]


def test_roots_connections_end_and_nobody_elses_do(target: SshTarget, username: str, password: Secret) -> None:
    """root owns a process in everybody's connection, and the one that listens for new ones."""
    somebody, root = target.open_session(username, password), target.open_session("root", target.root.password)
    closed = target.connector("root").close_sessions(new=target.root.password, admin=None)
    assert closed.sessions == 1
    assert until(lambda: not root.is_alive())
    assert somebody.is_alive()
    assert target.connector(username).verify(password)
    assert any("may become root" in line for line in closed.follow_ups)
    for session in (somebody, root):
        session.close()


def test_root_is_spared_where_everything_is_to_end(target: SshTarget) -> None:
    connector = target.connector("root", end_processes="all")
    assert connector.close_sessions(new=target.root.password, admin=None).sessions == 0
    assert connector.verify(target.root.password)


def test_an_admin_who_may_not_end_processes_leaves_it_to_the_login(
    target: SshTarget, username: str, password: Secret
) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password), admin_password)
    session = target.open_session(username, password)
    assert target.connector(username).close_sessions(new=password, admin=admin).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


def test_sessions_that_nobody_may_end_keep_the_exposure_open(
    target: SshTarget, username: str, password: Secret
) -> None:
    admin_password = random_password()
    admin = Login(target.make_login(admin_password), admin_password)
    session = target.open_session(username, password)
    with pytest.raises(TargetError) as failure:
        target.connector(username).close_sessions(new=random_password(), admin=admin)
    assert failure.value.kind is FailureKind.AUTHENTICATION
    assert session.is_alive()
    session.close()


def test_a_session_that_does_not_end_is_not_called_ended(target: SshTarget, username: str, password: Secret) -> None:
    session = target.open_session(username, password)
    with target.stand_in("/usr/bin/pkill", "exit 0"), pytest.raises(TargetError) as failure:
        target.connector(username, timeout=2).close_sessions(new=password, admin=target.root)
    assert failure.value.kind is FailureKind.UNREACHABLE
    assert session.is_alive()
    session.close()


@pytest.mark.parametrize("who", ["admin", "root", "itself"])
def test_keys_and_timed_jobs_are_counted(target: SshTarget, username: str, password: Secret, who: str) -> None:
    key = target.host_key.export_public_key().decode()
    target.write(username, ".ssh/authorized_keys", f"# the team's\n{key}\n  \n{key}")
    target.write(username, ".ssh/authorized_keys2", key)
    login = {"admin": target.admin, "root": target.root, "itself": None}[who]
    with target.stand_in("/usr/bin/crontab", 'printf "# one\\n* * * * * backup $*\\n"'):
        closed = target.connector(username).close_sessions(new=password, admin=login)
    assert [line.split()[0] for line in closed.follow_ups] == ["3", "The"]
    assert "1 line(s)" in closed.follow_ups[1]


def test_a_login_that_may_become_root_is_named(target: SshTarget, password: Secret) -> None:
    username = target.make_login(password, "--groups", "sudo")
    closed = target.connector(username).close_sessions(new=password, admin=target.admin)
    assert ["may become root" in line for line in closed.follow_ups] == [True]


def test_a_login_with_nothing_left_asks_nothing_of_anybody(target: SshTarget, username: str, password: Secret) -> None:
    assert target.connector(username).close_sessions(new=password, admin=target.admin).follow_ups == ()
