"""Fixtures for tests with real processes: committed data, targets, and a folder for what the processes say."""

from pathlib import Path

import pytest

from cerby.engines import Addresses, Engines
from tests import boot
from tests.companies import Company, company


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
