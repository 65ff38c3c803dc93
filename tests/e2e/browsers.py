"""Debian's Chromium, driven by Playwright, and a person signing in with it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from django.conf import settings
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from tests.companies import PASSWORD, Company
from tests.waiting import PATIENCE
from workspace.models import User

FLAGS: Final = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
LIMIT: Final = PATIENCE * 1000
"""Milliseconds after which what a page was to show is not coming any more."""
expect.set_options(timeout=LIMIT)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser of its own; each page in it gets a context, with cookies that no other has."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs the Debian package “chromium”")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=LIMIT)
        yield browser
        browser.close()


@contextmanager
def page_in(browser: Browser, **context: Any) -> Iterator[Page]:
    """A page in a context of its own. What goes wrong in its scripts, is against its policy, or fails in the server
    fails the test at the end."""
    wrong: list[str] = []

    def listen(said: ConsoleMessage) -> None:
        if "Content Security Policy" in said.text:
            wrong.append(said.text)

    def look(answer: Response) -> None:
        if answer.status >= 500:
            wrong.append(f"{answer.status} {answer.url}")

    wanted = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", **context}
    opened = browser.new_context(**wanted)
    page = opened.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", listen)
    page.on("response", look)
    page.set_default_timeout(LIMIT)
    yield page
    opened.close()
    assert not wrong


@contextmanager
def chromium(**context: Any) -> Iterator[Page]:
    """A page in a browser of its own."""
    with launched() as browser, page_in(browser, **context) as page:
        yield page


def sign_in(page: Page, base: str, email: str = "owner@acme.example", password: str = PASSWORD) -> None:
    """Into the console, as an Owner, by the door."""
    page.goto(f"{base}/admin/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation(wait_until="domcontentloaded"):
        page.get_by_role("button", name="Sign in").click()


def carry_session(page: Page, base: str, company: Company, user: User | None = None) -> None:
    """Signed in as the company's Owner (or `user`) some time ago, so that acts which want a proof ask for one."""
    cookie = company.browser(user).cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": base}])
