"""A MariaDB of the tests' own as a target, with what a test needs to prepare and see there."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import COMMAND

from rotation.connectors.base import Login, validated
from rotation.connectors.contract import random_password
from rotation.connectors.mariadb import MariaDb
from rotation.connectors.mariadb_hashes import ed25519, native
from tests.rotation.connectors import documented, needs
from tests.rotation.connectors.servers import dropped, private_folder, running
from tests.rotation.connectors.tls import self_signed
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT = PATIENCE
ACCOUNT = "mysql" if os.geteuid() == 0 else ""
PACKAGE = "mariadb-server"


class MariaDbSession:
    """A person's connection."""

    def __init__(self, connection: "pymysql.Connection[Any]") -> None:
        self.connection = connection

    def is_alive(self) -> bool:
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except pymysql.Error:
            return False
        return True

    def begin(self, statement: str) -> None:
        """Send a statement and do not wait for its answer."""
        self.connection._execute_command(COMMAND.COM_QUERY, statement)  # type: ignore[attr-defined]

    def close(self) -> None:
        with suppress(pymysql.Error):
            self.connection.close()


@dataclass
class MariaDbTarget:
    """See `contract.Target`. `folder` is the server's own."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    kind = MariaDb
    change_marker = b"'*"  # the beginning of a hash, which stands in ALTER USER and SET PASSWORD alike
    admin: Login = field(default_factory=lambda: Login("targets-admin", random_password()))
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {
            "host": "a,b", "port": 70000, "user_host": "", "ssl_mode": "allow", "certificate_sha256": "abc",
            "dual_passwords": "perhaps",
        }
    )  # fmt: skip
    made: list[tuple[str, str]] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        return self.folder / "localhost.pem"

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port, "ssl_mode": "disabled"}  # else a proxy finds no marker

    def connector(self, username: str, *, timeout: float = TIMEOUT, **settings: Any) -> MariaDb:
        given = {**self.settings(self.host, self.port), **settings}
        return MariaDb(validated(MariaDb, given), username, timeout=timeout)

    def make_login(self, password: Secret, options: str = "", *, host: str = "%", via: str = "") -> str:
        """`via` are the ways to log in, with {native} and {ed25519} for the hashes of the password."""
        name = f"app '{secrets.token_hex(4)}"  # a name that has to be quoted
        text = password.reveal()
        how = via.format(native=native(text), ed25519=ed25519(text)) or f"BY PASSWORD '{native(text)}'"
        self.execute("CREATE USER %s@%s IDENTIFIED " + how.replace("%", "%%") + " " + options, name, host)
        self.made.append((name, host))
        return name

    def drop_logins(self) -> None:
        while self.made:
            self.execute("DROP USER %s@%s", *self.made.pop())

    def execute(self, statement: str, *values: str) -> list[tuple[Any, ...]]:
        """As the superuser, over the server's socket."""
        with self._superuser() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def open_session(self, username: str, password: Secret) -> MariaDbSession:
        return MariaDbSession(
            pymysql.connect(
                host=self.host, port=self.port, user=username, password=password.reveal().encode(), autocommit=True,
                ssl_disabled=True,
            )
        )

    def recorded(self, act: Callable[[], None]) -> str:
        log = self.folder / f"general-{secrets.token_hex(4)}.log"
        self.execute("SET GLOBAL general_log_file = %s", str(log))
        self.execute("SET GLOBAL general_log = ON")
        try:
            act()
        finally:
            self.execute("SET GLOBAL general_log = OFF")
        return log.read_text(errors="replace")

    @contextmanager
    def variable(self, name: str, value: str) -> Iterator[None]:
        """While in here, a global variable has this value."""
        before = self.execute("SHOW GLOBAL VARIABLES LIKE %s", name)[0][1]
        self.execute(f"SET GLOBAL {name} = {value}")
        try:
            yield
        finally:
            self.execute(f"SET GLOBAL {name} = {before}")

    @contextmanager
    def simple_password_check(self, *, strict: bool) -> Iterator[None]:
        """While in here, the server has rules for passwords; strict, it takes none that it cannot judge."""
        with self.variable("strict_password_validation", "ON" if strict else "OFF"):
            self.execute("INSTALL SONAME 'simple_password_check'")
            try:
                yield
            finally:
                self.execute("UNINSTALL SONAME 'simple_password_check'")

    def answers(self) -> bool:
        with suppress(pymysql.Error):
            return bool(self.execute("SELECT 1"))
        return False

    def prepare(self) -> None:
        """The administering account, as its documentation has it made."""
        for statement in documented.block("mariadb", "sql"):
            self.execute(statement.replace("…", self.admin.password.reveal()))

    def _superuser(self) -> "pymysql.Connection[Any]":
        return pymysql.connect(unix_socket=str(self.folder / "s"), user="root", autocommit=True, ssl_disabled=True)


@contextmanager
def server() -> Iterator[MariaDbTarget]:
    """A MariaDB that answers on a port of its own, without TCP names, with TLS for the name localhost."""
    install = needs.program("mariadb-install-db", package=PACKAGE)
    program = needs.program("mariadbd", package=PACKAGE)
    with private_folder("mariadb", ACCOUNT) as folder:
        common = [
            "--no-defaults", f"--datadir={folder / 'data'}", "--skip-name-resolve", "--innodb-log-file-size=4M",
            "--innodb-buffer-pool-size=8M", "--innodb-flush-method=nosync", "--innodb-fast-shutdown=2",
            "--skip-innodb-doublewrite",
        ]  # fmt: skip
        environment = {"PATH": needs.SEARCH_PATH, "HOME": str(folder), "TMPDIR": str(folder)}
        subprocess.run(
            [*dropped(ACCOUNT), install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True, env=environment, cwd=folder,
        )  # fmt: skip
        certificate = self_signed(folder, "localhost")
        certificate.chmod(0o644)  # in a folder that only the server's account can look into
        target = MariaDbTarget(folder, needs.free_port())
        command = [
            *dropped(ACCOUNT), program, *common, f"--socket={folder / 's'}", f"--port={target.port}",
            "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}", f"--tmpdir={folder}",
            f"--ssl-cert={certificate}", f"--ssl-key={certificate}", "--plugin-load-add=auth_ed25519",
        ]  # fmt: skip
        with running(command, log=folder / "log", answers=target.answers, environment=environment):
            target.prepare()
            yield target
