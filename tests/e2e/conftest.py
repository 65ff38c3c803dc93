"""Fixtures for tests with real processes: committed data, targets, and a folder for what the processes say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from playwright.sync_api import Page

from cerby.engines import Addresses, Engines
from tests import boot
from tests.companies import Company, company
from tests.e2e.browsers import chromium


@pytest.fixture(scope="session")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Addresses:
    """The embedded engines, as targets to rotate on; the run's own ones unless it was pointed elsewhere."""
    engines = boot.ENGINES or Engines(tmp_path_factory.mktemp("engines"))
    return engines.start()


@pytest.fixture
def acme(transactional_db: None) -> Company:
    return company("acme")


@pytest.fixture
def rival(transactional_db: None) -> Company:
    return company("rival")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "processes.log"


@pytest.fixture
def browser_page(beside_a_loop: None) -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def beside_a_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Playwright's synchronous API keeps an event loop in this thread, and Django would refuse to query beside one."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    yield
    connection.close()  # beside an event loop Django opens one of its own, which nothing else would close
