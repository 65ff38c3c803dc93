"""Debian's Chromium, driven by Playwright, and a person signing in with it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.companies import PASSWORD

FLAGS: Final = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip


@contextmanager
def chromium(**context: Any) -> Iterator[Page]:
    """A page in a context of its own; whatever goes wrong in its scripts fails the test at the end."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs the Debian package “chromium”")
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        wanted = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", **context}
        page = browser.new_context(**wanted).new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(15_000)
        yield page
        browser.close()
    assert not errors


def sign_in(page: Page, base: str, email: str = "owner@acme.example") -> None:
    """Into the console, as an Owner."""
    page.goto(f"{base}/admin/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
