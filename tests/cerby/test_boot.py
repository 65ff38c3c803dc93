"""Before Django starts: the keys a development machine is given."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cerby import boot
from tests.cerby.test_environment import manage
from workspace.crypto import decode_key


def test_generated_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        answer = manage("help", CERBY_MODE="development", CERBY_HOME=str(tmp_path / "home"))
    finally:
        os.umask(former)
    assert answer.returncode == 0
    file = tmp_path / "home" / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys = json.loads(file.read_text())
    assert len(keys["secret_key"]) >= 50
    assert len(decode_key(keys["encryption_key"])) == 32


def test_generated_keys_stay_the_same(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _ in range(2):
        manage("help", CERBY_MODE="development", CERBY_HOME=str(home))
        kept = (home / "keys.json").read_text()
    manage("help", CERBY_MODE="development", CERBY_HOME=str(home))
    assert (home / "keys.json").read_text() == kept
    assert [path.name for path in home.iterdir()] == ["keys.json"]


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path) -> None:
    home = str(tmp_path / "home")

    def start(_: int) -> int:
        return manage("help", CERBY_MODE="development", CERBY_HOME=home).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [0] * 4
    assert [path.name for path in Path(home).iterdir()] == ["keys.json"]


def test_each_home_has_keys_of_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        manage("help", CERBY_MODE="development", CERBY_HOME=str(tmp_path / name))
    one, two = (json.loads((tmp_path / name / "keys.json").read_text()) for name in ("one", "two"))
    assert one["secret_key"] != two["secret_key"]
    assert one["encryption_key"] != two["encryption_key"]


def test_production_generates_nothing(tmp_path: Path) -> None:
    answer = manage("help", CERBY_MODE="production", CERBY_HOME=str(tmp_path / "home"))
    assert answer.returncode == 1
    assert not (tmp_path / "home").exists()


def test_commands_that_need_no_engine_start_none() -> None:
    assert {"help", "--help", "version"} <= boot.WITHOUT_ENGINES
