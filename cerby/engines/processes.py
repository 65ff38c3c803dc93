"""Starting a server as the keeper's child and stopping it again."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cerby.engines.files import open_log
from cerby.engines.places import Account

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# Nothing of the keeper's environment reaches the servers: no secret, no PG* setting, no LD_PRELOAD.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

Server = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Runner:
    """How every server of one home is started.

    `alive_fd` is a locked file that all of them, and their children, keep open: while that lock is held some
    process of theirs still lives, which is how a later keeper knows that it must wait.
    """

    account: Account | None
    alive_fd: int

    def spawn(self, command: list[str], *, log: Path, death_signal: int, stdin: int | None = None) -> Server:
        """Start `command` with its output in `log`; it gets `death_signal` when the keeper dies.

        Call this from the keeper's main thread: the kernel ties the death signal to the thread that forked.
        """
        output = open_log(log)
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=output,
                stderr=output,
                cwd="/",  # ours may be closed to the account
                env=_ENVIRONMENT,
                pass_fds=(self.alive_fd,),
                umask=0o077,
                # Runs after the uid change, which would clear it; safe, for the keeper has one thread.
                preexec_fn=_die_with_parent(death_signal),
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        finally:
            os.close(output)

    def pipe(self, text: str) -> int:
        """The read end of a pipe with `text` (some KiB at most), which the servers' account may reopen."""
        read, write = os.pipe()
        if self.account:
            os.fchown(read, self.account.uid, self.account.gid)
        with os.fdopen(write, "w") as stream:
            stream.write(text)
        return read


def stop(server: Server, steps: tuple[tuple[int, float], ...]) -> None:
    """Send each signal and wait the seconds beside it until the server has ended; at last SIGKILL."""
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if server.poll() is not None:
            return
        server.send_signal(number)
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            continue


def _die_with_parent(number: int) -> Callable[[], None]:
    keeper = os.getpid()

    def ask_kernel() -> None:
        if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0 or os.getppid() != keeper:
            os._exit(1)  # refused, or the keeper died before the kernel knew

    return ask_kernel
