"""MariaDB users: the contract, and what only MariaDB does."""

from collections.abc import Iterator

import pytest
from pymysql.err import OperationalError

from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract import ConnectorContract, random_password, until
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.mariadb_hashes import ed25519, native
from tests.rotation.connectors.mariadb_target import MariaDbTarget
from workspace.crypto import Secret


@pytest.fixture
def target(mariadb_server: MariaDbTarget) -> Iterator[MariaDbTarget]:
    yield mariadb_server
    mariadb_server.drop_logins()


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


# Sessions


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
