"""Going over a site's pages: find, type, click, and see what is shown. Knows no recipe and keeps nothing.

Playwright's own messages repeat what was typed, so that none of them goes into an answer.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

from playwright.sync_api import ElementHandle, Error, Locator, Page, Request, Response
from playwright.sync_api import TimeoutError as TooLate

from rotation.browser.addresses import host_of, origin
from rotation.browser.typed import Typed

POLL_MILLISECONDS: Final = 50
CAPTCHA_FRAMES: Final = re.compile(
    r"//[^/]*/recaptcha/(api2|enterprise)/|//([^/]*\.)?hcaptcha\.com/|//challenges\.cloudflare\.com/"
    r"|//([^/]*\.)?(arkoselabs|funcaptcha)\.com/|//[^/]*\.captcha-delivery\.com/"
)
BADGE: Final = ".grecaptcha-badge"  # says that a site is watched; asks nothing of anybody
NO_LIMIT: Final = 100_000
SMALL: Final = 40  # pixels; what is smaller is a beacon
VARIABLE: Final = re.compile(r"\{(username|current|new|totp)\}")
SECRET: Final = re.compile(r"\{(current|new|totp)\}")
CODE_FIELD: Final = "input[autocomplete~='one-time-code']"
NET_ERROR: Final = re.compile(r"net::(ERR_[A-Z0-9_]+)")
NETWORK: Final = {
    "ERR_CERT": "its certificate is not valid",
    "ERR_SSL": "no secure connection could be made",
    "ERR_TOO_MANY_REDIRECTS": "it redirects without end",
}


class Failed(Exception):
    """A call that came to no yes or no. `kind` is a FailureKind, `host` whom it was about, `rules` what the page says a
    password must fit."""

    def __init__(
        self, kind: str, detail: str, *, host: str = "", retry_after: float | None = None, rules: str = ""
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.host, self.retry_after, self.rules = kind, detail, host, retry_after, rules


@dataclass(frozen=True)
class Site:
    """Where the login lives. Secrets are typed on pages of `origins` alone."""

    url: str
    origins: list[str]
    recipe: dict[str, Any] | None = None
    login_url: str = ""
    has_codes: bool = False


@dataclass
class Traffic:
    """What the page asks of the network: what is under way, and how many documents came."""

    documents: int = 0
    pending: set[Request] = field(default_factory=set)


class Walk:
    """One clean browsing context, for as long as the call lasts."""

    def __init__(self, page: Page, call: Mapping[str, Any], site: Site, ask_code: Callable[[], str]) -> None:
        self.page, self.site = page, site
        self.traffic = Traffic()
        self._values = {name: call.get(name) or "" for name in ("username", "current", "new")}
        self._ask_code = ask_code
        self.chooses = False
        """Whether the form at hand sets the new password, and nothing of it was sent yet: a no is policy then."""
        self._typed: list[Typed] = []
        self._longest = NO_LIMIT
        self._until: float = call["until"]
        self._status, self._broken, self._going_to = 200, "", ""
        self._headers: Mapping[str, str] = {}
        page.on("request", self._began)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._broke)
        page.on("response", self._answered)
        page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"

    # Doing

    def go(self, url: str) -> int:
        """Open an address of the site; the status of its document. Raises Failed for one that means "not now"."""
        whole = urljoin(self.site.url, url)
        try:
            response = self.page.goto(whole, wait_until="domcontentloaded", timeout=self.left())
        except TooLate:
            raise self.unreachable(f"{_host(whole)} did not answer in time") from None
        except Error as error:
            reason = _network(error.message)
            raise self.unreachable(f"{_host(whole)} could not be opened: {reason}", _host(whole)) from None
        if response is not None:
            self._status, self._headers = response.status, response.headers
        self.mind_status()
        return self._status

    def type_in(self, place: Mapping[str, str], template: str) -> None:
        """Fill a field. What is secret goes into a page of the site's own origins, and nowhere else."""
        self.type_into(self.element(place), template, described(place))

    def type_into(self, element: ElementHandle, template: str, name: str) -> None:
        if SECRET.search(template):
            self._mind_origin(element)
            self.mind_captcha()
        text = self._filled(template)  # may wait for a code
        try:
            element.fill(text, timeout=self.left())
        except TooLate:
            raise self.unreachable(f"{name} could not be filled in time") from None
        except Error:
            raise self.unreachable(f"{name} could not be filled: the page changed meanwhile") from None
        self._typed.append(Typed(element, text, template, name))

    def mind_typed(self) -> None:
        """Before a form is sent: each field still holds what was typed into it. Raises Failed."""
        self._typed = [typed for typed in self._typed if self._holds(typed)]
        if any(typed.is_new for typed in self._typed):
            self.chooses = False  # from here on the site may have it

    def click(self, place: Mapping[str, str]) -> None:
        target = self.only(place)
        self.mind_typed()
        try:
            target.click(timeout=self.left())
        except TooLate:
            raise self.missing(place) from None
        except Error:
            raise self.unreachable(f"{described(place)} could not be clicked: the page changed meanwhile") from None

    def await_place(self, place: Mapping[str, str]) -> None:
        self.element(place)

    # Seeing

    def element(self, place: Mapping[str, str]) -> ElementHandle:
        """The one visible element there. Raises Failed where none comes in time, or several fit."""
        try:
            handle = self.only(place).element_handle(timeout=self.left())
        except TooLate:
            raise self.missing(place) from None
        except Error:
            raise self.unreachable(f"The page changed while {described(place)} was looked for") from None
        return handle

    def only(self, place: Mapping[str, str]) -> Locator:
        """The visible elements of a place, once there are any. Raises Failed for more than one."""
        found = self.locator(place)
        while not (count := _count(found)):
            self.mind_time(lambda: self.missing(place))
            self.mind_captcha()
        if count > 1:
            raise Failed("human", f"{described(place)} fits {count} elements of the page; the recipe must name one.")
        return found

    def locator(self, place: Mapping[str, str]) -> Locator:
        if "css" in place:
            found = self.page.locator(place["css"])
        elif "label" in place:
            found = self.page.get_by_label(place["label"], exact=True)
        else:
            role: Any = place["role"]
            found = self.page.get_by_role(role, name=place.get("name"), exact=True if "name" in place else None)
        return found.filter(visible=True)

    def shows(self, sign: Mapping[str, str]) -> bool:
        """Whether all that the sign names is there now."""
        if "url" in sign and sign["url"] not in self.page.url:
            return False
        if "text" in sign and not _count(self.page.get_by_text(sign["text"]).filter(visible=True)):
            return False
        return not {"css", "label", "role"} & set(sign) or bool(_count(self.locator(sign)))

    def decide(self, signs: Mapping[str, Mapping[str, str] | None], *, after: str) -> str:
        """The name of the first sign that the site shows. Raises Failed where a person is asked for, or in the end."""
        known = {name: sign for name, sign in signs.items() if sign}
        while True:
            for name, sign in known.items():
                if self.shows(sign):
                    return name
            self.mind_status()
            self.mind_captcha()
            self.mind_time(lambda: self.unreachable(f"After {after} the site showed neither {' nor '.join(known)}"))

    def words_of(self, sign: Mapping[str, str]) -> str:
        """What stands where the sign is."""
        try:
            if {"css", "label", "role"} & set(sign):
                return self.locator(sign).first.inner_text(timeout=self.left())
            return self.page.get_by_text(sign["text"]).first.inner_text(timeout=self.left())
        except (Error, KeyError):
            return sign.get("text", "")

    # Minding

    def left(self) -> float:
        """Milliseconds, more than 0. Raises Failed when there are none."""
        left = (self._until - time.monotonic()) * 1000
        if left <= 0:
            raise self.unreachable("The time was over before the site was through")
        return left

    def mind_time(self, failure: Callable[[], Failed]) -> None:
        """Let the page live on for a moment. Raises the failure when no time is left."""
        if (self._until - time.monotonic()) * 1000 <= POLL_MILLISECONDS:
            raise failure()
        self.page.wait_for_timeout(POLL_MILLISECONDS)

    def mind_status(self) -> None:
        """Raises Failed for a document that did not come, or by which the site says "not now"."""
        if self._broken:
            raise Failed("unreachable", self._broken, host=self._going_to)
        if self._headers.get("cf-mitigated") == "challenge":
            raise Failed("human", f"{_host(self.page.url)} asks to be shown that a person is there.")
        if self._status == 429 or self._status >= 500:
            seconds = self._headers.get("retry-after", "")
            raise Failed(
                "unreachable", f"{_host(self.page.url)} answers {self._status}.", host=_host(self.page.url),
                retry_after=float(seconds) if re.fullmatch(r"\d{1,6}", seconds) else None,
            )  # fmt: skip

    def mind_captcha(self) -> None:
        """Raises Failed where the page wants to see a person."""
        if any(_asks(frame) for frame in self.page.frames[1:]) or self._has_captcha_element():
            raise Failed("human", f"{_host(self.page.url)} shows a captcha: somebody has to log in there by hand.")

    def second_factor_missing(self) -> Failed:
        """For a code that nobody told us how to give."""
        advice = "Store the account's authenticator secret, or change the password by hand."
        if self.site.has_codes:
            advice = "The recipe does not say what to do with the code."
        return Failed("human", f"{_host(self.page.url)} asks for a second factor. {advice}")

    def _has_captcha_element(self) -> bool:
        """Frames that did not load have no address; what they were to load stands in the page."""
        found = self.page.locator("iframe[src]").filter(visible=True)
        try:
            sources = found.evaluate_all(
                "(all, badge) => all.filter(f => !f.closest(badge) && f.offsetHeight > 40).map(f => f.src)", BADGE
            )
        except Error:  # the page is being replaced
            return False
        return any(CAPTCHA_FRAMES.search(source) for source in sources)

    def _holds(self, typed: Typed) -> bool:
        """Whether the field is there still. Raises Failed where it holds something else than was typed, or does not
        take it: POLICY for a new password of which nothing was sent yet, since another one may fit."""
        held = typed.look()
        if held is None:
            return False
        if typed.is_password and held.longest > 0:
            self._longest = min(self._longest, held.longest)
        if not typed.is_new:
            if typed.differs(held):
                raise Failed("human", f"{typed.complaint(held)}. Nothing was sent.")
        elif typed.differs(held) or held.unfit or len(typed.text) > self._longest:
            limits = f"maxlength: {self._longest}; {held.limits}"
            raise Failed("policy" if self.chooses else "unreachable", f"{typed.complaint(held)}.", rules=limits)
        return True

    def _mind_origin(self, element: ElementHandle) -> None:
        frame = element.owner_frame()
        address = frame.url if frame else self.page.url
        if origin(address) not in self.site.origins:
            raise Failed(
                "permission",
                f"The page is {origin(address)}, which is not one of the account's own: no password is typed there.",
                host=_host(address),
            )

    def _filled(self, template: str) -> str:
        """The template with its variables. What was put in is not read again."""
        return VARIABLE.sub(
            lambda found: self._ask_code() if found[1] == "totp" else self._values[found[1]], template
        )

    def missing(self, place: Mapping[str, str]) -> Failed:
        return self.unreachable(f"{described(place)} was not on the page in time")

    def unreachable(self, what: str, host: str = "") -> Failed:
        return Failed("unreachable", f"{what}.", host=host)

    def _began(self, request: Request) -> None:
        self.traffic.pending.add(request)
        if self._is_document(request):
            self._broken, self._going_to = "", host_of(request.url)

    def _ended(self, request: Request) -> None:
        self.traffic.pending.discard(request)

    def _broke(self, request: Request) -> None:
        self.traffic.pending.discard(request)
        reason = request.failure or ""
        if self._is_document(request) and "ERR_ABORTED" not in reason:  # aborted: the page went on elsewhere
            self._broken = f"{_host(request.url)} did not answer: {_network(reason)}."

    def _answered(self, response: Response) -> None:
        if self._is_document(response.request):
            self.traffic.documents += 1
            self._status, self._headers = response.status, response.headers

    def _is_document(self, request: Request) -> bool:
        return request.is_navigation_request() and request.frame == self.page.main_frame


def described(place: Mapping[str, str]) -> str:
    """A place for people."""
    if "label" in place:
        return f"The field “{place['label']}”"
    if "role" in place:
        return f"The {place['role']} “{place['name']}”" if "name" in place else f"The {place['role']}"
    return f"The element “{place['css']}”"


def _host(url: str) -> str:
    return host_of(url) or "The site"


def _count(found: Locator) -> int:
    try:
        return found.count()
    except Error:  # the page is being replaced
        return 0


def _asks(frame: Any) -> bool:
    """Whether a frame is a captcha that somebody can see."""
    if not CAPTCHA_FRAMES.search(frame.url):
        return False
    try:
        element = frame.frame_element()
        box = element.bounding_box()
        badge = element.evaluate("(frame, badge) => Boolean(frame.closest(badge))", BADGE)
    except Error:
        return False
    return box is not None and box["height"] > SMALL and box["width"] > SMALL and not badge


def _network(message: str) -> str:
    found = NET_ERROR.search(message)
    code = found[1] if found else "ERR_UNKNOWN"
    meaning = next((words for start, words in NETWORK.items() if code.startswith(start)), "")
    return f"{meaning} ({code})" if meaning else code
