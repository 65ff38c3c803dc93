"""PostgreSQL roles to rotate: made in SQL with accounts, passwords and grants; and the bare loop beside which we run.

Imported after Django is set up.
"""

import multiprocessing
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Final
from uuid import UUID

import psycopg
from django.db import connection
from django.utils import timezone
from psycopg import pq, sql
from uuid_utils.compat import uuid7

from cerby.engines import Addresses
from workspace import accounts, bulk, crypto, people
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import Account, Grant, SecretVersion, User, Workspace
from workspace.people import Profile

BENCHMARK: Final = Actor.system("benchmark")
_FORK: Final = multiprocessing.get_context("fork")


@dataclass
class Estate:
    """A workspace with shared accounts on one PostgreSQL server, administered by one superuser role."""

    addresses: Addresses
    workspace: Workspace = field(init=False)
    admin: Account = field(init=False)
    leavers: int = 0

    def __post_init__(self) -> None:
        self.workspace = Workspace.objects.get()
        self.workspace.mass_removal_percent = 100  # departures one after the other are what is measured
        self.workspace.save(update_fields=["mass_removal_percent"])
        name, password = f"admin_{token_hex(4)}", token_hex(16)
        create_roles(self.addresses, {name: password}, "LOGIN SUPERUSER")
        self.admin = accounts.create(
            self.workspace, name, actor=BENCHMARK, password=Secret(password), username=name, connector="postgres",
            target=self.target,
        )  # fmt: skip

    @property
    def target(self) -> dict[str, object]:
        return {"host": self.addresses.postgres_host, "port": self.addresses.postgres_port, "sslmode": "disable"}

    def accounts(self, names: dict[str, str]) -> list[UUID]:
        """Privileged accounts by user name and password; what they name on the server is the caller's to make."""
        ids = [uuid7() for _ in names]
        bulk.insert(
            Account, {"id": ids, "name": list(names), "username": list(names)}, workspace_id=self.workspace.pk,
            connector="postgres", target=self.target, is_privileged=True, admin_account_id=self.admin.pk,
        )  # fmt: skip
        sealed = [
            crypto.seal(Secret(password), workspace=self.workspace.pk, account=pk, version=1)
            for pk, password in zip(ids, names.values(), strict=True)
        ]
        now = timezone.now()
        SecretVersion.objects.bulk_create(
            [
                SecretVersion(workspace=self.workspace, account_id=pk, number=1, sealed=each, visible_from=now)
                for pk, each in zip(ids, sealed, strict=True)
            ],
            batch_size=1000,
        )
        return ids

    def leaver(self, ids: list[UUID]) -> User:
        """Somebody new with a grant to each of these accounts."""
        self.leavers += 1
        name = f"leaver{self.leavers}@example.com"
        user = people.provision(self.workspace, Profile(name, email=name), actor=BENCHMARK)
        bulk.insert(Grant, {"account_id": ids}, workspace_id=self.workspace.pk, user_id=user.pk)
        settle()
        return user

    def forget(self) -> None:
        """Take what earlier departures want off the table, so that the next one writes as many rows."""
        with connection.cursor() as cursor:
            cursor.execute("UPDATE rotation_rotationjob SET state = 'cancelled' WHERE state = 'queued'")
            cursor.execute(
                "UPDATE rotation_exposure SET closed_at = now(), outcome = 'proved_dead' WHERE closed_at IS NULL"
            )


def settle() -> None:
    """What autovacuum would do a minute later."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def create_roles(addresses: Addresses, passwords: dict[str, str], rights: str = "LOGIN") -> None:
    with psycopg.connect(addresses.postgres_admin_url) as server:
        for name, password in passwords.items():
            server.execute(sql.SQL(f"CREATE ROLE {{}} {rights} PASSWORD {{}}").format(sql.Identifier(name), password))


def bare_loop(addresses: Addresses, roles: dict[str, str], *, clients: int) -> tuple[float, dict[str, str]]:
    """Seconds to change these roles' passwords and to log in with the new, the old and a wrong one, and no more.

    As many processes as the worker has. Returns the new passwords as well.
    """
    new = {name: token_hex(16) for name in roles}
    shares = [list(roles)[client::clients] for client in range(clients)]
    begun = time.perf_counter()
    processes = [_FORK.Process(target=_change_all, args=(addresses, share, roles, new)) for share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("A client of the bare loop failed.")
    return time.perf_counter() - begun, new


def _change_all(addresses: Addresses, names: list[str], old: dict[str, str], new: dict[str, str]) -> None:
    for name in names:
        _change(addresses, name, new[name])
        accepted = [_accepts(addresses, name, password) for password in (new[name], old[name], token_hex(16))]
        if accepted != [True, False, False]:
            raise RuntimeError(f"The bare loop changed nothing: {accepted}")


def _change(addresses: Addresses, name: str, password: str) -> None:
    with psycopg.connect(addresses.postgres_admin_url, autocommit=True) as server:
        verifier = server.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        server.execute(statement.format(sql.Identifier(name), verifier))


def _accepts(addresses: Addresses, name: str, password: str) -> bool:
    settings = f"host={addresses.postgres_host} port={addresses.postgres_port} dbname=postgres user={name}"
    session = pq.PGconn.connect(f"{settings} password={password} sslmode=disable gssencmode=disable".encode())
    try:
        return session.status == pq.ConnStatus.OK
    finally:
        session.finish()
