"""The web server as it is run: probes are answered while everything hangs, and nothing hangs for ever."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection, transaction

from scim import tokens
from tests.companies import Company, company
from tests.e2e.processes import ROOT, environment, running
from tests.vanishing import VanishingHost
from tests.waiting import eventually
from workspace import credentials

THREADS = 2
PATIENCE = 120.0
"""Far less than the kernel's own quarter of an hour, far more than a busy machine needs."""


class SilentServer:
    """Accepts connections and never says a word, as a server that hangs."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://nobody:x@127.0.0.1:{self._listener.getsockname()[1]}/none?connect_timeout=600"
        self.accepted: list[socket.socket] = []

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                self.accepted.append(self._listener.accept()[0])

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self.accepted):
            each.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    server = SilentServer()
    threading.Thread(target=server.serve, daemon=True).start()
    yield server
    server.close()


@contextmanager
def web(log: Path, **variables: str) -> Iterator[str]:
    """The web server with one process and few threads, on a free port; its address."""
    command = ["-m", "gunicorn", "--config", "python:cerby.web", "--bind", "127.0.0.1:0", "cerby.wsgi"]
    settings = {"CERBY_WEB_WORKERS": "1", "CERBY_WEB_THREADS": str(THREADS), **variables}
    with running(command, log, **settings):
        eventually(lambda: "Booting worker" in log.read_text(), "the web server runs", log=log)
        found = re.search(r"Listening at: (http://\S+)", log.read_text())
        assert found
        yield found[1]


def send(address: str, text: str) -> socket.socket:
    parts = urlsplit(address)
    client = socket.create_connection((parts.hostname or "", parts.port or 0))
    client.sendall(text.encode())
    return client


def live(address: str) -> tuple[int, Any]:
    answer = httpx.get(f"{address}/health/live", timeout=PATIENCE)
    return answer.status_code, answer.json()


@pytest.mark.django_db
def test_probes_are_answered_while_every_thread_hangs(silent: SilentServer, tmp_path: Path) -> None:
    with web(tmp_path / "log", DATABASE_URL=silent.url) as address, ExitStack() as hanging:
        token = credentials.issue(tokens.KIND).token.reveal()
        for _ in range(THREADS + 3):
            words = f"GET /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            hanging.enter_context(send(address, words))
        eventually(lambda: len(silent.accepted) >= THREADS, "every thread asks the database")
        assert live(address) == (200, {"status": "alive"})
        with httpx.Client(base_url=address, timeout=PATIENCE) as kept:
            for _ in range(2):
                ready = kept.get("/health/ready")
                assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unavailable")
                assert kept.get("/health/live").status_code == 200
                assert kept.head("/health/live").status_code == 200


@pytest.mark.django_db
def test_threads_that_do_not_become_free_are_named(silent: SilentServer, tmp_path: Path) -> None:
    with web(tmp_path / "log", DATABASE_URL=silent.url) as address, ExitStack() as hanging:
        for _ in range(THREADS):
            hanging.enter_context(send(address, "GET /login/ HTTP/1.1\r\nHost: localhost\r\n"))

        def named() -> bool:
            checks: dict[str, str] = httpx.get(f"{address}/health/ready", timeout=PATIENCE).json()["checks"]
            return checks["threads"] == "stuck"

        eventually(named, "the threads are called stuck")


@pytest.mark.django_db
def test_connections_that_send_nothing_or_half_a_request_hold_up_no_probe(tmp_path: Path) -> None:
    with web(tmp_path / "log") as address, ExitStack() as idle:
        for _ in range(40):
            idle.enter_context(send(address, ""))
        assert httpx.get(f"{address}/health/ready", timeout=PATIENCE).json()["checks"]["threads"] == "ok"
        assert httpx.get(f"{address}/login/", timeout=PATIENCE).status_code == 200
        for start in ("GET /login/ HTTP/1.1\r\n", "GET /health/live HTTP/1.1\r\nHost: a\r\n"):
            for _ in range(20):
                idle.enter_context(send(address, start))
        idle.enter_context(send(address, "GET /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"))
        assert live(address) == (200, {"status": "alive"})


@pytest.mark.django_db
def test_requests_that_follow_each_other_at_once_are_all_answered(tmp_path: Path) -> None:
    words = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3
    with web(tmp_path / "log") as address, send(address, words) as client:
        client.settimeout(PATIENCE)
        answered = b""
        while answered.count(b"HTTP/1.1 200 OK") < 3:
            answered += client.recv(65536)


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_a_503_in_the_callers_protocol(tmp_path: Path) -> None:
    acme = company("acme")
    cookies = {name: morsel.value for name, morsel in acme.browser().cookies.items()}
    with web(tmp_path / "log", CERBY_WEB_STATEMENT_SECONDS="0.3") as address:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE workspace_user")
            scim = _leave(address, acme)
            api = httpx.get(
                f"{address}/api/v1/me", headers={"authorization": f"Bearer {acme.api_key}"}, timeout=PATIENCE
            )
            page = httpx.get(f"{address}/", cookies=cookies, timeout=PATIENCE)
        assert _leave(address, acme).status_code == 200
    assert [answer.status_code for answer in (scim, api, page)] == [503, 503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in (scim, api, page))
    assert [answer.headers["content-type"].partition(";")[0] for answer in (scim, api, page)] == [
        "application/scim+json", "application/problem+json", "text/html",
    ]  # fmt: skip
    assert scim.json()["status"] == "503"
    assert (api.json()["status"], api.json()["code"]) == (503, "unavailable")
    assert "The database does not answer" in page.text


def _leave(address: str, company: Company) -> httpx.Response:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {"active": False}}],
    }
    return httpx.patch(
        f"{address}/scim/v2/Users/{company.member.id}", json=body, timeout=PATIENCE,
        headers={"authorization": f"Bearer {company.scim_token}"},
    )  # fmt: skip


_LIMITS = """
import json, sys
if sys.argv[1] == "web":
    import cerby.wsgi
else:
    import django
    django.setup()
from django.db import connection
with connection.cursor() as cursor:
    names = ("statement_timeout", "idle_in_transaction_session_timeout")
    print(json.dumps([cursor.execute(f"SHOW {name}").fetchone()[0] for name in names]))
"""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("process", "query", "seconds", "expected"),
    [
        ("web", "", "", ["30s", "1min"]),
        ("web", "", "5", ["5s", "10s"]),
        ("web", "", "0", ["0", "0"]),
        ("web", "?options=-c%20statement_timeout%3D7s", "", ["7s", "1min"]),
        ("other", "", "5", ["0", "0"]),
    ],
)
def test_only_web_processes_limit_their_statements(process: str, query: str, seconds: str, expected: list[str]) -> None:
    found = environment()
    found |= {"CERBY_WEB_STATEMENT_SECONDS": seconds, "DATABASE_URL": found["DATABASE_URL"] + query}
    done = subprocess.run(
        [sys.executable, "-c", _LIMITS, process], cwd=ROOT, env=found, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("waiting", [False, True], ids=["between requests", "while it works on them"])
def test_a_database_host_that_vanishes_without_a_word_is_given_up(tmp_path: Path, waiting: bool) -> None:
    acme = company("acme")
    engine = urlsplit(os.environ["DATABASE_URL"])
    headers = {"authorization": f"Bearer {acme.scim_token}"}
    with ExitStack() as stack:
        first = stack.enter_context(VanishingHost((engine.hostname or "", engine.port or 0)))
        who = engine.netloc.rpartition("@")[0]
        hosts = f"127.0.0.1:{first.port},{engine.hostname}:{engine.port}"
        url = f"postgresql://{who}@{hosts}/{connection.settings_dict['NAME']}?connect_timeout=2"
        address = stack.enter_context(web(tmp_path / "log", DATABASE_URL=url))

        def ask() -> int:
            return httpx.get(f"{address}/scim/v2/Users", headers=headers, timeout=PATIENCE).status_code

        callers = stack.enter_context(ThreadPoolExecutor(THREADS))
        assert [each.result() for each in [callers.submit(ask) for _ in range(THREADS)]] == [200] * THREADS
        assert first.connections > 0
        if waiting:
            asked = _asked_and_vanished(callers, ask, first)
        else:
            first.vanish()
            asked = [callers.submit(ask) for _ in range(THREADS)]
        assert {each.result() for each in asked} <= {200, 503}
        assert ask() == 200


def _asked_and_vanished(callers: ThreadPoolExecutor, ask: Any, host: VanishingHost) -> list[Any]:
    """The host vanishes while its server works on the requests, so that nothing is left to be acknowledged."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE workspace_user")
        asked = [callers.submit(ask) for _ in range(THREADS)]

        def is_at_work() -> bool:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'workspace_user'::regclass")
            return bool(cursor.fetchone() == (THREADS,))

        eventually(is_at_work, "the server works on each request")
        host.vanish()
    return asked
