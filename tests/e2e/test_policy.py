"""Chromium finds nothing on the console's and the web app's pages that their policy forbids."""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.companies import Company
from tests.console_world import populate
from tests.e2e.browsers import chromium, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = (
    "/", "/profile/", "/second-factor/", "/keys/", "/admin/", "/admin/workspace/user/", "/admin/workspace/user/add/",
    "/admin/workspace/account/", "/admin/workspace/notice/", "/admin/workspace/webhookendpoint/add/",
    "/admin/rotation/rotationjob/", "/admin/scim/scimtoken/add/",
)  # fmt: skip


def test_no_page_breaks_its_policy(acme: Company, rival: Company, live_server: LiveServer) -> None:
    populate(acme)
    with chromium() as page:
        broken: list[str] = []
        page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
        sign_in(page, live_server.url)
        page.wait_for_load_state("networkidle")
        for path in (*PAGES, f"/admin/workspace/user/{acme.member.pk}/change/"):
            page.goto(f"{live_server.url}{path}")
            page.wait_for_load_state("networkidle")
        assert broken == []
