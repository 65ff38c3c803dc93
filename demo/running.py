"""The running demo, or one that is started for the time being: for the story, and for pictures of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from cerby import environment
from cerby.engines import ports
from demo.facts import STORY_LOG, Facts
from demo.start import DemoError
from demo.terminal import say

START_SECONDS: Final = 600.0
STOP_SECONDS: Final = 60.0


@contextmanager
def running(home: Path) -> Iterator[Facts]:
    """The facts of the demo that answers; where none does, of one that runs as long as this context."""
    running = Facts.read(home)
    if running is not None and _answers(running):
        yield running
        return
    with _own_demo(home) as own:
        yield own


def _answers(facts: Facts) -> bool:
    """What a killed demo left behind does not answer."""
    try:
        return httpx.get(f"{facts.base_url}/health/live", timeout=10).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _own_demo(home: Path) -> Iterator[Facts]:
    """A demo on a free port, with its output (and so what opens it) in a private file; stopped in the end."""
    log = home / STORY_LOG
    home.mkdir(parents=True, exist_ok=True)
    say("No demo is running: starting one for the time being …")
    command = [sys.executable, "-m", "demo", "start", "--port", str(ports.choose("the demo", given=None, remembered=0))]
    log.unlink(missing_ok=True)
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        demo = subprocess.Popen(command, cwd=environment.ROOT, stdout=output, stderr=output, start_new_session=True)  # noqa: S603  # our own command
    try:
        yield _await_facts(home, demo, log)
    finally:
        _stop(demo)


def _stop(demo: "subprocess.Popen[bytes]") -> None:
    demo.send_signal(signal.SIGTERM)
    try:
        demo.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        demo.kill()
        demo.wait()


def _await_facts(home: Path, demo: "subprocess.Popen[bytes]", log: Path) -> Facts:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and demo.poll() is None:
        found = Facts.read(home)
        if found is not None and _answers(found):
            return found
        time.sleep(0.2)
    tail = "\n".join(log.read_text().splitlines()[-20:])
    raise DemoError(f"The demo did not start. {log} ends with:\n{tail}")


