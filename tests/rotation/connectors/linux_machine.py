"""A Linux machine of the tests' own: this one's files, with users, processes and homes that nobody outside sees.

A mount and a process namespace (unshare(1)) with a private copy of /etc. Users made in it are in no database of this
machine, `pkill` in it reaches none of this machine's processes, and when its first process ends, all of it is gone,
even when the test run was killed.

An ordinary user's machine has a user namespace beside them, in which they are root and the ids of /etc/subuid are
everybody else. The files of this machine's root belong to nobody there: what has to be root's is copied.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

import pytest

from rotation.connectors.contract import until
from tests.rotation.connectors import needs
from tests.waiting import PATIENCE

# Mounts are private to the namespace. The shell stays, as its first process, and reaps what is orphaned in it, until
# its input ends: with the test run, whatever became of it.
_SETUP: Final = """
[ -z "$3" ] || eval "$3"
mount --bind "$1" /etc
mount -t tmpfs -o mode=755 tmpfs /home
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd /run/lock
touch "$2"
cat > /dev/null
"""
# Programs that gain rights, and what sudo only loads from root. A folder of programs that tests may add to.
_OWN_PROGRAMS: Final = """
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/bin /mnt/work
for name in sudo passwd; do cp /usr/bin/$name /mnt/bin/ && chmod 4755 /mnt/bin/$name; done
mount -t overlay -o userxattr,lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/work overlay /usr/bin
for folder in /usr/libexec/sudo /usr/lib/sudo; do
  [ ! -d $folder ] || { cp -r --parents $folder /mnt/ && mount --bind /mnt$folder $folder; }
done
mount -t tmpfs -o mode=700 tmpfs /root
"""
ENVIRONMENT: Final = {**os.environ, "PATH": needs.SEARCH_PATH}
_SUDOERS: Final = """\
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
%sudo ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""


class LinuxMachine:
    """`run` runs commands in it as root. `home` is a folder of this machine that it sees as well."""

    def __init__(self, home: Path) -> None:
        self._users = needs.users()
        self.home = home
        self._etc, ready = home / "etc", home / "ready"
        self._copy_etc()
        self._process = subprocess.Popen(
            [
                needs.program("setpriv", package="util-linux"), "--pdeathsig", "KILL",
                needs.program("unshare", package="util-linux"), *self._users, "--mount", "--pid", "--fork",
                "--kill-child", "--mount-proc", "--propagation", "private", "sh", "-ec", _SETUP, "sh",
                str(self._etc), str(ready), _OWN_PROGRAMS if self._users else "",
            ],
            stdin=subprocess.PIPE, stderr=(home / "machine.log").open("wb"),
        )  # fmt: skip
        if not until(lambda: ready.exists() or self._process.poll() is not None) or self._process.poll() is not None:
            log = (home / "machine.log").read_text().strip()
            self.stop()
            pytest.skip(f"no namespaces can be made here, for which root needs CAP_SYS_ADMIN: {log}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        self._first = children.split()[0]
        if self._users:
            self._make_shadow()

    def _copy_etc(self) -> None:
        with suppress(shutil.Error) if self._users else nullcontext():  # an ordinary user may not read all of it
            shutil.copytree("/etc", self._etc, symlinks=True, ignore_dangling_symlinks=True)

    def _make_shadow(self) -> None:
        """What an ordinary user could not copy."""
        self.run("sh", "-c", "pwconv && grpconv && mkdir -p /etc/sudoers.d && cat > /etc/sudoers", stdin=_SUDOERS)
        self.etc("sudoers").chmod(0o440)

    def inside(self, *command: str) -> list[str]:
        """What starts `command` in it."""
        user = ["--user"] if self._users else []
        return ["nsenter", "--target", self._first, *user, "--mount", "--pid", *command]

    def run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """What the command wrote."""
        done = subprocess.run(
            self.inside(*command), input=stdin, text=True, capture_output=True, check=False, env=ENVIRONMENT
        )
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
        self._process.communicate(timeout=PATIENCE)


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
