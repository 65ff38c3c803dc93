"""Starting, sharing, releasing and wiping the engines."""

import socket
from pathlib import Path

import psycopg
import pytest
import redis

from cerby.engines import EngineError, Engines, ports, record
from tests.waiting import eventually

from .conftest import Uses, answer, is_quiet, keeper_pid, server_pids, stop_at_once


def write(addresses_url: str, redis_url: str) -> None:
    with psycopg.connect(addresses_url) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('still here')")
    redis.Redis.from_url(redis_url).set("kept", "still here")


def test_a_second_start_is_the_first_one(used_home: Path, uses: Uses) -> None:
    first = uses.start(used_home)
    keeper, servers = keeper_pid(used_home), server_pids(used_home)
    assert uses.start(used_home) == first
    assert keeper_pid(used_home) == keeper
    assert set(servers) & set(server_pids(used_home))


def test_many_starting_at_once_share_one_keeper(home: Path, uses: Uses) -> None:
    processes = [uses.process(home) for _ in range(4)]
    answers = [answer(process) for process in processes]
    assert answers[0]["database_url"].startswith("postgresql://cerby:")
    assert all(other == answers[0] for other in answers)
    assert (home / "keeper.log").read_text().count("starting") == 1


def test_two_homes_run_side_by_side(used_home: Path, open_home: Path, uses: Uses) -> None:
    one, two = uses.start(used_home), uses.start(open_home)
    found = {one.postgres_port, one.valkey_port, two.postgres_port, two.valkey_port}
    assert len(found) == 4
    write(one.database_url, one.redis_url)
    with psycopg.connect(two.database_url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_released_engines_stop_and_come_back_with_ports_and_data(used_home: Path, uses: Uses) -> None:
    engines = Engines(used_home)
    first = engines.start()
    write(first.database_url, first.redis_url)
    engines.release()
    eventually(lambda: is_quiet(used_home))
    again = uses.start(used_home)
    assert again == first
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("still here",)
    assert redis.Redis.from_url(again.redis_url).get("kept") == b"still here"


def test_a_remembered_port_that_is_taken_is_replaced_for_good(used_home: Path, uses: Uses) -> None:
    first = uses.start(used_home)
    stop_at_once(used_home)
    with socket.create_server(("127.0.0.1", first.postgres_port)):
        second = uses.start(used_home)
        stop_at_once(used_home)
    assert second.postgres_port != first.postgres_port
    assert second.valkey_port == first.valkey_port
    assert uses.start(used_home) == second


def test_a_given_port_that_is_taken_is_named(used_home: Path, uses: Uses) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for name in ("postgres_port", "valkey_port"):
            with pytest.raises(EngineError, match=rf"Port {port} on 127\.0\.0\.1, .*{name}"):
                uses.start(used_home, **{name: port})
    assert uses.start(used_home).postgres_port != port


def test_given_ports_are_used_also_right_after_others(used_home: Path, uses: Uses) -> None:
    before = Engines(used_home)
    before.start()
    before.release()
    wanted = ports.choose("postgres", given=None, remembered=0)
    assert uses.start(used_home, postgres_port=wanted).postgres_port == wanted


def test_other_ports_are_refused_while_somebody_uses_these(used_home: Path, uses: Uses) -> None:
    process = uses.process(used_home)
    answer(process)
    wanted = ports.choose("postgres", given=None, remembered=0)
    with pytest.raises(EngineError, match=str(process.pid)):
        uses.start(used_home, postgres_port=wanted)


def test_wiping_is_refused_with_the_users_named(used_home: Path, uses: Uses) -> None:
    process = uses.process(used_home)
    answer(process)
    with pytest.raises(EngineError, match=rf"pid {process.pid}\."):
        Engines(used_home).wipe()
    assert psycopg.connect(uses.start(used_home).database_url).execute("SELECT 1").fetchone() == (1,)


def test_a_wiped_home_starts_empty_with_new_passwords(home: Path) -> None:
    engines = Engines(home)
    first = engines.start()
    write(first.database_url, first.redis_url)
    engines.release()
    engines.wipe()
    assert sorted(path.suffix for path in home.iterdir()) == [".lock"] * len(list(home.iterdir()))
    again = engines.start()
    assert again.database_url.split("@")[0] != first.database_url.split("@")[0]
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    assert redis.Redis.from_url(again.redis_url).get("kept") is None
    engines.release()


def test_wiping_a_home_that_never_was_makes_nothing(tmp_path: Path) -> None:
    Engines(tmp_path / "none").wipe()
    assert not (tmp_path / "none").exists()


def test_data_whose_passwords_are_lost_is_not_touched_until_wiped(open_home: Path, uses: Uses) -> None:
    uses.start(open_home)
    stop_at_once(open_home)
    (open_home / record.FILE).unlink()
    with pytest.raises(EngineError, match=r"engines\.json is gone"):
        uses.start(open_home)
    uses.end()
    assert (open_home / "data" / "postgres" / "PG_VERSION").exists()
    Engines(open_home).wipe()
    assert not (open_home / "data").exists()
