"""A person at a browser, as far as the story needs one: pages, their words and forms, cookies and CSRF tokens."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin

import httpx

_SILENT = frozenset({"script", "style", "template"})


class Unexpected(Exception):
    """A page is not what a person was told to expect; the text says how."""


@dataclass
class Form:
    """A form with what its fields hold; `buttons` are the words on its submit buttons."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


@dataclass
class Page:
    """What came back: visible words with single blanks between, links as (words, address), forms."""

    url: str
    status: int
    html: str
    text: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        page = cls(str(response.url), response.status_code, response.text)
        reader = _Reader(page)
        reader.feed(response.text)
        page.text = " ".join("".join(reader.words).split())
        return page

    def form(self, button: str) -> Form:
        """The form that is sent by this button. Raises Unexpected."""
        for found in self.forms:
            if any(button in words for words in found.buttons):
                return found
        raise Unexpected(f"{self.url} ({self.status}) has no button “{button}”. It says: {self.text[:300]}")

    def link(self, words: str) -> str:
        """The address behind these words. Raises Unexpected."""
        for said, address in self.links:
            if words in said:
                return urljoin(self.url, address)
        raise Unexpected(f"{self.url} ({self.status}) has no link “{words}”. It says: {self.text[:300]}")


class Browser:
    """One person's browser, at the web app or in the admin."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, follow_redirects=True, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def open(self, address: str) -> Page:
        return Page.of(self._http.get(address))

    def press(self, page: Page, button: str, **values: str) -> Page:
        """Fill the button's form and send it. Raises Unexpected for a field the form does not have."""
        form = page.form(button)
        if unknown := values.keys() - form.fields.keys():
            raise Unexpected(f"The form at {page.url} has no field {', '.join(sorted(unknown))}.")
        address = urljoin(page.url, form.action)
        return Page.of(self._http.request(form.method, address, data={**form.fields, **values}))

    def post(self, address: str, values: dict[str, str]) -> Page:
        """Send what a form of the page before would have sent to another address."""
        return Page.of(self._http.post(address, data=values))

    def sign_in(self, email: str, password: str, *, at: str = "/login/", button: str = "Sign in") -> Page:
        return self.press(self.open(at), button, username=email, password=password)


class _Reader(HTMLParser):
    """Collects a page's words, links and forms."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.words: list[str] = []
        self._silent = 0
        self._form: Form | None = None
        self._select = ""
        self._since: dict[str, int] = {}
        self._address = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        self.words.append(" ")
        self._since[tag] = len(self.words)
        if tag == "form":
            self._form = Form(given.get("method", "get").upper(), given.get("action", ""))
            self.page.forms.append(self._form)
        elif tag == "a":
            self._address = given.get("href", "")
        elif self._form is not None:
            self._field(self._form, tag, given)

    def handle_endtag(self, tag: str) -> None:
        said = " ".join("".join(self.words[self._since.get(tag, len(self.words)) :]).split())
        if tag in _SILENT:
            self._silent -= 1
        elif tag == "form":
            self._form = None
        elif tag == "a":
            self.page.links.append((said, self._address))
        elif tag == "button" and self._form is not None:
            self._form.buttons.append(said)
        self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    def _field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "input" and kind == "submit":
            form.buttons.append(given.get("value", ""))
        elif tag == "input" and name and (kind not in {"checkbox", "radio"} or "checked" in given):
            form.fields[name] = given.get("value", "on" if kind == "checkbox" else "")
        elif tag in {"select", "textarea"} and name:
            self._select = name
            form.fields[name] = ""
        elif tag == "option" and "selected" in given:
            form.fields[self._select] = given.get("value", "")
