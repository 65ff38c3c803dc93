"""The environment: what is missing or wrong stops the start with a sentence, and the listing tells all of it."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

from cerby.environment import ROOT, Environment, variable_of
from tests.waiting import PATIENCE

KEY = base64.b64encode(bytes(32)).decode()
PRODUCTION = {
    "CERBY_MODE": "production",
    "CERBY_SECRET_KEY": "s" * 50,
    "CERBY_ENCRYPTION_KEYS": KEY,
    "CERBY_BASE_URL": "https://cerby.example.com",
    "DATABASE_URL": "postgresql://cerby:hidden-database-password@127.0.0.1:1/cerby",
    "REDIS_URL": "redis://:hidden-broker-password@127.0.0.1:1/0",
}


def manage(command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with these variables and nothing else of Cerby's."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "SYSTEMROOT"}}
    return subprocess.run(  # our own manage.py
        [sys.executable, "manage.py", command, *arguments], cwd=ROOT, env={**kept, **variables},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def assert_stopped(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    assert answer.returncode == 1
    assert answer.stderr.startswith("Cerby cannot start:\n")
    assert "Traceback" not in answer.stderr
    for word in words:
        assert word in answer.stderr
    assert "hidden" not in answer.stderr + answer.stdout


def test_a_complete_production_environment_passes_the_checks() -> None:
    answer = manage("check", **PRODUCTION)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("CERBY_SECRET_KEY", "token_urlsafe"),
        ("CERBY_ENCRYPTION_KEYS", "os.urandom(32)"),
        ("DATABASE_URL", "embedded engines"),
        ("REDIS_URL", "embedded engines"),
        ("CERBY_BASE_URL", "https://"),
    ],
)
def test_production_without_it_stops_and_says_what_to_do(name: str, advice: str) -> None:
    lacking = {key: value for key, value in PRODUCTION.items() if key != name}
    assert_stopped(manage("check", **lacking), name, advice)
    assert_stopped(manage("check", **{**PRODUCTION, name: ""}), name, advice)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CERBY_SECRET_KEY", "hidden but short", "50 characters"),
        ("CERBY_ENCRYPTION_KEYS", "hidden, not base64!", "not base64"),
        ("CERBY_ENCRYPTION_KEYS", f"{KEY},aGlkZGVu", "32 bytes"),
        ("CERBY_BASE_URL", "http://cerby.example.com", "https://"),
        ("CERBY_MODE", "hidden", "CERBY_MODE"),
        ("CERBY_PORT", "hidden", "CERBY_PORT"),
        ("CERBY_PORT", "70000", "CERBY_PORT"),
        ("CERBY_FAILPOINTS", "applied:crash", "test mode only"),
        ("DATABASE_URL", "postgresql://u:hidden@127.0.0.1/d?sslmod=verify-full", "DATABASE_URL sets sslmod,"),
        ("DATABASE_URL", "hidden", "DATABASE_URL must be"),
        ("REDIS_URL", "rediss://:hidden@127.0.0.1/0?ssl_cert_req=none", "REDIS_URL sets ssl_cert_req,"),
    ],
)
def test_a_value_that_cannot_be_used_stops_and_is_not_repeated(name: str, value: str, words: str) -> None:
    assert_stopped(manage("check", **{**PRODUCTION, name: value}), name, words)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "example.com"])  # noqa: S104  # what is refused
def test_the_demo_listens_on_loopback_only(address: str) -> None:
    assert_stopped(manage("check", CERBY_MODE="demo", CERBY_BIND=address), "CERBY_BIND", "loopback")


def test_the_listing_names_every_setting_with_type_and_description() -> None:
    rows = json.loads(manage("settings", "--format", "json").stdout)
    assert [row["variable"] for row in rows] == [variable_of(name) for name in Environment.model_fields]
    assert all(row["type"] and row["description"] for row in rows)
    by_name = {row["variable"]: row for row in rows}
    assert by_name["CERBY_PORT"]["default"] == "8000"
    assert by_name["CERBY_ENCRYPTION_KEYS"]["type"] == "secrets, comma separated"
    assert by_name["CERBY_MODE"]["type"] == "production | development | demo | test"
    assert by_name["CERBY_POSTGRES_PORT"]["type"] == "whole number or unset"


def test_the_listing_works_in_a_broken_environment_and_shows_no_value() -> None:
    answer = manage("settings", CERBY_MODE="hidden", CERBY_SECRET_KEY="hidden", DATABASE_URL="hidden")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "hidden" not in answer.stdout
    assert all(variable_of(name) in answer.stdout for name in Environment.model_fields)


def test_nothing_else_reads_the_environment() -> None:
    """So that the listing is the whole truth. `cerby.boot` fills it; the engines are told what they need."""
    readers = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for top in ("cerby", "scim", "rotation", "workspace")
        for path in (ROOT / top).rglob("*.py")
        if path.name not in {"environment.py", "boot.py"} and "engines" not in path.parts
        for line in path.read_text().splitlines()
        if re.search(r"\bos\.(environ|getenv)\b", line) and "DJANGO_SETTINGS_MODULE" not in line
    }
    assert readers == set()
