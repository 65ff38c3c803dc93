"""Where things lie and which account the engines run as.

An ordinary user's engines run as that user, with the data in the home. PostgreSQL refuses to run as root, so
root's engines run as `nobody`: with the data in the home where that account may walk there, else below
/var/lib/cerby.
"""

import hashlib
import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cerby.engines.errors import EngineError
from cerby.engines.files import make_folder
from cerby.engines.record import Record

APART = Path("/var/lib/cerby")
UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """The unprivileged account that root's engines run as."""

    uid: int
    gid: int


def engine_account() -> Account | None:
    """The account to drop to, or None where this process is unprivileged already.

    Raises EngineError where root has no such account to drop to.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise EngineError(
            f"The engines need an account {UNPRIVILEGED!r} to run as: create it, or start as another user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def make_home(home: Path) -> None:
    """Make a missing home: 0700, for root 0711, so that the engines' account may walk through."""
    make_folder(home, 0o711 if os.geteuid() == 0 else 0o700)


def choose_apart(home: Path, account: Account | None) -> str:
    """The `Record.apart` of a new home. Salted: a home that was deleted and made again gets its own data."""
    if account is None or can_walk(home, account):
        return ""
    return hashlib.sha256(f"{home}\n{secrets.token_hex(16)}".encode()).hexdigest()[:24]


def data_root(home: Path, record: Record) -> Path:
    """The folder that holds `data/` and its lock: the home itself or one below /var/lib/cerby."""
    return APART / record.apart if record.apart else home


def make_data_root(home: Path, record: Record, account: Account | None) -> Path:
    """Make sure of the data's root. Raises EngineError where the engines' account cannot get there."""
    root = data_root(home, record)
    if record.apart:
        make_folder(APART, 0o755)
        make_folder(root, 0o711)
        (root / "home").write_text(f"{home}\n")  # tells an administrator whose data this is
    if account is not None and not can_walk(root, account):
        raise EngineError(
            f"The engines run as {UNPRIVILEGED!r}, which may not reach its data in {root}: let others pass "
            "through the parent folders (chmod o+x) as they did when the data was made."
        )
    return root


def can_walk(folder: Path, account: Account) -> bool:
    """Whether `account` may pass through `folder` and every parent of it."""
    return all(_allows(path.stat(), account, stat.S_IXOTH) for path in (folder, *folder.parents))


def _allows(status: os.stat_result, account: Account, bit: int) -> bool:
    """Whether the mode grants `bit` (one of the S_I?OTH) to `account`."""
    if status.st_uid == account.uid:
        bit <<= 6
    elif status.st_gid == account.gid:
        bit <<= 3
    return bool(status.st_mode & bit)


def can_read_tree(tree: Path, account: Account) -> bool:
    """Whether `account` may reach `tree` and read every file and folder in it."""
    if not can_walk(tree.parent, account):
        return False
    for folder, _, names in os.walk(tree):
        paths = [Path(folder), *(Path(folder, name) for name in names)]
        if not all(_allows(path.stat(), account, stat.S_IROTH) for path in paths):
            return False
    return True


def give(path: Path, account: Account) -> None:
    """Make a file or folder of ours the account's own."""
    os.chown(path, account.uid, account.gid, follow_symlinks=False)
