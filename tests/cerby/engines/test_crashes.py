"""Every way to die: the data stays, the engines do not linger, the next start works."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines import Addresses, places, record, status
from cerby.engines.locks import holders, is_locked
from tests.waiting import PATIENCE, eventually

from .conftest import (
    CHECKOUT,
    Uses,
    alive_lock,
    answer,
    child_of_keeper,
    is_quiet,
    keeper_pid,
    server_pids,
)


def can_log_in(addresses: Addresses) -> bool:
    try:
        psycopg.connect(addresses.database_url).close()
        return bool(redis.Redis.from_url(addresses.redis_url, retry=Retry(NoBackoff(), 0)).ping())
    except (psycopg.OperationalError, redis.RedisError):
        return False


def kill_everything(home: Path) -> None:
    """SIGKILL to the keeper and every server process, the keeper first: nobody restarts or cleans up."""
    servers = server_pids(home)
    os.kill(keeper_pid(home), signal.SIGKILL)
    for pid in servers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    eventually(lambda: is_quiet(home))


def test_data_survives_the_death_of_everything(used_home: Path, uses: Uses) -> None:
    before = uses.start(used_home)
    with psycopg.connect(before.database_url) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    redis.Redis.from_url(before.redis_url).set("kept", "still here")
    kill_everything(used_home)
    assert uses.start(used_home) == before
    with psycopg.connect(before.database_url) as connection:
        assert connection.execute("SELECT sum(number) FROM kept").fetchone() == (500500,)
    assert redis.Redis.from_url(before.redis_url).get("kept") == b"still here"


def test_a_stale_pid_file_naming_a_living_process_is_no_obstacle(used_home: Path, uses: Uses) -> None:
    uses.start(used_home)
    kill_everything(used_home)
    account = places.engine_account()
    sleeper = subprocess.Popen(["/bin/sleep", "infinity"], user=account.uid if account else None, cwd="/")
    known = record.load(used_home)
    assert known is not None
    pid_file = places.data_root(used_home, known) / "data" / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(sleeper.pid), *lines[1:]]) + "\n")
    try:
        assert can_log_in(uses.start(used_home))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_the_engines_go_when_their_keeper_is_killed(used_home: Path, uses: Uses) -> None:
    addresses = uses.start(used_home)
    with psycopg.connect(addresses.database_url):  # a session in use does not hold them up
        os.kill(keeper_pid(used_home), signal.SIGKILL)
        eventually(lambda: is_quiet(used_home))
    assert uses.start(used_home) == addresses


def test_the_engines_go_when_their_last_user_is_killed(used_home: Path, uses: Uses) -> None:
    one, two = uses.process(used_home), uses.process(used_home)
    answer(one), answer(two)
    keeper = keeper_pid(used_home)
    one.kill()
    one.wait()
    uses.start(used_home)
    assert keeper_pid(used_home) == keeper
    uses.here.pop().release()
    two.kill()
    two.wait()
    eventually(lambda: is_quiet(used_home))


def test_a_forked_process_goes_on_using_them(used_home: Path, uses: Uses) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from cerby.engines import Engines\n"
        "engines = Engines(pathlib.Path(sys.argv[1])); engines.start()\n"
        "if os.fork(): os._exit(0)\n"
        "print(os.getpid(), flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(used_home)],
        cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.wait(PATIENCE)
    assert holders(used_home / status.LEASE, without=keeper_pid(used_home)) == [child]
    parent.communicate("")
    eventually(lambda: is_quiet(used_home))


def test_a_server_that_dies_by_itself_is_started_again(used_home: Path, uses: Uses) -> None:
    addresses = uses.start(used_home)
    keeper = keeper_pid(used_home)
    for name in ("bin/postgres", "valkey-server"):
        victim = child_of_keeper(used_home, name)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda gone=victim: not Path(f"/proc/{gone}").exists())  # type: ignore[misc]
        eventually(lambda: can_log_in(addresses))
    assert keeper_pid(used_home) == keeper
    assert "ended by itself" in (used_home / "keeper.log").read_text()


def test_a_server_that_keeps_dying_is_given_up_and_said_so(home: Path, uses: Uses) -> None:
    uses.start(home)
    known = record.load(home)
    assert known is not None
    (places.data_root(home, known) / "data" / "valkey" / "users.acl").write_text("user default broken\n")
    os.kill(child_of_keeper(home, "valkey-server"), signal.SIGKILL)
    eventually(lambda: is_quiet(home))
    assert "ended by themselves" in (home / "keeper.log").read_text()


def test_an_interrupted_first_start_leaves_nothing_to_trip_on(home: Path, uses: Uses) -> None:
    process = uses.process(home)
    eventually(lambda: (home / record.FILE).exists())
    data = alive_lock(home).parent / "data"
    made = (data / "postgres.new" / "base", data / "postgres")  # where we come too late, it is made already
    eventually(lambda: any(folder.exists() for folder in made))
    os.kill(keeper_pid(home), signal.SIGKILL)
    assert "error" not in answer(process)
    assert not (data / "postgres.new").exists()
    assert can_log_in(uses.start(home))


def test_ctrl_c_in_the_terminal_does_not_reach_the_engines(used_home: Path, uses: Uses) -> None:
    process = uses.process(used_home, start_new_session=True)
    addresses = answer(process)
    sessions = {os.getsid(pid) for pid in (keeper_pid(used_home), *server_pids(used_home))}
    assert os.getsid(process.pid) not in sessions
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    assert is_locked(used_home / status.KEEPER)
    assert uses.start(used_home).database_url == addresses["database_url"]
