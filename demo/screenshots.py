"""`make screenshots`: the console's main screens for docs/, taken in Chromium once the story was played."""

import os
import shutil
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from cerby.environment import ROOT
from demo import story
from demo.facts import Facts
from demo.running import running
from demo.start import DemoError, configure
from demo.terminal import say

IMAGES: Final = ROOT / "docs" / "images"
FLAGS: Final = (
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    "--force-color-profile=srgb", "--hide-scrollbars",
)  # fmt: skip
# Screens by the name of their picture: an address, or words to follow from the screen before.
SCREENS: Final = {
    "home": "/admin/",
    "connect-okta": "/admin/connect-okta/",
    "people": "/admin/workspace/user/",
    "accounts": "/admin/workspace/account/",
    "offboardings": "/admin/rotation/offboarding/",
    "rotations": "/admin/rotation/rotationjob/",
    "provisioning-log": "/admin/scim/provisioningevent/",
    "tokens": "/admin/scim/scimtoken/",
    "audit-log": "/admin/workspace/auditevent/",
}


def main() -> int:
    """Returns an exit status. Raises DemoError without a Chromium, and whatever the story raises."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise DemoError("Pictures are taken in Chromium (Debian: apt install chromium).")
    with running(configure(8000).home) as facts:
        if status := story.main():
            return status
        _take(facts, chromium)
    return 0


def _take(facts: Facts, chromium: str) -> None:
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light").new_page()
        page.goto(facts.admin_url)
        page.get_by_label("E-mail").fill(facts.owner_email)
        page.get_by_label("Password").fill(facts.owner_password)
        page.get_by_role("button", name="Log in").click()
        for name, address in SCREENS.items():
            page.goto(facts.base_url + address)
            _shoot(page, IMAGES / f"{name}.png")
        _departure(page, facts)
        browser.close()


def _departure(page: Page, facts: Facts) -> None:
    """The latest departure that passwords were changed for, and its certificate."""
    page.goto(f"{facts.admin_url}rotation/offboarding/?state=complete")
    page.locator("#result_list tr", has_text="2 of 2").last.locator("a[href*='/change/']").first.click()
    _shoot(page, IMAGES / "offboarding.png")
    page.goto(page.url.partition("?")[0].replace("/change/", "/certificate/"))
    _shoot(page, IMAGES / "certificate.png")


def _shoot(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)
    say(f"  {path.relative_to(ROOT)}")
