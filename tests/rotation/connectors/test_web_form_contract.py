"""The web form put through the contract, on a real site in a real browser."""

from collections.abc import Iterator

import pytest

from rotation.connectors.contract import ConnectorContract
from rotation.connectors.web_form import WebForm
from tests.rotation.connectors.web_site import Site
from tests.rotation.connectors.web_target import WebTarget, shared_browser


@pytest.fixture(scope="module", autouse=True)
def _browser() -> Iterator[None]:
    with shared_browser():
        yield


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def target(site: Site) -> Iterator[WebTarget]:
    yield (found := WebTarget(site))
    found.forget()


class TestWebForm(ConnectorContract):
    """The contract."""

    able = WebForm.capabilities
    refused = "secret7"
    short = 2.0
    halfway = 15.0
