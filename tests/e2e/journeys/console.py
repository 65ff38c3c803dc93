"""The console as a person at it sees it: its menu, lists, pages and buttons, by their words."""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


@dataclass
class Console:
    """A page in the browser, at the console that answers at `base`."""

    page: Page
    base: str

    def home(self) -> None:
        self.page.goto(f"{self.base}/admin/")

    def go(self, path: str) -> None:
        """By address, as from a bookmark or a mail."""
        self.page.goto(self.base + path)

    def menu(self, words: str) -> None:
        """Follow an entry of the menu at the left, from Home where no page is open yet."""
        if not self.page.url.startswith(self.base):
            self.home()
        self.follow(self.page.locator("#nav-sidebar-apps").get_by_role("link", name=words, exact=True))

    def row(self, words: str) -> Locator:
        """The row of a list that has these words."""
        return self.rows.filter(has_text=words)

    @property
    def rows(self) -> Locator:
        return self.page.locator("#result_list tbody tr:visible")

    def open(self, words: str) -> None:
        """Open the object of the row with these words."""
        self.follow(self.row(words).first.get_by_role("link").first)

    def follow(self, link: Locator) -> None:
        """Press what leads to another page, and be there."""
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            link.click()

    def add(self) -> None:
        """Press the round button of a list."""
        self.follow(self.page.locator("a.addlink"))

    def figure(self, label: str) -> Locator:
        """A figure of the home page."""
        said = self.page.locator("span", has_text=re.compile(rf"^{re.escape(label)}"))
        return self.page.locator(".console-figure").filter(has=said)

    def filter(self, name: str, choice: str) -> None:
        """Choose in one of the list's filters and apply them."""
        self.page.get_by_role("button", name="Filters").click()
        self.page.get_by_role("combobox", name=f"By {name}").click()
        self.page.get_by_role("option", name=choice, exact=True).click()
        self.follow(self.page.get_by_role("button", name="Apply Filters"))

    def search(self, words: str) -> None:
        """Type into the list's search."""
        self.page.locator("#searchbar").fill(words)
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            self.page.keyboard.press("Enter")

    def act(self, words: str) -> None:
        """Press one of the buttons above an object or a list."""
        self.follow(self.page.get_by_role("link", name=words, exact=True).first)

    def press(self, words: str) -> None:
        """Press the button at the end of a form."""
        self.follow(self.content.get_by_role("button", name=words, exact=True))

    def fill(self, label: str, text: str) -> None:
        self.content.get_by_label(label).first.fill(text)

    def choose(self, label: str, sought: str, option: str) -> None:
        """Find one of many in a box that searches while one types."""
        box = self.content.get_by_label(label).locator("xpath=..").locator(".select2-container")
        box.first.click()
        self.page.locator(".select2-search__field").last.fill(sought)
        self.page.get_by_role("option", name=option).click()

    @property
    def content(self) -> Locator:
        return self.page.locator("#content-main")

    def section(self, title: str) -> Locator:
        """The table of a page below this heading."""
        heading = self.page.get_by_role("heading", name=title, exact=True)
        return self.page.locator(".console-section").filter(has=heading)

    def says(self, words: str | re.Pattern[str]) -> None:
        """Somewhere in the middle of the page these words stand, now or soon."""
        expect(self.content).to_contain_text(words)

    def heading(self, words: str) -> None:
        expect(self.page.locator(".console-heading")).to_contain_text(words)

    def download(self, link: Locator) -> Path:
        """The file behind a link or button."""
        with self.page.expect_download() as started:
            link.click()
        return Path(started.value.path())
