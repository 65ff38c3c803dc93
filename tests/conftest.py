"""Fixtures every module may use: the two companies and committed databases; the seed of what is generated."""

import os
from collections.abc import Generator, Iterator
from uuid import uuid4

import pgtrigger
import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import TransactionTestCase

from tests import generators
from tests.companies import Company, company
from tests.waiting import PATIENCE


def pytest_configure(config: pytest.Config) -> None:
    limits = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}  # what is not counted in time passes
    settings.CACHES["default"]["OPTIONS"].update(limits)  # type: ignore[attr-defined]
    config.addinivalue_line("markers", "generated: chooses its cases with dice; part of the drill")
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(generators.SEED)


def pytest_report_header() -> str:
    return generators.HEADER


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What failed may be a generated case, and -q prints no header."""
    if terminalreporter.stats.get("failed"):
        terminalreporter.line(generators.HEADER)


@pytest.fixture
def acme(db: None) -> Company:
    return company("acme")


@pytest.fixture
def rival(db: None) -> Company:
    return company("rival")


@pytest.fixture(autouse=True)
def _counters_of_its_own() -> None:
    """What one test tried at the door does not count in another; Valkey is shared, so nothing is flushed."""
    caches["default"].key_prefix = f"test-{uuid4()}"


@pytest.fixture(scope="session", autouse=True)
def _flush_may_truncate() -> Iterator[None]:
    """Tests with real commits empty the tables afterwards, the append-only ones as well."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # private in Django

    def unguarded(self: TransactionTestCase) -> None:
        with pgtrigger.ignore():
            flush(self)

    TransactionTestCase._fixture_teardown = unguarded  # type: ignore[attr-defined]
    yield
    TransactionTestCase._fixture_teardown = flush  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1 a skip is a failure: nothing that CI should have is quietly missing."""
    report = yield
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1 and skipped: {report.longrepr}"
    return report
