"""Administering accounts with the rights that docs/connectors asks for, and with one right fewer.

That these rights suffice for everything is the contract's to say where its admin has no others (MariaDB, LDAP, SSH).
"""

from collections.abc import Callable, Iterator

import pytest

from cerby.engines import Addresses, Engines
from rotation.connectors.base import Connector, FailureKind, Login, TargetError
from rotation.connectors.contract import OpenSession, random_password, until
from tests.rotation.connectors import documented, ldap_target, rabbitmq_target, redis_target
from tests.rotation.connectors.mariadb_target import MariaDbTarget
from tests.rotation.connectors.postgres_target import PostgresTarget
from tests.rotation.connectors.redis_target import RedisTarget
from tests.rotation.connectors.ssh_target import ADMIN, SshTarget
from workspace.crypto import Secret


def rotates(connector: Connector, old: Secret, new: Secret, admin: Login, session: OpenSession) -> None:
    connector.change(new, current=old, admin=admin)
    connector.retire(old, new=new, admin=admin)
    assert (connector.verify(new), connector.verify(old)) == (True, False)
    assert connector.close_sessions(new=new, admin=admin).sessions == 1
    assert until(lambda: not session.is_alive())
    session.close()


def is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(TargetError, match=words) as failure:
        call()
    assert failure.value.kind is FailureKind.PERMISSION


# PostgreSQL


@pytest.fixture
def postgres(addresses: Addresses, engines: Engines) -> Iterator[PostgresTarget]:
    found = PostgresTarget(addresses, engines.home / "postgres.log")
    yield found
    found.execute('DROP OWNED BY "targets-admin"; DROP ROLE "targets-admin"')
    found.drop_logins()


def postgres_admin(target: PostgresTarget, username: str, *, without: str = "nothing") -> Login:
    """Made by the documented statements, but those that contain `without`."""
    password, quoted = random_password(), '"' + username.replace('"', '""') + '"'
    for statement in documented.block("postgres", "sql"):
        if without not in statement:
            filled = statement.replace("…", password.reveal()).replace("GRANT reporting", f"GRANT {quoted}")
            target.execute(filled)
    return Login("targets-admin", password)


def test_postgres_is_rotated_with_the_documented_rights(postgres: PostgresTarget, old: Secret, new: Secret) -> None:
    session = postgres.open_session(username := postgres.make_login(old), old)
    rotates(postgres.connector(username), old, new, postgres_admin(postgres, username), session)


def test_postgres_without_admin_on_the_role_refuses_the_change(
    postgres: PostgresTarget, old: Secret, new: Secret
) -> None:
    connector = postgres.connector(postgres.make_login(old))
    admin = postgres_admin(postgres, connector.username, without="WITH ADMIN")
    is_refused(lambda: connector.change(new, current=old, admin=admin), "42501")
    assert connector.verify(old)


def test_postgres_without_createrole_refuses_the_change(postgres: PostgresTarget, old: Secret, new: Secret) -> None:
    connector = postgres.connector(postgres.make_login(old))
    admin = postgres_admin(postgres, connector.username)
    postgres.alter("targets-admin", "NOCREATEROLE")
    is_refused(lambda: connector.change(new, current=old, admin=admin), "42501")
    assert connector.verify(old)


def test_postgres_without_the_right_to_signal_leaves_sessions_to_the_role(
    postgres: PostgresTarget, old: Secret, new: Secret
) -> None:
    session = postgres.open_session(username := postgres.make_login(old), old)
    admin = postgres_admin(postgres, username, without="pg_signal_backend")
    rotates(postgres.connector(username), old, new, admin, session)


# Redis


@pytest.fixture
def redis(addresses: Addresses) -> Iterator[RedisTarget]:
    found = redis_target.target_at(addresses.redis_url)
    yield found
    found.drop_logins()


def redis_admin(target: RedisTarget, *, without: str = "nothing") -> Login:
    password = random_password()
    for line in documented.block("redis"):
        words = [word for word in line.replace("…", password.reveal()).split() if word != without]
        target.execute(*words)
    target.made.append("targets-admin")
    return Login("targets-admin", password)


def test_redis_is_rotated_with_the_documented_rights(redis: RedisTarget, old: Secret, new: Secret) -> None:
    session = redis.open_session(username := redis.make_login(old), old)
    rotates(redis.connector(username), old, new, redis_admin(redis), session)


@pytest.mark.parametrize("right", ["+acl|setuser", "+acl|getuser", "+acl|save"])
def test_redis_without_a_right_to_change_users_refuses_the_change(
    redis: RedisTarget, old: Secret, new: Secret, right: str
) -> None:
    connector, admin = redis.connector(redis.make_login(old)), redis_admin(redis, without=right)
    is_refused(lambda: connector.change(new, current=old, admin=admin), right.removeprefix("+"))
    assert (connector.verify(old), connector.verify(new)) == (True, False)


def test_redis_without_the_right_to_end_connections_leaves_them_open(redis: RedisTarget, old: Secret) -> None:
    connector, admin = redis.connector(redis.make_login(old)), redis_admin(redis, without="+client|kill")
    is_refused(lambda: connector.close_sessions(new=old, admin=admin), r"client\|kill")


def test_redis_without_the_right_to_see_replicas_asks_a_person(redis: RedisTarget, old: Secret) -> None:
    connector, admin = redis.connector(redis.make_login(old)), redis_admin(redis, without="+info")
    assert ["replicas?" in line for line in connector.close_sessions(new=old, admin=admin).follow_ups] == [True]


# RabbitMQ


def test_rabbitmq_is_rotated_by_an_administrator_without_permissions(old: Secret, new: Secret) -> None:
    with rabbitmq_target.server() as target:
        password = random_password()
        target.ask("PUT", "users/targets-admin", {"password": password.reveal(), "tags": "administrator"})
        session = target.open_session(username := target.make_login(old), old)
        rotates(target.connector(username), old, new, Login("targets-admin", password), session)


# MariaDB


@pytest.fixture
def mariadb(mariadb_server: MariaDbTarget) -> Iterator[MariaDbTarget]:
    yield mariadb_server
    mariadb_server.drop_logins()


@pytest.mark.parametrize(
    ("right", "words"), [("CREATE USER ON *.*", "CREATE USER"), ("SELECT ON mysql.*", r"SELECT on mysql\.\*")]
)
def test_mariadb_without_a_right_to_change_users_refuses_the_change(
    mariadb: MariaDbTarget, old: Secret, new: Secret, right: str, words: str
) -> None:
    connector = mariadb.connector(mariadb.make_login(old))
    mariadb.execute(f"REVOKE {right} FROM 'targets-admin'@'%'")
    try:
        is_refused(lambda: connector.change(new, current=old, admin=mariadb.admin), words)
        assert connector.verify(old)
    finally:
        mariadb.execute(f"GRANT {right} TO 'targets-admin'@'%'")


@pytest.mark.parametrize("right", ["PROCESS", "CONNECTION ADMIN"])
def test_mariadb_without_a_right_over_sessions_leaves_them_to_the_login(
    mariadb: MariaDbTarget, old: Secret, new: Secret, right: str
) -> None:
    session = mariadb.open_session(username := mariadb.make_login(old), old)
    mariadb.execute(f"REVOKE {right} ON *.* FROM 'targets-admin'@'%'")
    try:
        rotates(mariadb.connector(username), old, new, mariadb.admin, session)
    finally:
        mariadb.execute(f"GRANT {right} ON *.* TO 'targets-admin'@'%'")


# LDAP


def ldap_rights(*, without: str) -> list[str]:
    """The documented rules without the admin's part in those for the attribute."""
    found, is_meant = [], False
    for line in documented.block("ldap"):
        is_meant = is_meant if line.startswith(" ") else without in line
        if not (is_meant and "cn=cerby" in line):
            found.append(line)
    pairs = zip(found, [*found[1:], "access"], strict=True)
    return [line for line, after in pairs if line[0] == " " or after[0] == " "]  # a rule needs a line about somebody


def test_a_directory_that_lets_the_admin_write_no_password_refuses_the_change(old: Secret, new: Secret) -> None:
    with ldap_target.server(rights=ldap_rights(without="userPassword")) as target:
        connector = target.connector(target.make_login(old))
        is_refused(lambda: connector.change(new, current=old, admin=target.admin), "50|access")
        assert connector.verify(old)


@pytest.mark.parametrize("attribute", ["pwdReset", "entry"])
def test_a_directory_that_shows_the_admin_no_more_than_it_must_is_rotated(
    old: Secret, new: Secret, attribute: str
) -> None:
    with ldap_target.server(rights=ldap_rights(without=attribute)) as target:
        connector = target.connector(target.make_login(old))
        connector.change(new, current=None, admin=target.admin)
        assert (connector.verify(new), connector.verify(old)) == (True, False)


# SSH


@pytest.fixture
def machine(ssh_servers: SshTarget) -> Iterator[SshTarget]:
    sudoers = ssh_servers.machine.etc("sudoers.d/cerby")
    before = sudoers.read_text()
    sudoers.chmod(0o640)  # else its owner, who may be no root, cannot write
    yield ssh_servers
    sudoers.write_text(before)
    ssh_servers.drop_logins()


def forbid(target: SshTarget, command: str) -> None:
    """Leave this command out of what the admin may do."""
    sudoers = target.machine.etc("sudoers.d/cerby")
    lines = sudoers.read_text().replace("\\\n", " ").splitlines()
    allowed = [part for part in lines[1].partition("= ")[2].split(", ") if command not in part]
    sudoers.write_text("\n".join([lines[0], f"Cmnd_Alias CERBY = {', '.join(allowed)}", *lines[2:]]) + "\n")
    assert command not in target.machine.run("sudo", "-l", "-U", ADMIN)


@pytest.mark.parametrize("command", ["/usr/sbin/chpasswd", "/usr/bin/passwd"])
def test_ssh_without_the_command_that_sets_it_or_the_one_that_sees_a_lock_refuses_the_change(
    machine: SshTarget, old: Secret, new: Secret, command: str
) -> None:
    connector = machine.connector(machine.make_login(old))
    forbid(machine, command)
    is_refused(lambda: connector.change(new, current=old, admin=machine.admin), "lacks a right.*sudo")
    assert connector.verify(old)


@pytest.mark.parametrize("command", ["/usr/bin/chage", "/usr/bin/pkill", "/usr/bin/loginctl"])
def test_ssh_without_the_other_commands_is_rotated(machine: SshTarget, old: Secret, new: Secret, command: str) -> None:
    session = machine.open_session(username := machine.make_login(old), old)
    forbid(machine, command)
    rotates(machine.connector(username), old, new, machine.admin, session)
