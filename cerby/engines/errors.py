"""The one error of the embedded engines, and what a server's log says about its cause."""

import errno
import re
from pathlib import Path

TAIL_BYTES = 8192
TAIL_LINES = 8

_PORT_TAKEN = re.compile(r"Address already in use", re.IGNORECASE)
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)


class EngineError(Exception):
    """The engines cannot be had; the text says in a sentence or two what to do. Carries no secret."""


class PortTakenError(EngineError):
    """A server found its port occupied: the keeper may choose another one."""


def log_tail(log: Path, since: int = 0) -> str:
    """The last lines of `log` written after byte `since`; empty where there is no log."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(since, log.stat().st_size - TAIL_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])


def explain(name: str, what: str, log: Path, since: int = 0) -> EngineError:
    """Name the cause of a failed start of `name` as far as its log tells, else quote the log."""
    tail = log_tail(log, since)
    if _DISK_FULL.search(tail):
        return disk_full(f"{name} {what}")
    if _PORT_TAKEN.search(tail):
        return PortTakenError(f"{name} {what}: its port is taken by another program.")
    return EngineError(f"{name} {what}. The end of {log} says:\n{tail or '(nothing)'}")


def disk_full(what: str) -> EngineError:
    return EngineError(
        f"{what}: no space left on the disk. Free some space there and start again; no data is lost."
    )


def explain_os_error(error: OSError, doing: str) -> EngineError:
    """Turn an operating system's refusal into a sentence; `doing` completes "Cannot …"."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(f"Cannot {doing}")
    where = f" ({error.filename})" if error.filename else ""
    return EngineError(
        f"Cannot {doing}: {error.strerror or error}{where}. Make that possible for this account."
    )
