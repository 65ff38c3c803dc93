"""The stage: the embedded engines in a folder of their own, a database for each server, and the servers.

All run behind the same web server with the same settings: those of `cerby.web`, two processes of eight threads.
"""

import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from benchmarks.drivers import Connection
from cerby.engines import Addresses, Engines

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 60
COMMAND_SECONDS: Final = 600
WORKERS: Final = 2
THREADS: Final = 8
WEB_SERVERS: Final = ("gthread", "sync", "granian")


@dataclass(frozen=True)
class Server:
    """A running web server: `base` is the path before /Users, `processes` the ids of its workers."""

    name: str
    port: int
    token: str
    base: str
    database_url: str
    log: Path
    pid: int

    @property
    def connection(self) -> Connection:
        return Connection(self.port, self.token)

    def workers(self) -> list[int]:
        """The ids of the worker processes."""
        return children_of(self.pid)

    def seconds_of_web(self) -> float:
        """What the processors have given the web server so far."""
        return _seconds_of(self.pid)

    def seconds_of_database(self) -> float:
        """The same for PostgreSQL, which serves nobody else meanwhile; 0 for a server without a database."""
        if not self.database_url:
            return 0.0
        with psycopg.connect(self.database_url) as connection:
            return _seconds_of(_parent_of(connection.info.backend_pid))


class Stage:
    """Starts databases and servers; use it with `with`, which ends and removes all of them."""

    def __init__(self, web_server: str = "gthread", *, threads: int = THREADS) -> None:
        self.web_server = web_server
        self.threads = threads
        self.home = Path(tempfile.mkdtemp(prefix="cerby-benchmark-"))
        self.home.chmod(0o711)  # as root the engines run as another account, which must reach its folder in here
        self._keys = {
            "CERBY_SECRET_KEY": secrets.token_urlsafe(64),
            "CERBY_ENCRYPTION_KEYS": base64.b64encode(os.urandom(32)).decode(),
        }
        self._engines = Engines(self.home / "engines")
        self._processes: list[subprocess.Popen[bytes]] = []
        self.addresses: Addresses

    def __enter__(self) -> "Stage":
        try:
            self.addresses = self._engines.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGINT)  # at once, without waiting for connections kept alive
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers too, should one not have followed
            process.wait()
        self._engines.release()
        self._engines.wipe()
        shutil.rmtree(self.home, ignore_errors=True)

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        with psycopg.connect(self.addresses.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"of_{name}")))
        return urlunsplit(urlsplit(self.addresses.database_url)._replace(path=f"/of_{name}"))

    def manage(self, database_url: str, *arguments: str, settings: str = "cerby.settings") -> str:
        """What a management command prints, under the settings of one of the projects."""
        environment = self.environment(database_url) | {"DJANGO_SETTINGS_MODULE": settings}
        command = [sys.executable, "-m", "django", *arguments]
        done = subprocess.run(  # noqa: S603
            command, check=True, cwd=ROOT, env=environment, timeout=COMMAND_SECONDS, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    def serve(
        self, name: str, application: str, *, database_url: str = "", token: str = "", base: str = "/scim/v2",
        workers: int = WORKERS, web_server: str = "",
    ) -> Server:  # fmt: skip
        """A web server with this WSGI application, once it takes connections."""
        port, log = _free_port(), self.home / f"{name}.log"
        more = {"CERBY_PORT": str(port), "CERBY_WEB_WORKERS": str(workers), "CERBY_WEB_THREADS": str(self.threads)}
        command = _command(web_server or self.web_server, application, port, workers, self.threads)
        process = self.spawn(command, log, database_url, **more)
        _await(port, process, log)
        return Server(name, port, token, base, database_url, log, process.pid)

    def spawn(self, command: list[str], log: Path, database_url: str, **more: str) -> "subprocess.Popen[bytes]":
        """A process that ends with the stage."""
        environment = self.environment(database_url) | more
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        self._processes.append(process)
        return process

    def environment(self, database_url: str) -> dict[str, str]:
        """Nothing of Cerby's environment outside gets in; nobody is throttled, though requests are counted."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("CERBY_")}
        return outside | self._keys | {
            "CERBY_MODE": "test",
            "CERBY_SCIM_REQUESTS_PER_MINUTE": "100000000",
            "CERBY_BASE_URL": "http://127.0.0.1:8000",
            "DATABASE_URL": database_url,
            "REDIS_URL": self.addresses.redis_url,
        }


@contextmanager
def opened(server: Server) -> Iterator[psycopg.Connection]:
    """A connection of the benchmark's own to a server's database, in autocommit."""
    with psycopg.connect(server.database_url, autocommit=True) as connection:
        yield connection


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_of(pids: list[int]) -> Mapping[int, int]:
    """Resident memory of processes, in KiB."""
    found = {}
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        found[pid] = int(line.split()[1])
    return found


def _seconds_of(pid: int) -> float:
    """User and system time of a process and of its children, those that have ended included."""
    ended = sum(_ticks(pid))
    return (ended + sum(sum(_ticks(child)[:2]) for child in children_of(pid))) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> list[int]:
    """utime, stime, cutime and cstime of proc(5); none of a process that has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(field) for field in _status(pid)[11:15]]
    return []


def _parent_of(pid: int) -> int:
    return int(_status(pid)[1])


def _status(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _command(web_server: str, application: str, port: int, workers: int, threads: int) -> list[str]:
    match web_server:
        case "gthread":
            return [sys.executable, "-m", "gunicorn", "--config", "python:cerby.web", application]
        case "sync":  # gunicorn makes gthread of sync with more than one thread
            more = ["--worker-class", "sync", "--threads", "1"]
            return [sys.executable, "-m", "gunicorn", "--config", "python:cerby.web", *more, application]
        case _:
            options = {"interface": "wsgi", "port": port, "workers": workers, "blocking-threads": threads}
            words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            return [sys.executable, "-m", "granian", *words, f"{application}:application"]


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"A server did not start:\n{log.read_text()[-3000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
