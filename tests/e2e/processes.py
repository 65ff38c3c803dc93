"""The product's processes, started on the running test's database, and ended however a test likes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
WORKER = ["-m", "celery", "--app", "cerby.celery", "worker", "--pool", "solo", "--without-gossip", "--without-mingle"]
SWEEP = ["manage.py", "sweep"]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, pointed at the test database, with short times so that nobody waits."""
    url = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))
    quick = {"CERBY_LEASE_SECONDS": "2", "CERBY_SWEEP_SECONDS": "0.2", "CERBY_WAKE_AGAIN_SECONDS": "1"}
    return {**os.environ, **quick, "DATABASE_URL": database, **more}


class Process:
    """A running process with its output in a file."""

    def __init__(self, arguments: list[str], log: Path, **env: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=environment(**env), stdout=output, stderr=output
            )

    def wait_killed(self, seconds: float = 40) -> int:
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
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def running(arguments: list[str], log: Path, **env: str) -> Iterator[Process]:
    process = Process(arguments, log, **env)
    try:
        yield process
    finally:
        process.stop()


def eventually(holds: Callable[[], bool], what: str, *, log: Path | None = None, seconds: float = 60) -> None:
    """Wait until something holds; fails with what was waited for and the processes' own words."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            words = log.read_text()[-4000:] if log and log.exists() else ""
            raise AssertionError(f"{what}: not within {seconds} s\n{words}")
        time.sleep(0.05)
