"""Real logins on the embedded engines for rotations to change: PostgreSQL roles and Valkey ACL users."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Final

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines import Addresses
from tests.companies import TESTS, Company
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.models import Account, User


@dataclass
class Login:
    """A shared account with its login on a real target and the password it began with."""

    account: Account
    first: Secret
    addresses: Addresses

    def accepts(self, password: Secret) -> bool:
        """Whether the target lets this password in, asked without any of the product's code."""
        if self.account.connector == "postgres":
            return _postgres_accepts(self.addresses, self.account.username, password.reveal())
        return _valkey_accepts(self.addresses, self.account.username, password.reveal())


def postgres_login(
    company: Company, holder: User, addresses: Addresses, name: str, *, admin: Account | None = None
) -> Login:
    """A role granted to `holder`; a superuser role administers it, as the product is told."""
    role, first = f"{name}_{token_hex(4)}", Secret(f"first-{token_hex(8)}")
    _create_role(addresses, role, first, "LOGIN")
    return _shared(company, holder, addresses, admin or postgres_admin(company, addresses), role, first)


def postgres_admin(company: Company, addresses: Addresses) -> Account:
    """A superuser role that may administer others."""
    role, password = f"admin_{token_hex(4)}", Secret(f"admin-{token_hex(8)}")
    _create_role(addresses, role, password, "LOGIN SUPERUSER")
    target = {"host": addresses.postgres_host, "port": addresses.postgres_port, "sslmode": "disable"}
    return _administrator(company, "postgres", target, role, password)


def valkey_login(
    company: Company, holder: User, addresses: Addresses, name: str, *, admin: Account | None = None
) -> Login:
    """An ACL user granted to `holder`, administered by another."""
    user, first = f"{name}_{token_hex(4)}", Secret(f"first-{token_hex(8)}")
    _create_acl_user(addresses, user, first, "+@read", "+@connection")
    return _shared(company, holder, addresses, admin or valkey_admin(company, addresses), user, first)


def valkey_admin(company: Company, addresses: Addresses) -> Account:
    """An ACL user that may administer others."""
    user, password = f"admin_{token_hex(4)}", Secret(f"admin-{token_hex(8)}")
    _create_acl_user(addresses, user, password, "+@all")
    target = {"host": addresses.valkey_host, "port": addresses.valkey_port}
    return _administrator(company, "redis_acl", target, user, password)


def _create_role(addresses: Addresses, role: str, password: Secret, rights: str) -> None:
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as server:
        statement = sql.SQL(f"CREATE ROLE {{}} {rights} PASSWORD {{}}")
        server.execute(statement.format(sql.Identifier(role), password.reveal()))


def _create_acl_user(addresses: Addresses, user: str, password: Secret, *rights: str) -> None:
    with redis.Redis.from_url(addresses.redis_url) as server:
        server.execute_command("ACL", "SETUSER", user, "on", f">{password.reveal()}", "~*", *rights)
        server.execute_command("ACL", "SAVE")


def _administrator(
    company: Company, connector: str, target: dict[str, object], username: str, password: Secret
) -> Account:
    return accounts.create(
        company.workspace, f"Administrator {username}", actor=TESTS, password=password, username=username,
        connector=connector, target=target,
    )  # fmt: skip


def _shared(
    company: Company, holder: User, addresses: Addresses, admin: Account, username: str, first: Secret
) -> Login:
    """Where its admin account is, and granted to `holder`."""
    account = accounts.create(
        company.workspace, username, actor=TESTS, password=first, username=username, connector=admin.connector,
        target=admin.target, is_privileged=True, admin_account=admin,
    )  # fmt: skip
    access.grant(account, holder, actor=TESTS)
    return Login(account, first, addresses)


def _postgres_accepts(addresses: Addresses, role: str, password: str) -> bool:
    host, port = addresses.postgres_host, addresses.postgres_port
    try:
        psycopg.connect(host=host, port=port, user=role, password=password, dbname="postgres").close()
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise  # neither yes nor no
        return False
    return True


ONE_TRY: Final = Retry(NoBackoff(), 0)
"""A rejected password is an answer; redis-py would ask again, for seconds."""


def _valkey_accepts(addresses: Addresses, user: str, password: str) -> bool:
    at = (addresses.valkey_host, addresses.valkey_port)
    with redis.Redis(*at, username=user, password=password, retry=ONE_TRY) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False
