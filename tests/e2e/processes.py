"""The product's processes, started on the running test's database, and ended however a test likes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
WORKER = ["-m", "celery", "--app", "cerby.celery", "worker", "--pool", "solo", "--without-gossip", "--without-mingle"]
SWEEP = ["manage.py", "sweep"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, pointed at the test database, with times in which nobody waits in vain."""
    url = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    times = {"CERBY_LEASE_SECONDS": "600", "CERBY_CALL_TIMEOUT_SECONDS": "60"}  # no end comes of a busy machine
    quick = {"CERBY_SWEEP_SECONDS": "0.2", "CERBY_WAKE_AGAIN_SECONDS": "1"}
    return {**os.environ, **times, **quick, "DATABASE_URL": database, **more}


class Process:
    """A running process with its output in a file."""

    def __init__(self, arguments: list[str], log: Path, **env: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment(**env), stdout=output, stderr=output
            )

    def wait_killed(self, seconds: float = 2 * PATIENCE) -> int:
        """The exit status, once it is dead; negative is the signal that killed it."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"Still alive after {seconds} s:\n{self.log.read_text()[-4000:]}") from None

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(arguments: list[str], log: Path, **env: str) -> Iterator[Process]:
    process = Process(arguments, log, **env)
    try:
        yield process
    finally:
        process.stop()
