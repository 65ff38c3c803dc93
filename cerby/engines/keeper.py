"""The keeper: starts both engines of a home as its children and stops them when nobody uses them any more.

`python -m cerby.engines.keeper <home> [--postgres-port N] [--valkey-port N]` returns as soon as a detached
process has taken over; its state is in `keeper.json`, its log in `keeper.log`. Where the keeper itself is
killed, the kernel ends the engines.
"""

import argparse
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cerby.engines import status
from cerby.engines.errors import EngineError, explain_os_error
from cerby.engines.files import open_log
from cerby.engines.locks import FileLock
from cerby.engines.site import open_site
from cerby.engines.status import Status
from cerby.engines.supervisor import Supervisor

TICK_SECONDS = 0.1
GRACE_SECONDS = 1.0  # so that a command followed by another finds the engines running

_logger = logging.getLogger("cerby.engines.keeper")


@dataclass
class Stopper:
    """Set by a signal that asks the keeper to stop."""

    asked: bool = False

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _ask(self, *_: object) -> None:
        self.asked = True


def main(arguments: list[str]) -> int:
    """Detach and keep the engines. Returns an exit status."""
    options = _parse(arguments)
    home: Path = options.home.resolve()
    os.umask(0o077)
    lock = FileLock(home / status.KEEPER)
    if not lock.try_exclusive():
        return status.ALREADY_KEPT
    status.clear(home)
    if os.fork() > 0:
        return 0  # the child holds the lock on
    _detach(home)
    try:
        _tell(home, status.STARTING)
        _keep(home, options.postgres_port, options.valkey_port)
    except EngineError as error:
        return _fail(home, str(error))
    except OSError as error:
        return _fail(home, str(explain_os_error(error, f"run the engines in {home}")))
    except Exception:
        _logger.exception("The keeper failed")
        return _fail(home, f"The engines' keeper failed; see {home / status.LOG}.")
    status.clear(home)
    return 0


def _detach(home: Path) -> None:
    """Leave the terminal, the folder and the output of whoever started us."""
    os.setsid()
    os.chdir("/")
    log, null = open_log(home / status.LOG), os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(null)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")


def _keep(home: Path, postgres_port: int | None, valkey_port: int | None) -> None:
    stopper = Stopper()
    stopper.listen()
    supervisor = Supervisor(open_site(home), postgres_port=postgres_port, valkey_port=valkey_port)
    try:
        supervisor.start()
        _tell(home, status.READY)
        with FileLock(home / status.LEASE) as lease:
            _watch(home, supervisor, lease, stopper)
            _tell(home, status.STOPPING)
            supervisor.stop()  # the lease is still ours: who comes now waits for a fresh start
    finally:
        supervisor.stop()


def _watch(home: Path, supervisor: Supervisor, lease: FileLock, stopper: Stopper) -> None:
    """Return when nobody has used the engines for a while, the lease taken; or when asked to stop."""
    idle_since: float | None = None
    while not stopper.asked:
        time.sleep(TICK_SECONDS)
        if supervisor.fallen():
            _tell(home, status.STARTING)
            supervisor.recover()
            _tell(home, status.READY)
        if not lease.try_exclusive():
            idle_since = None
            continue
        idle_since = idle_since or time.monotonic()
        if time.monotonic() - idle_since >= GRACE_SECONDS:
            return
        lease.unlock()


def _tell(home: Path, state: str, message: str = "") -> None:
    _logger.info("%s %s", state, message)
    status.write(home, Status(os.getpid(), state, message))


def _fail(home: Path, message: str) -> int:
    try:
        _tell(home, status.FAILED, message)
    except OSError:  # the disk may be full: the log has the message, if anything has
        _logger.exception("The keeper's state cannot be written")
    return 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cerby.engines.keeper", description="Keep the embedded engines of a home."
    )
    parser.add_argument("home", type=Path)
    parser.add_argument("--postgres-port", type=int)
    parser.add_argument("--valkey-port", type=int)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
