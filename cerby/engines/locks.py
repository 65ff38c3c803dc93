"""File locks: who uses the engines, who keeps them, who starts them.

All are `flock` locks: they belong to an open file description, so the kernel drops them when the last process
that holds it is gone, however it went. Lock files are never deleted; a deleted one could be locked by two at
once.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02


class FileLock:
    """One open lock file. Not inherited by programs started from here unless its descriptor is passed on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.fd = os.open(path, flags, 0o600)

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def exclusive(self, seconds: float) -> bool:
        """Wait up to `seconds` for the lock; False where somebody else kept it."""
        return _poll(self.try_exclusive, seconds)

    def shared(self, seconds: float) -> bool:
        return _poll(self.try_shared, seconds)

    def unlock(self) -> None:
        fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file. A forked copy of this process that still has it open keeps the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock exclusively (a missing file is held by nobody)."""
    if not path.exists():
        return False
    with FileLock(path) as lock:
        return not lock.try_shared()


def holders(path: Path, *, without: int | None = None) -> list[int]:
    """Pids of the processes that have `path` open, as far as this account may see them, save `without`."""
    wanted = path.stat()
    pids = (int(process.name) for process in Path("/proc").glob("[0-9]*"))
    return sorted(pid for pid in pids if pid != without and _holds(Path(f"/proc/{pid}/fd"), wanted))


def has_open(pid: int, path: Path) -> bool:
    """Whether the process `pid` has `path` open, as far as this account may see."""
    return _holds(Path(f"/proc/{pid}/fd"), path.stat())


def _holds(descriptors: Path, wanted: os.stat_result) -> bool:
    try:
        return any(_same_file(entry, wanted) for entry in os.scandir(descriptors))
    except OSError:  # gone meanwhile, or another account's
        return False


def _same_file(entry: "os.DirEntry[str]", wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(entry.path), wanted)
    except OSError:
        return False


def _poll(attempt: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not attempt():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
