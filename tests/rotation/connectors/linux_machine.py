"""A Linux machine of the tests' own: this one's files, with users, processes and homes that nobody outside sees.

A mount and a process namespace (unshare(1)) with a private copy of /etc. Users made in it are in no database of this
machine, `pkill` in it reaches none of this machine's processes, and when its first process ends, all of it is gone,
even when the test run was killed.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from rotation.connectors.contract import until
from tests.rotation.connectors import needs

# Mounts are private to the namespace. The shell stays, as its first process, and reaps what is orphaned in it.
_SETUP: Final = """
mount --bind "$1" /etc
mount -t tmpfs -o mode=755 tmpfs /home
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd /run/lock
touch "$2"
sleep infinity &
wait
"""


class LinuxMachine:
    """`run` runs commands in it as root. `home` is a folder of this machine that it sees as well."""

    def __init__(self, home: Path) -> None:
        needs.root("make a machine with users of its own")
        self.home = home
        self._etc, ready = home / "etc", home / "ready"
        shutil.copytree("/etc", self._etc, symlinks=True, ignore_dangling_symlinks=True)
        self._process = subprocess.Popen(
            [
                needs.program("setpriv", package="util-linux"), "--pdeathsig", "KILL",
                needs.program("unshare", package="util-linux"), "--mount", "--pid", "--fork", "--kill-child",
                "--mount-proc", "--propagation", "private", "sh", "-ec", _SETUP, "sh", str(self._etc), str(ready),
            ],
            stdin=subprocess.DEVNULL, stderr=(home / "machine.log").open("wb"),
        )  # fmt: skip
        if not until(lambda: ready.exists() or self._process.poll() is not None) or self._process.poll() is not None:
            log = (home / "machine.log").read_text().strip()
            pytest.skip(f"no namespaces can be made here, which needs CAP_SYS_ADMIN beside root: {log}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        self._first = children.split()[0]

    def inside(self, *command: str) -> list[str]:
        """What starts `command` in it."""
        return ["nsenter", "--target", self._first, "--mount", "--pid", *command]

    def run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """What the command wrote."""
        done = subprocess.run(self.inside(*command), input=stdin, text=True, capture_output=True, check=False)
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def etc(self, name: str) -> Path:
        """A file of its /etc."""
        return self._etc / name

    def edit(self, name: str, pattern: str, text: str) -> None:
        path = self.etc(name)
        path.write_text(re.sub(pattern, text, path.read_text(), flags=re.MULTILINE))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


@contextmanager
def machine() -> Iterator[LinuxMachine]:
    home = Path(tempfile.mkdtemp(prefix="cerby-machine-"))
    home.chmod(0o755)
    try:
        made = LinuxMachine(home)
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
