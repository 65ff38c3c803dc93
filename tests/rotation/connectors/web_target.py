"""The web site as a target, with the browser that a test module shares: starting one takes longer than a test."""

import http.cookiejar
import os
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from django.conf import settings

from rotation.browser.client import ARGUMENTS, Browser, Chromium
from rotation.connectors.base import Login, validated
from rotation.connectors.web_form import WebForm, connector
from tests.rotation.connectors.web_site import Person, Site
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT: Final = PATIENCE

RECIPE: Final[dict[str, Any]] = {
    "login": {
        "steps": [
            {"goto": "/login"},
            {"fill": {"label": "User name"}, "with": "{username}"},
            {"fill": {"label": "Password"}, "with": "{current}"},
            {"click": {"role": "button", "name": "Sign in"}},
        ],
        "accepted": {"text": "Signed in as"},
        "rejected": {"text": "Wrong name or password"},
    },
    "second_factor": {
        "when": {"label": "Code"},
        "steps": [{"fill": {"label": "Code"}, "with": "{totp}"}, {"click": {"role": "button", "name": "Go on"}}],
        "rejected": {"text": "This code is not valid"},
    },
    "change": {
        "steps": [
            {"goto": "/account/password"},
            {"fill": {"label": "Current password"}, "with": "{current}"},
            {"fill": {"label": "New password"}, "with": "{new}"},
            {"fill": {"css": "input[name=again]"}, "with": "{new}"},
            {"click": {"role": "button", "name": "Change password"}},
        ],
        "accepted": {"text": "Your password has been changed"},
        "refused": {"css": ".problem", "text": "Use at least"},
        "rejected": {"text": "The current password is not right"},
    },
    "logout_everywhere": {
        "steps": [{"goto": "/account"}, {"click": {"role": "button", "name": "Log out everywhere"}}],
        "accepted": {"text": "other sessions have ended"},
        "count": {"css": "#ended"},
    },
    "logout": {
        "steps": [
            {"goto": "/account"}, {"click": {"role": "button", "name": "Log out"}}, {"expect": {"url": "/login"}},
        ]
    },
}  # fmt: skip

SCRIPTED: Final[dict[str, Any]] = {
    "login": {
        "steps": [
            {"goto": "/app/login"},
            {"fill": {"css": "[name=username]"}, "with": "{username}"},
            {"fill": {"css": "[type=password]"}, "with": "{current}"},
            {"click": {"css": "button"}},
        ],
        "accepted": {"text": "Hello. You are in."},
        "rejected": {"role": "alert", "text": "Wrong name"},
    },
    "change": {
        "steps": [
            {"goto": "/app/password"},
            {"wait_for": {"css": "[name=current]"}},
            {"expect": {"text": "Application"}},
            {"fill": {"css": "[name=current]"}, "with": "{current}"},
            {"fill": {"css": "[name=new]"}, "with": "{new}"},
            {"click": {"role": "button"}},
        ],
        "accepted": {"text": "It is changed."},
        "refused": {"text": "Use at least"},
    },
}


class SharedBrowser:
    """One browser for a module, started anew when a call killed it. Connectors take it for one of their own."""

    def __init__(self) -> None:
        self._browser: Browser | None = None

    def get(self, seconds: float) -> Browser:
        if self._browser is None or not self._browser.is_alive:
            chromium = Chromium(settings.CHROMIUM, settings.CHROMIUM_ACCOUNT, ARGUMENTS)
            self._browser = Browser(chromium, seconds=TIMEOUT)  # whatever the call has: it is the module's, not its own
        return self._browser

    def close(self) -> None:
        if self._browser is not None:
            self._browser.close()


@contextmanager
def shared_browser() -> Iterator[SharedBrowser]:
    """All connectors of the block use one browser. Skips where there is no Chromium."""
    if not os.access(settings.CHROMIUM, os.X_OK):
        pytest.skip(f"{settings.CHROMIUM} is not there; on Debian: apt install chromium")
    shared = SharedBrowser()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connector, "start", shared.get)
        yield shared
    shared.close()


class WebSession:
    """A person's browser, as far as it takes: cookies and forms."""

    def __init__(self, site: Site, username: str, password: Secret) -> None:
        self._site = site
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        self._open("login")
        token = next(cookie.value or "" for cookie in self._cookies)[::-1]
        self._open("login", {"username": username, "password": password.reveal(), "csrf": token})

    def is_alive(self) -> bool:
        return "Signed in as" in self._open("")

    def close(self) -> None:
        self._opener.close()

    def _open(self, path: str, form: dict[str, str] | None = None) -> str:
        data = urlencode(form).encode() if form else None
        with self._opener.open(f"{self._site.url}{path}", data, timeout=TIMEOUT) as answer:
            return str(answer.read().decode())


class WebTarget:
    """See `contract.Target`. Nobody resets another's password there."""

    kind = WebForm
    admin = Login("nobody", Secret("nobody's password"))
    change_marker = b"POST /account/password"
    wrong_settings: dict[str, Any] = {
        "url": "ftp://x", "recipe": "{", "login_url": "https://a:b@x/", "also_on": "https://"
    }  # fmt: skip

    def __init__(self, site: Site) -> None:
        self.site = site
        self.host, self.port = site.host, site.port

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"url": f"http://{host}:{port}/", "recipe": RECIPE}

    def connector(self, username: str, *, timeout: float = TIMEOUT, **given: Any) -> WebForm:
        chosen = {**self.settings(self.host, self.port), **given}
        return WebForm(validated(WebForm, chosen), username, timeout=timeout)

    def make_login(self, password: Secret) -> str:
        name = f"app {secrets.token_hex(4)}"
        self.site.people[name] = Person(password.reveal())
        return name

    def open_session(self, username: str, password: Secret) -> WebSession:
        return WebSession(self.site, username, password)

    def recorded(self, act: Callable[[], None]) -> str:
        before = len(self.site.log)
        act()
        return "\n".join(self.site.log[before:])

    def forget(self) -> None:
        self.site.people.clear()
        self.site.sessions.clear()
        self.site.style.clear()
        self.site.attributes.clear()
        with suppress(AttributeError):
            self.site.hosts.clear()
