"""Real logins on the embedded engines for rotations to change: PostgreSQL roles and Valkey ACL users."""

from dataclasses import dataclass
from secrets import token_hex

import psycopg
import redis
from psycopg import sql

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


def postgres_login(company: Company, holder: User, addresses: Addresses, name: str) -> Login:
    """A role granted to `holder`; a superuser role administers it, as the product is told."""
    role, first = f"{name}_{token_hex(4)}", Secret(f"first-{token_hex(8)}")
    admin, admin_password = f"admin_{token_hex(4)}", Secret(f"admin-{token_hex(8)}")
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as server:
        for username, password, rights in ((role, first, "LOGIN"), (admin, admin_password, "LOGIN SUPERUSER")):
            statement = f"CREATE ROLE {{}} {rights} PASSWORD {{}}"
            server.execute(sql.SQL(statement).format(sql.Identifier(username), password.reveal()))
    target = {"host": addresses.postgres_host, "port": addresses.postgres_port, "sslmode": "disable"}
    return _shared(company, holder, addresses, "postgres", target, (role, first), (admin, admin_password))


def valkey_login(company: Company, holder: User, addresses: Addresses, name: str) -> Login:
    """An ACL user granted to `holder`, administered by another."""
    user, first = f"{name}_{token_hex(4)}", Secret(f"first-{token_hex(8)}")
    admin, admin_password = f"admin_{token_hex(4)}", Secret(f"admin-{token_hex(8)}")
    with redis.Redis.from_url(addresses.redis_url) as server:
        server.execute_command("ACL", "SETUSER", user, "on", f">{first.reveal()}", "~*", "+@read", "+@connection")
        server.execute_command("ACL", "SETUSER", admin, "on", f">{admin_password.reveal()}", "~*", "+@all")
        server.execute_command("ACL", "SAVE")
    target = {"host": addresses.valkey_host, "port": addresses.valkey_port}
    return _shared(company, holder, addresses, "redis_acl", target, (user, first), (admin, admin_password))


def _shared(
    company: Company, holder: User, addresses: Addresses, connector: str, target: dict[str, object],
    login: tuple[str, Secret], admin: tuple[str, Secret],
) -> Login:  # fmt: skip
    administrator = accounts.create(
        company.workspace, f"Administrator {admin[0]}", actor=TESTS, password=admin[1], username=admin[0],
        connector=connector, target=target,
    )  # fmt: skip
    account = accounts.create(
        company.workspace, login[0], actor=TESTS, password=login[1], username=login[0], connector=connector,
        target=target, is_privileged=True, admin_account=administrator,
    )  # fmt: skip
    access.grant(account, holder, actor=TESTS)
    return Login(account, login[1], addresses)


def _postgres_accepts(addresses: Addresses, role: str, password: str) -> bool:
    host, port = addresses.postgres_host, addresses.postgres_port
    try:
        psycopg.connect(host=host, port=port, user=role, password=password, dbname="postgres").close()
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise  # neither yes nor no
        return False
    return True


def _valkey_accepts(addresses: Addresses, user: str, password: str) -> bool:
    with redis.Redis(addresses.valkey_host, addresses.valkey_port, username=user, password=password) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False
