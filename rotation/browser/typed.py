"""What the fields of a page hold, compared with what was typed into them, before anything is sent.

A field with `maxlength`, or a script of the page, keeps part of a password or another one: sent like that, the site
has a password that nobody knows. Nothing here repeats what was typed.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import ElementHandle, Error

LOOK: Final = """field => field.isConnected && typeof field.value === "string" ? {
    value: field.value, longest: field.maxLength ?? -1, shortest: field.minLength ?? -1,
    rules: field.getAttribute("passwordrules") || "",
    unfit: Boolean(field.validity && (
        field.validity.tooLong || field.validity.tooShort || field.validity.patternMismatch)),
} : null"""
_LIMIT: Final = re.compile(r"(?:^|;)\s*(minlength|maxlength)\s*:\s*([0-9]{1,6})\s*(?=;|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Held:
    """What one field holds, and what it says of itself. A length of -1 says nothing."""

    value: str
    longest: int
    shortest: int
    unfit: bool
    rules: str

    @property
    def limits(self) -> str:
        """Its lengths in Apple's passwordrules syntax. What else such rules say could make passwords weak."""
        said = [(name.lower(), int(number)) for name, number in _LIMIT.findall(self.rules)]
        said += [("minlength", self.shortest), ("maxlength", self.longest)]
        return "".join(f"{name}: {number}; " for name, number in said if number > 0)


@dataclass(frozen=True)
class Typed:
    """A field, what was typed into it, from which template, and how people are told of it."""

    element: ElementHandle
    text: str
    template: str
    name: str

    def look(self) -> Held | None:
        """None where the field is gone, or is none that has a value."""
        try:
            found: dict[str, Any] | None = self.element.evaluate(LOOK)
        except Error:  # the page went on
            return None
        return Held(**found) if found else None

    def differs(self, held: Held) -> bool:
        """Whether the field holds something else. Pages may write names and codes in their own way, and still mean
        the same; they may not cut them."""
        if self.is_password:
            return held.value != self.text
        return held.value != self.text and self.text.startswith(held.value)

    @property
    def is_new(self) -> bool:
        return "{new}" in self.template

    @property
    def is_password(self) -> bool:
        return self.is_new or "{current}" in self.template

    def complaint(self, held: Held) -> str:
        """What is wrong, without a character of it."""
        if not self.differs(held):
            return f"{self.name}, or the one for logging in, does not take the length or the kind of what was typed"
        if self.text.startswith(held.value):
            return f"{self.name} keeps {len(held.value)} of the {len(self.text)} characters that were typed"
        return f"{self.name} holds something else than was typed: a script of the page changes it"
