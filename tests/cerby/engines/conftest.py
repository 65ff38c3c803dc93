"""Homes to run engines in, and processes that use them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cerby.engines import Addresses, Engines, places, record, status
from cerby.engines.locks import holders, is_locked
from tests.waiting import PATIENCE, eventually

CHECKOUT = Path(__file__).parents[3]
AS_ROOT = os.geteuid() == 0

USER_PROGRAM = """
import dataclasses, json, pathlib, sys
from cerby.engines import EngineError, Engines
try:
    engines = Engines(pathlib.Path(sys.argv[1]), **json.loads(sys.argv[2]))
    print(json.dumps(dataclasses.asdict(engines.start())), flush=True)
except EngineError as error:
    print(json.dumps({"error": str(error)}), flush=True)
sys.stdin.read()
"""


def keeper_pid(home: Path) -> int:
    found = status.read(home)
    assert found is not None
    return found.pid


def alive_lock(home: Path) -> Path:
    apart = json.loads((home / record.FILE).read_text())["apart"]  # whoever owns the home
    return (places.APART / apart if apart else home) / status.ALIVE


def server_pids(home: Path) -> list[int]:
    """Every process of both servers, the postmaster's and Valkey's children included."""
    return holders(alive_lock(home), without=keeper_pid(home))


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def child_of_keeper(home: Path, name: str) -> int:
    """The pid of the server whose program is called `name`."""
    parent = str(keeper_pid(home))
    return next(
        pid
        for pid in server_pids(home)
        if name in command_line(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1] == parent
    )


def is_quiet(home: Path) -> bool:
    """Whether neither the keeper nor any server process of `home` lives."""
    return not is_locked(home / status.KEEPER) and not is_locked(alive_lock(home))


def stop_at_once(home: Path) -> None:
    """Stop the engines cleanly, as an operator's SIGTERM does, without the keeper's grace."""
    os.kill(keeper_pid(home), signal.SIGTERM)
    eventually(lambda: is_quiet(home))


@dataclass
class Uses:
    """Starts users of engines, in this process and in others, and ends them all."""

    here: list[Engines] = field(default_factory=list)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, home: Path, **ports: int) -> Addresses:
        engines = Engines(home, **ports)
        self.here.append(engines)
        return engines.start()

    def process(self, home: Path, ports: dict[str, int] | None = None, **options: Any) -> subprocess.Popen[str]:
        """A process that starts the engines and stays; its first line tells their addresses."""
        environment = options.pop("env", {**os.environ, "PYTHONPATH": str(CHECKOUT)})
        command = [
            *options.pop("prefix", []),
            sys.executable,
            "-c",
            USER_PROGRAM,
            str(home),
            json.dumps(ports or {}),
        ]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=environment, **pipes, **options)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for engines in self.here:
            engines.release()
        for process in self.processes:
            process.kill()
            process.communicate(timeout=PATIENCE)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process of `Uses.process` told: the fields of Addresses, or `error`."""
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


@pytest.fixture
def uses() -> Iterator[Uses]:
    found = Uses()
    yield found
    found.end()


@pytest.fixture
def home(tmp_path: Path, uses: Uses) -> Iterator[Path]:
    """A home in a folder closed to every other account."""
    tmp_path.chmod(0o700)
    yield from _home_in(tmp_path, uses)


@pytest.fixture(scope="module")
def _module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("used") / "home"
    yield home
    Engines(home).wipe()


@pytest.fixture
def used_home(_module_home: Path, uses: Uses) -> Path:
    """A home that the module's tests before may have used, for tests that need no first start."""
    return _module_home


@pytest.fixture
def open_home(uses: Uses) -> Iterator[Path]:
    """A home whose parents everybody may pass through."""
    parent = Path(tempfile.mkdtemp(prefix="cerby-engines-"))
    parent.chmod(0o755)
    yield from _home_in(parent, uses)
    shutil.rmtree(parent)


def _home_in(parent: Path, uses: Uses) -> Iterator[Path]:
    home = parent / "home"
    yield home
    uses.end()
    Engines(home).wipe()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Addresses]]:
    """Engines that the tests of a module look at and leave as they are."""
    home = tmp_path_factory.mktemp("engines") / "home"
    engines = Engines(home)
    yield home, engines.start()
    engines.release()
    engines.wipe()
