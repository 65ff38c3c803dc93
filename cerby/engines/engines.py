"""The way in: a process starts, uses, releases and wipes the embedded engines of a home."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis

from cerby.engines import postgres, record, status, valkey
from cerby.engines.errors import EngineError, explain_os_error, log_tail
from cerby.engines.files import remove_tree
from cerby.engines.locks import FileLock, has_open, holders, is_locked
from cerby.engines.places import data_root, make_home
from cerby.engines.record import Addresses, Record

TURN_SECONDS = 600.0  # another process may be making the first start
START_SECONDS = 480.0  # initdb and recovery on a busy machine, after the servers before have ended
STOP_SECONDS = 120.0
DETACH_SECONDS = 120.0
POLL_SECONDS = 0.02


class Engines:
    """The engines of one `home`, a folder that is theirs alone (made where it is missing).

    A port that is None is chosen free and remembered. Processes may use the same home at once; the engines
    stop about a second after the last of them released them or ended, however it ended.
    """

    def __init__(
        self, home: Path, *, postgres_port: int | None = None, valkey_port: int | None = None
    ) -> None:
        self.home = Path(home).absolute()
        self.postgres_port = postgres_port
        self.valkey_port = valkey_port
        self._lease: FileLock | None = None
        self._mutex = threading.Lock()

    def start(self) -> Addresses:
        """Start both engines unless they run already; from now on this process uses them.

        Returns when a login to both has worked. Raises EngineError, whose text says what to do.
        """
        with self._mutex, _os_errors_explained(f"use the engines' folder {self.home}"):
            make_home(self.home)
            with self._turn():
                self._end_keeper_with_other_ports()
                fresh = self._take_lease()
                try:
                    return self._await_ready().addresses()
                except BaseException:
                    if fresh:
                        self._drop_lease()
                    raise

    def release(self) -> None:
        """This process no longer uses the engines. A process that forked from it may still."""
        with self._mutex:
            self._drop_lease()

    def wipe(self) -> None:
        """Throw data, logs and passwords away. Raises EngineError naming the pids while anybody uses them."""
        with self._mutex, _os_errors_explained(f"wipe the engines in {self.home}"):
            if not self.home.is_dir():
                return
            with self._turn():
                self._end_unused_keeper("wiped")
                self._remove()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time starts, stops or wipes."""
        with FileLock(self.home / status.STARTING_LOCK) as lock:
            if not lock.exclusive(TURN_SECONDS):
                raise EngineError(
                    f"Another process has been starting the engines in {self.home} for minutes: end it."
                )
            yield

    def _take_lease(self) -> bool:
        """Become a user, waiting for a keeper that is closing down. Returns whether we were none before."""
        if self._lease is not None:
            return False
        lease = FileLock(self.home / status.LEASE)
        if not lease.shared(STOP_SECONDS):
            lease.close()
            raise EngineError(
                f"The engines in {self.home} do not finish stopping; see {self.home / status.LOG}."
            )
        self._lease = lease
        return True

    def _drop_lease(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def _await_ready(self) -> Record:
        deadline = time.monotonic() + START_SECONDS
        ours = False
        while time.monotonic() < deadline:
            found = status.read(self.home)
            if ours and found and found.state == status.FAILED:
                raise EngineError(found.message)
            if not is_locked(self.home / status.KEEPER):
                self._spawn_keeper()  # clears the status of the keeper before
                ours = True
            elif found and found.state == status.READY and (known := self._log_in()):
                return known
            time.sleep(POLL_SECONDS)
        raise EngineError(
            f"The engines in {self.home} were not ready in time. The keeper's log ends with:\n{self._log()}"
        )

    def _log_in(self) -> Record | None:
        """The record, once both engines take its passwords."""
        known = record.load(self.home)
        if known is None:
            return None
        try:
            postgres.log_in(known)
            valkey.log_in(known)
        except (psycopg.OperationalError, redis.RedisError, OSError):
            return None
        return known

    def _spawn_keeper(self) -> None:
        """Run the keeper; the command returns as soon as its detached part has taken the lock."""
        command = [sys.executable, "-P", "-m", "cerby.engines.keeper", str(self.home)]
        for name, port in (("postgres", self.postgres_port), ("valkey", self.valkey_port)):
            command += [f"--{name}-port", str(port)] if port is not None else []
        # A session of its own: Ctrl-C in a terminal is for its user, not for the engines.
        options: dict[str, Any] = {"cwd": "/", "env": _keeper_environment(), "start_new_session": True}
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True}
        try:
            done = subprocess.run(command, check=False, timeout=DETACH_SECONDS, **options, **streams)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"The engines' keeper did not start within {DETACH_SECONDS:.0f} s. Try again."
            ) from None
        if done.returncode not in (0, status.ALREADY_KEPT):
            raise EngineError(
                f"The engines' keeper did not start:\n{done.stderr.decode(errors='replace')[-2000:]}"
            )

    def _end_keeper_with_other_ports(self) -> None:
        if self._lease is None and self._other_ports_run():
            self._end_unused_keeper("started on other ports")

    def _other_ports_run(self) -> bool:
        known = record.load(self.home)
        if known is None or not is_locked(self.home / status.KEEPER):
            return False
        asked = ((self.postgres_port, known.postgres_port), (self.valkey_port, known.valkey_port))
        return any(wanted not in (None, running) for wanted, running in asked)

    def _end_unused_keeper(self, verb: str) -> None:
        """Stop the engines now, in our turn (so nobody comes). Raises EngineError while anybody uses them."""
        self._refuse_while_used(verb)
        deadline = time.monotonic() + STOP_SECONDS
        while is_locked(self.home / status.KEEPER):
            if time.monotonic() > deadline:
                raise EngineError(f"The engines in {self.home} do not stop; see {self.home / status.LOG}.")
            self._signal_keeper()
            time.sleep(POLL_SECONDS)

    def _refuse_while_used(self, verb: str) -> None:
        """Return when nobody uses the engines; a keeper that is closing down is waited for."""
        deadline = time.monotonic() + STOP_SECONDS
        while not self._is_unused():
            if users := self._users():
                pids = ", ".join(str(pid) for pid in users)
                raise EngineError(
                    f"The engines in {self.home} cannot be {verb}: in use by pid {pids}. End that first."
                )
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The engines in {self.home} cannot be {verb}: a process out of our sight uses them."
                )
            time.sleep(POLL_SECONDS)

    def _is_unused(self) -> bool:
        with FileLock(self.home / status.LEASE) as lease:
            return lease.try_exclusive()

    def _users(self) -> list[int]:
        keeper = status.read(self.home)
        return holders(self.home / status.LEASE, without=keeper.pid if keeper else None)

    def _signal_keeper(self) -> None:
        found = status.read(self.home)
        # The file may be a dead keeper's for an instant, and its pid somebody else's by now.
        if found and has_open(found.pid, self.home / status.KEEPER):
            os.kill(found.pid, signal.SIGTERM)

    def _remove(self) -> None:
        """Remove data, logs and, last, the record that tells where the data lies."""
        known = record.load(self.home)
        root = data_root(self.home, known) if known else self.home
        if root.is_dir():
            self._remove_data(root)
        for log in ("keeper.log", "postgres.log", "valkey.log"):
            for path in (self.home / log, self.home / f"{log}.1"):
                path.unlink(missing_ok=True)
        (self.home / record.FILE).unlink(missing_ok=True)

    def _remove_data(self, root: Path) -> None:
        with FileLock(root / status.ALIVE) as alive:
            if not alive.exclusive(STOP_SECONDS):
                raise EngineError(f"Servers still run on the data in {root}. End them, then wipe again.")
            for name in ("data", ".data.new"):
                remove_tree(root / name)
            if root != self.home:
                remove_tree(root)

    def _log(self) -> str:
        return log_tail(self.home / status.LOG)


@contextmanager
def _os_errors_explained(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, doing) from error


def _keeper_environment() -> dict[str, str]:
    """Only what Python needs to find this package and its libraries; no secret of the product."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(paths),
        "LC_ALL": "C.UTF-8",
    }
