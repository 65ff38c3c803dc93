"""What the keeper tells those who wait for it (`keeper.json`), and the names of the lock files."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cerby.engines.files import write_private

LEASE = "users.lock"  # shared: processes that use the engines; exclusive: the keeper, closing down
KEEPER = "keeper.lock"  # exclusive: the keeper, for as long as it lives
STARTING_LOCK = "start.lock"  # exclusive: whoever starts, stops or wipes
ALIVE = "engines.lock"  # beside the data; exclusive: held open by every process of the servers
LOG = "keeper.log"

ALREADY_KEPT = 3  # the exit status of a keeper that found another one

STARTING = "starting"
READY = "ready"
STOPPING = "stopping"
FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """The keeper's pid and state; `message` says why it failed."""

    pid: int
    state: str
    message: str = ""


def read(home: Path) -> Status | None:
    """The status last written, or None. Only trust it while the keeper's lock is held."""
    try:
        return Status(**json.loads((home / "keeper.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write(home: Path, status: Status) -> None:
    write_private(home / "keeper.json", json.dumps(asdict(status)) + "\n")


def clear(home: Path) -> None:
    (home / "keeper.json").unlink(missing_ok=True)
