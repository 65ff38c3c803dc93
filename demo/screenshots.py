"""`make screenshots`: the console's main screens for docs/, taken in Chromium on a demo of its own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect, sync_playwright

from cerby.engines import record
from cerby.environment import ROOT
from demo import fortnight, reset
from demo.facts import Facts
from demo.running import running
from demo.start import DemoError
from demo.terminal import say

IMAGES: Final = ROOT / "docs" / "images"
FLAGS: Final = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip
SIZE: Final = {"width": 1280, "height": 800}
LARGEST: Final = 200_000
ROTATED_WITHIN: Final = 120_000
# Screens by the name of their picture.
SCREENS: Final = {
    "home": "/admin/",
    "connect-okta": "/admin/connect-okta/",
    "people": "/admin/workspace/user/",
    "rotations": "/admin/rotation/rotationjob/",
    "provisioning-log": "/admin/scim/provisioningevent/",
    "tokens": "/admin/scim/scimtoken/",
    "audit-log": "/admin/workspace/auditevent/",
}


def main() -> int:
    """Returns an exit status. Raises DemoError without a Chromium, or for a picture that has become too large."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise DemoError("Pictures are taken in Chromium (Debian: apt install chromium).")
    with _home_of_its_own() as home, running(home) as facts:
        found = record.load(home)
        if found is None:
            raise DemoError(f"There are no engines in {home}, though a demo answers.")
        left = fortnight.play(facts, found.addresses())
        IMAGES.mkdir(parents=True, exist_ok=True)
        _take(facts, left, chromium)
    return 0


@contextmanager
def _home_of_its_own() -> Iterator[Path]:
    """So that the pictures are the same whatever was tried in the demo."""
    home = Path(tempfile.mkdtemp(prefix="cerby-pictures-"))
    home.chmod(0o711)  # as root the engines run as another account, which must reach its folder in here
    os.environ["CERBY_HOME"] = str(home)
    try:
        yield home
    finally:
        reset.reset()
        shutil.rmtree(home, ignore_errors=True)


def _take(facts: Facts, left: str, chromium: str) -> None:
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()  # type: ignore[arg-type]
        page.goto(facts.admin_url)
        page.get_by_label("E-mail").fill(facts.owner_email)
        page.get_by_label("Password").fill(facts.owner_password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(facts.admin_url)
        _departure(page, facts, left)
        for name, address in SCREENS.items():
            page.goto(facts.base_url + address)
            _shoot(page, name)
        browser.close()


def _departure(page: Page, facts: Facts, left: str) -> None:
    """Somebody who left, once every password they could have known is dealt with; and what would be if another did."""
    page.goto(f"{facts.admin_url}workspace/user/{left}/change/")
    _shoot(page, "person")
    page.locator(".console-section", has_text="Offboardings").get_by_role("link", name="Look").first.click()
    expect(page.locator(".console-heading")).to_contain_text("Proved", timeout=ROTATED_WITHIN)
    page.reload()
    _shoot(page, "offboarding")
    page.get_by_role("link", name="Certificate", exact=True).first.click()
    page.wait_for_url("**/certificate/")
    _shoot(page, "certificate")
    page.goto(f"{facts.admin_url}workspace/user/?q=nadia")
    page.locator("#result_list").get_by_role("link", name="Nadia Okafor").click()
    page.get_by_role("link", name="Offboard", exact=True).click()
    page.wait_for_url("**/offboard/")
    _shoot(page, "offboard")


def _shoot(page: Page, name: str) -> None:
    """Raises DemoError for what nobody would want to load with a page of docs."""
    page.wait_for_load_state("networkidle")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    if path.stat().st_size > LARGEST:
        raise DemoError(f"{path.relative_to(ROOT)} has more than {LARGEST // 1000} kB.")
    say(f"  {path.relative_to(ROOT)}")
