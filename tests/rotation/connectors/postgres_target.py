"""The embedded PostgreSQL as a target, with what a test needs to prepare and see there."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from cerby.engines import Addresses
from rotation.connectors.base import Login, validated
from rotation.connectors.contract import until
from rotation.connectors.postgres import Postgres
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT = PATIENCE


class PostgresSession:
    """A person's connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def is_alive(self) -> bool:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def backend(self) -> int:
        """The process that serves it on the server, which runs on this machine."""
        return self._connection.info.backend_pid

    def close(self) -> None:
        self._connection.close()


@dataclass
class PostgresTarget:
    """See `contract.Target`. `log` is the server's log file."""

    addresses: Addresses
    log: Path
    kind = Postgres
    change_marker = b"ALTER ROLE"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {"host": "a,b", "port": 70000, "database": "", "sslmode": "allow"}
    )
    made: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.addresses.postgres_host

    @property
    def port(self) -> int:
        return self.addresses.postgres_port

    @property
    def admin(self) -> Login:
        url = urlsplit(self.addresses.postgres_admin_url)
        return Login(url.username or "", Secret(url.password or ""))

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port}

    def connector(self, username: str, *, timeout: float = TIMEOUT, **settings: Any) -> Postgres:
        given = {**self.settings(self.host, self.port), **settings}
        return Postgres(validated(Postgres, given), username, timeout=timeout)

    def make_login(self, password: Secret, options: str = "LOGIN") -> str:
        name = f'app "{secrets.token_hex(4)}"'  # a name that has to be quoted
        words = sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
            sql.Identifier(name),
            sql.SQL(options),
            sql.Literal(password.reveal()),
        )
        self.execute(words)
        self.made.append(name)
        return name

    def drop_logins(self) -> None:
        while self.made:
            name = sql.Identifier(self.made.pop())
            self.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
            self.execute(sql.SQL("DROP ROLE {}").format(name))

    def alter(self, username: str, options: str) -> None:
        """`ALTER ROLE username options`."""
        self.execute(sql.SQL("ALTER ROLE {} " + options).format(sql.Identifier(username)))

    def execute(self, statement: sql.Composed | LiteralString) -> list[tuple[Any, ...]]:
        """As the superuser."""
        with psycopg.connect(self.addresses.postgres_admin_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def open_session(self, username: str, password: Secret, **options: Any) -> PostgresSession:
        connection = psycopg.connect(
            host=self.host, port=self.port, user=username, password=password.reveal(), dbname="postgres",
            autocommit=True, **options,
        )  # fmt: skip
        return PostgresSession(connection)

    def recorded(self, act: Callable[[], None]) -> str:
        loud = {"log_statement": "all", "log_min_error_statement": "debug1", "log_error_verbosity": "verbose"}
        for name, value in loud.items():
            self.alter(self.admin.username, f"SET {name} = '{value}'")
        start = self.log.stat().st_size
        try:
            act()
        finally:
            for name in loud:
                self.alter(self.admin.username, f"RESET {name}")
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    @contextmanager
    def first_rule(self, username: str, method: str) -> Iterator[None]:
        """While in here, pg_hba.conf begins with a line that gives `username` the authentication `method`."""
        path = Path(self.execute("SHOW hba_file")[0][0])
        lines, quoted = path.read_text(), username.replace('"', '""')
        try:
            self._write_rules(path, f'host all "{quoted}" 127.0.0.1/32 {method}\n{lines}')
            yield
        finally:
            self._write_rules(path, lines)

    def _write_rules(self, path: Path, lines: str) -> None:
        loaded = self.execute("SELECT pg_conf_load_time()")
        path.write_text(lines)
        assert not self.execute("SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL")
        self.execute("SELECT pg_reload_conf()")
        assert until(lambda: self.execute("SELECT pg_conf_load_time()") != loaded)
