"""Making a home ready to run: account, programs, record, folders, lock on the data."""

from dataclasses import dataclass
from pathlib import Path

from cerby.engines import places, record, valkey
from cerby.engines.binaries import find_binaries
from cerby.engines.errors import EngineError, disk_full
from cerby.engines.files import free_bytes, remove_tree, sync_folder
from cerby.engines.locks import FileLock
from cerby.engines.places import Account
from cerby.engines.postgres import Postgres
from cerby.engines.processes import Runner
from cerby.engines.record import Record
from cerby.engines.status import ALIVE
from cerby.engines.valkey import Valkey

# Servers of a killed keeper end within seconds (immediate shutdown); a busy machine may need longer.
OLD_SERVERS_SECONDS = 60.0
FIRST_START_BYTES = 200_000_000
START_BYTES = 40_000_000


@dataclass(frozen=True)
class Site:
    """A home whose servers can be launched. `alive` is locked: no other server runs on this data."""

    home: Path
    record: Record
    postgres: Postgres
    valkey: Valkey
    alive: FileLock


def open_site(home: Path) -> Site:
    """Make everything ready that the servers need, up to an initialised cluster.

    Raises EngineError where the platform, the account, the disk or left-over servers are in the way.
    """
    account = places.engine_account()
    binaries = find_binaries(account)
    known = record.load(home) or _new_record(home, account)
    root = places.make_data_root(home, known, account)
    alive = _wait_for_old_servers(root)
    data = root / "data"
    _check_space(root, START_BYTES if (data / "postgres").is_dir() else FIRST_START_BYTES)
    _make_data(data, known, account)
    runner = Runner(account, alive.fd)
    postgres = Postgres(binaries, data / "postgres", home / "postgres.log", runner)
    postgres.initialise(known.admin_password)
    postgres.forget_stale_pid()
    return Site(home, known, postgres, Valkey(binaries, data / "valkey", home / "valkey.log", runner), alive)


def _new_record(home: Path, account: Account | None) -> Record:
    """Remember passwords and place before any data is made with them."""
    if (home / "data").exists():
        raise EngineError(
            f"{home / record.FILE} is gone, and with it the passwords of the data in {home / 'data'}. "
            "Restore it from a backup, or wipe the engines to start with none."
        )
    made = record.new_record(places.choose_apart(home, account))
    record.save(home, made)
    return made


def _wait_for_old_servers(root: Path) -> FileLock:
    alive = FileLock(root / ALIVE)
    if not alive.exclusive(OLD_SERVERS_SECONDS):
        alive.close()
        raise EngineError(
            f"Servers from an earlier start still run on the data in {root}, or a copy of this home uses it. "
            "End them, then start again."
        )
    return alive


def _check_space(root: Path, needed: int) -> None:
    if free_bytes(root) < needed:
        raise disk_full(f"The engines need {needed // 1_000_000} MB free in {root} to start")


def _make_data(data: Path, known: Record, account: Account | None) -> None:
    """Make the folder that belongs to the servers' account; built aside, so that it is whole or absent."""
    if data.is_dir():
        return
    aside = data.with_name(".data.new")
    remove_tree(aside)
    (aside / "valkey").mkdir(parents=True)
    users = aside / "valkey" / "users.acl"
    users.write_text(valkey.first_users(known.valkey_password))
    users.chmod(0o600)
    for path in (users, users.parent, aside):
        if path.is_dir():
            path.chmod(0o700)
        if account is not None:
            places.give(path, account)
    aside.rename(data)
    sync_folder(data.parent)
