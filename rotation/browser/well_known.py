"""Visiting a site without a recipe: by its well-known address for changing passwords, and by what its fields declare.

W3C, "A Well-Known URL for Changing Passwords" (https://w3c.github.io/webappsec-change-password-url/), and the
`autocomplete` values of HTML: `username`, `current-password`, `new-password`, `one-time-code`. What does not declare
itself is not guessed about. Whether a password is right is told by what only somebody logged in is shown: the page for
changing it.
"""

from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import ElementHandle, Error, Locator

from rotation.browser.walk import CODE_FIELD, Failed, Walk

Answer = dict[str, Any]

CHANGE: Final = "/.well-known/change-password"
NOTHING: Final = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200/"
NEW: Final = "input[autocomplete~='new-password']"
CURRENT: Final = "input[autocomplete~='current-password']"
USERNAME: Final = "input[autocomplete~='username']"
ALERTS: Final = "[role=alert], [aria-invalid=true]"
SUBMIT: Final = "button[type=submit], input[type=submit], button:not([type])"
QUIET_MILLISECONDS: Final = 300
NOT_FOUND: Final = (
    "No page for changing the password was found at the site's well-known address. Write a recipe for this site."
)


class Visit:
    """One call. `fresh_walk` opens a clean browsing context."""

    def __init__(self, fresh_walk: Callable[[], Walk]) -> None:
        self._fresh_walk = fresh_walk
        self._walk = fresh_walk()

    def verify(self) -> Answer:
        """A site that asks for a code has judged the password."""
        return {"outcome": "accepted" if self._log_in("current", with_code=False) else "rejected"}

    def change(self) -> Answer:
        """Fill the page for changing the password, then see in a second clean context which password lets in."""
        if not self._log_in("current"):
            return {"outcome": "rejected"}
        walk = self._walk
        fields = walk.page.locator(NEW).filter(visible=True)
        current = walk.page.locator(CURRENT).filter(visible=True)
        if self._count(current):
            self._type(current.first, "{current}")
        walk.chooses = True
        for number in range(self._count(fields)):
            self._type(fields.nth(number), "{new}")
        self._send(fields.last)
        walk.chooses = False
        complaint, is_there_still = self._complaint(), self._shows(NEW)
        if Visit(self._fresh_walk)._log_in("new", with_code=False):
            return {"outcome": "changed"}
        if complaint or is_there_still:
            return {"outcome": "refused", "detail": complaint}
        raise walk.unreachable("The site seemed to take the new password, but does not let in whoever has it")

    def _log_in(self, which: str, *, with_code: bool = True) -> bool:
        """Whether the site lets in whoever has the password, and shows them the page for changing it."""
        walk = self._walk
        self._refuse_sites_that_say_yes_to_everything()
        if self._open_change_page():
            raise Failed("permission", "The site shows the page for changing the password to anybody. Write a recipe.")
        if walk.site.login_url:
            walk.go(walk.site.login_url)
        self._give_name()
        password = self._await_any(CURRENT)
        if password is None:
            raise Failed("human", NOT_FOUND)
        self._type(password, f"{{{which}}}")
        self._send(password)
        if self._shows(CODE_FIELD):
            if not with_code:
                return True
            self._give_code()
        return self._open_change_page()

    def _refuse_sites_that_say_yes_to_everything(self) -> None:
        """Such a site's answer for the well-known address would mean nothing."""
        if self._walk.go(NOTHING) < 300:
            raise Failed("human", "The site answers every address alike, also those that do not exist. Write a recipe.")

    def _open_change_page(self) -> bool:
        """Whether the well-known address shows it. Whoever is not logged in is sent to log in."""
        status = self._walk.go(CHANGE)
        if self._await_any(NEW, CURRENT, USERNAME) is None and status >= 400:
            raise Failed("human", NOT_FOUND)
        if not self._shows(NEW):
            self._settle()  # the fields of a page that is made by script may come one after the other
        return self._shows(NEW)

    def _give_name(self) -> None:
        """Some sites ask for the name first, and for the password on the next page."""
        walk = self._walk
        if self._await_any(USERNAME, CURRENT) is None or not self._shows(USERNAME):
            return
        name = walk.page.locator(USERNAME).filter(visible=True).first
        self._type(name, "{username}")
        if not self._shows(CURRENT):
            self._send(name)

    def _give_code(self) -> None:
        walk = self._walk
        if not walk.site.has_codes:
            raise walk.second_factor_missing()
        field = walk.page.locator(CODE_FIELD).filter(visible=True).first
        self._type(field, "{totp}")
        self._send(field)
        if self._shows(CODE_FIELD):
            raise Failed("human", "The site did not take the code. Is the stored authenticator secret the present one?")

    # Parts

    def _shows(self, selector: str) -> bool:
        return bool(self._count(self._walk.page.locator(selector).filter(visible=True)))

    def _await_any(self, *selectors: str) -> Locator | None:
        """The first element that one of the selectors fits, or None when the page has come to rest without one."""
        walk, quiet = self._walk, 0.0
        found = walk.page.locator(", ".join(selectors)).filter(visible=True)
        while quiet < QUIET_MILLISECONDS * 3:
            if self._count(found):
                return found.first
            walk.mind_captcha()
            walk.mind_time(lambda: walk.unreachable("The page did not come to rest in time"))
            quiet = 0.0 if walk.traffic.pending else quiet + 50
        return None

    def _send(self, field: Locator) -> None:
        """Send a form, and wait for the page to react: the field is gone, another document came, or it complains."""
        walk, alerts = self._walk, self._walk.page.locator(ALERTS).filter(visible=True)
        documents, complaints = walk.traffic.documents, self._count(alerts)
        self._submit(field)
        while walk.traffic.documents == documents and self._count(field) and self._count(alerts) <= complaints:
            walk.mind_status()
            walk.mind_captcha()
            walk.mind_time(lambda: walk.unreachable("The site did not react to what was sent"))
        self._settle()
        walk.mind_status()
        walk.mind_captcha()

    def _settle(self) -> None:
        """Until nothing was under way for a moment."""
        walk, quiet = self._walk, 0.0
        while quiet < QUIET_MILLISECONDS:
            walk.mind_time(lambda: walk.unreachable("The site did not come to rest in time"))
            quiet = 0.0 if walk.traffic.pending else quiet + 50

    def _type(self, field: Locator, template: str) -> None:
        self._walk.type_into(field.element_handle(timeout=self._walk.left()), template, "A field of the page")

    def _submit(self, field: Locator) -> None:
        """By the form's own button; by the Enter key where it has none."""
        button = self._button(field)
        self._walk.mind_typed()
        try:
            if button is None:
                field.press("Enter", timeout=self._walk.left())
            else:
                button.click(timeout=self._walk.left())
        except Error:
            raise self._walk.unreachable("The form could not be sent: the page changed meanwhile") from None

    def _button(self, field: Locator) -> ElementHandle | None:
        forms = self._walk.page.locator("form").filter(has=field)
        buttons = forms.locator(SUBMIT).filter(visible=True)
        return buttons.first.element_handle(timeout=self._walk.left()) if self._count(buttons) else None

    def _complaint(self) -> str:
        try:
            return " ".join(self._walk.page.locator("[role=alert]").filter(visible=True).all_inner_texts())
        except Error:
            return ""

    @staticmethod
    def _count(found: Locator) -> int:
        try:
            return found.count()
        except Error:  # the page is being replaced
            return 0
