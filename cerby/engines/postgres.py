"""The embedded PostgreSQL: its cluster, its settings, its role and database."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from cerby.engines.binaries import Binaries
from cerby.engines.errors import EngineError, explain
from cerby.engines.files import remove_tree, sync_folder
from cerby.engines.processes import Runner, Server, stop
from cerby.engines.record import HOST, Record

INITDB_SECONDS = 240.0
LOGIN_SECONDS = 30
# Fast shutdown with a checkpoint; then immediate shutdown, which the next start recovers from.
_STOP = ((signal.SIGINT, 40.0), (signal.SIGQUIT, 20.0))

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # TCP is the only way in
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_buffers": "16MB",
    "min_wal_size": "80MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements, and the rows quoted in DETAIL lines, can hold secrets and people's names: neither is logged,
    # not even for a statement that fails.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_min_duration_statement": "-1",
    "log_connections": "",
}


@dataclass(frozen=True)
class Postgres:
    """The server of one home. `data` is the cluster's folder, `log` the file for all it says."""

    binaries: Binaries
    data: Path
    log: Path
    runner: Runner
    name: ClassVar[str] = "postgres"

    def initialise(self, admin_password: str) -> None:
        """Make a missing cluster; an interrupted attempt leaves only a folder that is thrown away.

        Raises EngineError where initdb fails.
        """
        if self.data.is_dir():
            return
        aside = self.data.with_name(f"{self.data.name}.new")
        remove_tree(aside)
        self._initdb(aside, admin_password)
        aside.rename(self.data)
        sync_folder(self.data.parent)

    def forget_stale_pid(self) -> None:
        """Remove what a killed server left: its pid may be another process's by now.

        Only for a caller that knows by the lock that no server of this home lives.
        """
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def launch(self, port: int) -> Server:
        settings = {**_SETTINGS, "port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.binaries.postgres), "-D", str(self.data), *options]
        return self.runner.spawn(command, log=self.log, death_signal=signal.SIGQUIT)

    def log_in(self, record: Record) -> None:
        log_in(record)

    def stop(self, server: Server) -> None:
        stop(server, _STOP)

    def _initdb(self, folder: Path, password: str) -> None:
        since = self.log.stat().st_size if self.log.exists() else 0
        stdin = self.runner.pipe(f"{password}\n")
        command = [str(self.binaries.initdb), "-D", str(folder), *_INITDB]
        try:
            process = self.runner.spawn(command, log=self.log, death_signal=signal.SIGKILL, stdin=stdin)
        finally:
            os.close(stdin)
        deadline = time.monotonic() + INITDB_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        stop(process, ())
        if process.returncode != 0:
            raise explain("PostgreSQL", "could not make its data folder", self.log, since)


_INITDB = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--pwfile=/dev/stdin",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
)


def log_in(record: Record) -> None:
    """A real login as the administrator.

    Raises psycopg.OperationalError while the server is not ready, EngineError where it refuses the password.
    """
    _connect(record.addresses().postgres_admin_url).close()


def prepare(record: Record) -> None:
    """Make the role and the database `cerby` where they are missing."""
    with _connect(record.addresses().postgres_admin_url) as connection:
        _make_role(connection, "cerby", record.cerby_password)
        _make_database(connection, "cerby", owner="cerby")


def _make_role(connection: psycopg.Connection, name: str, password: str) -> None:
    """Make a login role that may make databases. The server is sent its SCRAM verifier, no password."""
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone():
        return
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    command = sql.SQL("CREATE ROLE {} LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD {}")
    connection.execute(command.format(sql.Identifier(name), sql.Literal(verifier)))


def _make_database(connection: psycopg.Connection, name: str, *, owner: str) -> None:
    """Make a database that its owner alone (and a superuser) may connect to."""
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
        command = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(command.format(sql.Identifier(name), sql.Identifier(owner)))
    connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))


# Said here, so that PGSSLMODE and its like in a caller's environment change nothing.
_CONNECTION: dict[str, Any] = {
    "connect_timeout": LOGIN_SECONDS,
    "sslmode": "disable",
    "gssencmode": "disable",
}


def _connect(url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(url, autocommit=True, **_CONNECTION)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise EngineError(
                "PostgreSQL refuses the password in engines.json: restore the file that belongs to this data."
            ) from None
        raise
