"""The servers whose passwords the demo changes: a database `targets` in the embedded PostgreSQL, users in its Valkey.

They are real logins on real servers. Each is made once, with the password that Cerby has stored for it.
"""

import hashlib
import secrets
from typing import Final

import psycopg
import redis
from psycopg import sql

from cerby.engines import Addresses
from workspace.crypto import Secret

DATABASE: Final = "targets"
ROLES: Final = ("reporting", "billing")
ROLE_ADMIN: Final = "targets-admin"
DRIFTED: Final = "archive"
"""A role whose password is another than the one that Cerby has stored."""
CACHE_USER: Final = "cache-app"
CACHE_ADMIN: Final = "acl-admin"

# What each may do. The administrator's rights are those that the connector's documentation asks for, and no more.
_CACHE_RULES: Final = {
    CACHE_USER: ("~app:*", "+@read", "+@write", "+@connection"),
    CACHE_ADMIN: ("+acl|setuser", "+acl|getuser", "+acl|save", "+acl|whoami", "+client|kill", "+@connection"),
}


def postgres_target(addresses: Addresses) -> dict[str, object]:
    """The connection settings of the PostgreSQL accounts."""
    return {"host": addresses.postgres_host, "port": addresses.postgres_port, "database": DATABASE}


def cache_target(addresses: Addresses) -> dict[str, object]:
    """The connection settings of the Valkey accounts."""
    return {"host": addresses.valkey_host, "port": addresses.valkey_port}


def make(addresses: Addresses, passwords: dict[str, Secret]) -> None:
    """Make what is missing of the database, its roles and the ACL users; what exists keeps its password."""
    roles: list[str] = [role for role in (*ROLES, DRIFTED) if role in passwords]
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as connection:
        _make_roles(connection, roles, {**passwords, DRIFTED: Secret(secrets.token_urlsafe())})
        _make_database(connection, roles)
    with redis.Redis.from_url(addresses.redis_url) as cache:
        for user in (CACHE_USER, CACHE_ADMIN):
            _make_cache_user(cache, user, passwords[user])
        cache.acl_save()


def _make_roles(connection: psycopg.Connection, roles: list[str], passwords: dict[str, Secret]) -> None:
    for role in roles:
        _make_role(connection, role, passwords[role], sql.SQL(""))
    _make_role(connection, ROLE_ADMIN, passwords[ROLE_ADMIN], sql.SQL("CREATEROLE"))
    admin = sql.Identifier(ROLE_ADMIN)
    connection.execute(sql.SQL("GRANT pg_signal_backend TO {}").format(admin))
    for role in roles:
        # The administrator may manage the role, but neither inherits its rights nor becomes it.
        grant = sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        connection.execute(grant.format(sql.Identifier(role), admin))


def _make_role(connection: psycopg.Connection, name: str, password: Secret, options: sql.Composable) -> None:
    """Make a missing login role; the server is sent the SCRAM verifier, never the password."""
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None:
        return
    verifier = connection.pgconn.encrypt_password(password.reveal().encode(), name.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
            sql.Identifier(name), options, sql.Literal(verifier.decode())
        )
    )


def _make_database(connection: psycopg.Connection, roles: list[str]) -> None:
    """Only the demo's roles may connect; what others hold in the cluster stays out of their reach."""
    name = sql.Identifier(DATABASE)
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    allowed = sql.SQL(", ").join(map(sql.Identifier, (*roles, ROLE_ADMIN)))
    connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, allowed))


def _make_cache_user(cache: "redis.Redis", name: str, password: Secret) -> None:
    if cache.acl_getuser(name) is None:
        digest = hashlib.sha256(password.reveal().encode()).hexdigest()
        rules = ("on", f"#{digest}", *_CACHE_RULES[name])
        cache.execute_command("ACL SETUSER", name, *rules)  # type: ignore[no-untyped-call]  # redis-py leaves it so
