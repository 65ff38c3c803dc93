"""One browser a module; in it an Owner of acme for each journey, and rival, of whom no journey changes a row."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from demo.okta import OktaTenant
from tests.companies import Company
from tests.console_world import everything_of
from tests.e2e.browsers import carry_session, launched, page_in
from tests.e2e.journeys.console import Console
from workspace import audit
from workspace.models import User

OpenPage = Callable[[User | None], Console]


@pytest.fixture(scope="module")
def browser(django_db_setup: None) -> Iterator[Browser]:
    """With its event loop in this thread, so that Django has to be told that queries beside it are meant."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with launched() as browser:
            yield browser
            connection.close()  # the one beside the loop, which nothing else would close


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with page_in(browser) as page:
        yield page


@pytest.fixture
def console(page: Page, acme: Company, live_server: LiveServer, rival_as_it_was: None) -> Console:
    """Acme's Owner at the console."""
    carry_session(page, live_server.url, acme)
    return Console(page, live_server.url)


@pytest.fixture
def rival_as_it_was(browser: Browser, rival: Company) -> Iterator[None]:
    while audit.seal(rival.workspace):
        pass
    before = everything_of(rival)
    yield
    assert everything_of(rival) == before


@pytest.fixture
def okta(acme: Company, live_server: LiveServer) -> Iterator[OktaTenant]:
    """Acme's Okta, with acme's token."""
    with OktaTenant(f"{live_server.url}/scim/v2/", acme.scim_token) as tenant:
        yield tenant


@pytest.fixture
def as_person(browser: Browser, live_server: LiveServer, acme: Company) -> Iterator[OpenPage]:
    """Opens a window of its own for somebody of acme who is signed in; for None, for somebody who is not."""
    with ExitStack() as windows:

        def open_for(user: User | None) -> Console:
            page = windows.enter_context(page_in(browser))
            if user is not None:
                carry_session(page, live_server.url, acme, user)
            return Console(page, live_server.url)

        yield open_for
