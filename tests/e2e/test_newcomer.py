"""What a newcomer gets from `make`: a demo that says where it is once it answers, and a story that holds."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cerby.engines import ports
from tests.e2e.processes import ROOT
from tests.waiting import PATIENCE, eventually

START_SECONDS = 5 * PATIENCE
KEYS = {"admin_url", "owner_email", "owner_password", "scim_base_url", "scim_token", "workspace"}
pytestmark = pytest.mark.timeout(30 * PATIENCE)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home for demos of this module alone; a start after the first one is quicker."""
    folder = Path(tempfile.mkdtemp(prefix="cerby-demo-"))
    folder.chmod(0o711)
    yield folder
    make(folder, "demo-reset")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    return ports.choose("a demo", given=None, remembered=0)


def command(target: str) -> list[str]:
    """make with this interpreter; the .venv is not built anew from under the tests."""
    return ["make", "--old-file=.venv/built-from.lock", f"VENV={sys.executable}", *target.split()]


def make(home: Path, target: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a target that ends by itself."""
    variables = {**os.environ, "CERBY_HOME": str(home), **env}
    return subprocess.run(  # our own Makefile
        command(target), cwd=ROOT, env=variables, timeout=10 * PATIENCE, capture_output=True, text=True, check=False
    )


class Demo:
    """`make demo` in a session of its own, as in a terminal."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.json, self.log = home, home / "demo.json", home / "test.log"
        with self.log.open("w") as output:
            self.popen = subprocess.Popen(  # our own Makefile
                command(f"demo PORT={port}"), cwd=ROOT, env={**os.environ, "CERBY_HOME": str(home)},
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def await_ready(self) -> dict[str, str]:
        ready_or_dead = lambda: self.json.exists() or self.popen.poll() is not None  # noqa: E731
        eventually(ready_or_dead, "the demo answers", log=self.log, seconds=START_SECONDS)
        assert self.popen.poll() is None, self.output
        facts: dict[str, str] = json.loads(self.json.read_text())
        return facts

    @property
    def output(self) -> str:
        return self.log.read_text()

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends the signal to everybody in the foreground."""
        os.killpg(self.popen.pid, signal.SIGINT)
        self.popen.wait(PATIENCE)

    def processes(self) -> dict[int, str]:
        return processes_of(self.home)

    def child(self, words: str) -> int:
        """The first process of the demo that was started with these words."""
        return min(pid for pid, said in self.processes().items() if words in said.partition("\n")[0])


def processes_of(home: Path) -> dict[int, str]:
    """Whatever runs with this home: by its environment, or by its arguments as the engines do."""
    return {pid: words for pid in pids() if str(home) in (words := words_of(pid))}


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def words_of(pid: int) -> str:
    """A process's arguments, and its environment in the lines after; empty when it is gone or somebody else's."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return ""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().replace(b"\0", b"\n")
    except OSError:
        variables = b""
    return (arguments + b"\n" + variables).decode(errors="replace")


@contextmanager
def demo(home: Path, port: int) -> Iterator[Demo]:
    running = Demo(home, port)
    try:
        yield running
    finally:
        if running.popen.poll() is None:
            os.killpg(running.popen.pid, signal.SIGTERM)
            running.popen.wait(PATIENCE)
        eventually(lambda: not running.processes(), "nothing is left running", log=running.log)


def test_the_demo_answers_says_where_it_is_and_tells_its_story(home: Path, port: int) -> None:
    with demo(home, port) as running:
        facts = running.await_ready()
        assert facts.keys() == KEYS
        assert stat.S_IMODE(running.json.stat().st_mode) == 0o600
        assert httpx.get(facts["admin_url"], follow_redirects=True).status_code == 200
        authorization = {"Authorization": f"Bearer {facts['scim_token']}"}
        assert httpx.get(f"{facts['scim_base_url']}Users", headers=authorization).json()["totalResults"] == 8
        assert all(facts[key] in running.output for key in KEYS)

        story = make(home, "story")
        assert story.returncode == 0, story.stdout[-3000:] + story.stderr
        assert "Every promise held." in story.stdout

        running.interrupt()
        assert not running.json.exists()
        assert "Traceback" not in running.output
        assert "Error" not in running.output


def test_a_second_start_goes_on_with_the_same_data_and_credentials(home: Path, port: int) -> None:
    with demo(home, port) as running:
        before = running.await_ready()
        running.interrupt()
    with demo(home, port) as running:
        assert running.await_ready() == before
        other = make(home, f"demo PORT={port}")
        assert other.returncode != 0
        assert "A demo is running already" in other.stderr
        assert running.json.exists()
        reset = make(home, "demo-reset")
        assert reset.returncode != 0
        assert "Stop it first" in reset.stderr
        assert running.json.exists()


def test_the_demo_stops_and_names_the_process_that_died(home: Path, port: int) -> None:
    with demo(home, port) as running:
        running.await_ready()
        os.kill(running.child("manage.py sweep"), signal.SIGKILL)
        assert running.popen.wait(PATIENCE) != 0
        assert "its process “sweep” ended with status 137" in running.output
        assert not running.json.exists()


def test_a_killed_demo_leaves_nothing_running(home: Path, port: int) -> None:
    with demo(home, port) as running:
        running.await_ready()
        os.kill(running.child("-m demo start"), signal.SIGKILL)
        running.popen.wait(PATIENCE)
        eventually(lambda: not running.processes(), "everything ends", log=running.log)
    with demo(home, port) as running:
        running.await_ready()


def test_a_reset_throws_everything_away(home: Path, port: int) -> None:
    with demo(home, port) as running:
        before = running.await_ready()
    assert make(home, "demo-reset").returncode == 0
    assert not [path.name for path in home.iterdir() if path.name.endswith(".json")]
    assert not (home / "data").exists()
    with demo(home, port) as running:
        after = running.await_ready()
    assert before["owner_password"] != after["owner_password"]
    assert before["scim_token"] != after["scim_token"]


def test_a_port_that_is_taken_is_named_with_the_way_out(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = make(home, f"demo PORT={port}")
    assert refused.returncode != 0
    assert f"Port {port} cannot be used" in refused.stderr
    assert "make demo PORT=" in refused.stderr


def test_the_demo_listens_on_loopback_only(home: Path, port: int) -> None:
    refused = make(home, f"demo PORT={port}", CERBY_BIND="0.0.0.0")  # noqa: S104  # what must be refused
    assert refused.returncode != 0
    assert "the demo listens on loopback only" in refused.stderr


def test_help_lists_every_target(home: Path) -> None:
    listed = make(home, "help").stdout
    assert all(f"make {name} " in listed for name in ("demo", "demo-reset", "story", "test", "drill", "lint", "lock"))


def test_a_story_without_a_demo_starts_and_stops_one_and_keeps_what_it_says_private(home: Path) -> None:
    told = make(home, "story")
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr
    assert stat.S_IMODE((home / "story-demo.log").stat().st_mode) == 0o600
    assert not (home / "demo.json").exists()
    eventually(lambda: not processes_of(home), "nothing is left running")
