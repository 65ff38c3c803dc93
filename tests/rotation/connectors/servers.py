"""Servers of the tests' own: in a private folder, on a free port, as an account without rights, gone with the run."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rotation.connectors.contract import until
from tests.rotation.connectors import needs
from tests.waiting import PATIENCE

START_SECONDS: Final = 3 * PATIENCE


@contextmanager
def private_folder(name: str, account: str) -> Iterator[Path]:
    """A folder that belongs to the account that the server runs as, and that nobody else can look into."""
    folder = Path(tempfile.mkdtemp(prefix=f"cerby-{name}-"))
    try:
        if os.geteuid() == 0:
            entry = pwd.getpwnam(account)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dropped(account: str) -> list[str]:
    """What starts a program as the account where we are root, and ends it when this process is gone."""
    setpriv = [needs.program("setpriv", package="util-linux"), "--pdeathsig", "KILL"]
    if os.geteuid() != 0:
        return setpriv
    entry = pwd.getpwnam(account)
    return [*setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


@contextmanager
def running(
    command: Sequence[str], *, log: Path, answers: Callable[[], bool], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process, once it answers. All of its session ends with it."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, env=environment,
            cwd=log.parent, start_new_session=True,
        )  # fmt: skip
    try:
        up = until(lambda: process.poll() is not None or answers(), START_SECONDS)
        if not up or process.poll() is not None:
            raise RuntimeError(f"{command[-1]} did not start: {log.read_text(errors='replace')[-2000:]}")
        yield process
    finally:
        process.kill()  # its data is thrown away
        process.wait(PATIENCE)
        _end_session(process.pid)


def _end_session(session: int) -> None:
    """What a server left running of its own."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        return
