"""No page of the product keeps anybody out: axe-core finds nothing serious on any of them, in light and dark."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.companies import TESTS, Company
from tests.console_world import address, object_pages, plain_pages, populate
from tests.e2e.browsers import chromium, sign_in
from tests.workspace import strangers
from workspace import access

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("beside_a_loop")]

SERIOUS: Final = {"serious", "critical"}
# So many tests share the pages, each of which takes seconds.
PARTS: Final = 4
# Addresses that are no page: scripts, choices for a select box, downloads, buttons, the way out, and the audit log's
# other names.
NO_PAGES: Final = (
    "_file", "_csv", "jsi18n", "autocomplete", "logout", "app_list", "search", "reveal", "revoke", "_history",
)  # fmt: skip


def console_addresses(acme: Company) -> list[str]:
    names = [*plain_pages(), *object_pages()]
    return [address(name, acme) for name in names if not name.endswith(NO_PAGES)]


def web_addresses(acme: Company) -> list[str]:
    pages = [route for route in strangers.routes() if not route.startswith("api/")]
    return [strangers.address(route, acme) for route in pages if not route.rstrip("/").endswith(NO_PAGES)]


def findings(page: Page, address: str) -> Iterator[str]:
    """What axe-core calls serious or critical on a page, with the first place of each; colours in the dark as well."""
    answer = page.request.get(address)
    if "text/html" not in answer.headers.get("content-type", "") or not answer.ok:
        return
    page.goto(address, wait_until="domcontentloaded")
    page.evaluate(AXE_SCRIPT)
    yield from _violations(page, address, {"resultTypes": ["violations"]})
    page.emulate_media(color_scheme="dark")
    yield from _violations(page, f"{address} in the dark", {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")


def _violations(page: Page, where: str, options: dict[str, Any]) -> Iterator[str]:
    found: list[dict[str, Any]] = page.evaluate(
        "options => axe.run(options).then(results => results.violations)", options
    )
    for violation in found:
        if violation["impact"] in SERIOUS:
            nodes = violation["nodes"]
            told = [check["message"] for check in nodes[0]["any"][:1]]
            yield f"{where}: {violation['id']} ({len(nodes)} ×): {nodes[0]['html'][:200]} {told}"


@pytest.mark.parametrize("part", range(PARTS))
def test_axe_finds_nothing_serious(acme: Company, rival: Company, live_server: LiveServer, part: int) -> None:
    populate(acme)
    access.grant(acme.account, acme.owner, actor=TESTS)
    with chromium(bypass_csp=True) as page:
        found = list(findings(page, f"{live_server.url}/login/"))
        sign_in(page, live_server.url)
        for path in (*console_addresses(acme), *web_addresses(acme))[part::PARTS]:
            found += findings(page, live_server.url + path)
    assert not found, "\n" + "\n".join(found)
