"""Apple's passwordrules syntax, in which password managers and sites say what a password may be made of.

    minlength: 12; maxlength: 20; required: lower, upper; required: digit; allowed: [-().&@?'#,/"+]; max-consecutive: 2

Each `required` asks for one character of any of its classes. What is allowed is what is required and what `allowed`
adds; with neither, everything is. Source: developer.apple.com/password-rules. Errors name the position.
"""

import re
import string
from dataclasses import dataclass, replace
from typing import Final

from workspace.errors import Invalid

# Symbols that need no quoting in shells, URLs' userinfo aside, SQL strings and configuration files. Where rules allow
# any symbol, these suffice.
SYMBOLS: Final = "!#%+,-./:=?@^_~"
LETTERS_AND_DIGITS: Final = string.ascii_lowercase + string.ascii_uppercase + string.digits
NAMED: Final = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "digit": string.digits,
    "special": SYMBOLS,
    "ascii-printable": LETTERS_AND_DIGITS + SYMBOLS,
    "unicode": LETTERS_AND_DIGITS + SYMBOLS,
}
NUMBERS: Final = ("minlength", "maxlength", "max-consecutive")
CLASSES: Final = ("required", "allowed")
LONGEST: Final = 128
LEAST: Final = 8
"""No target makes passwords shorter than this, whatever it says of itself; nor can an account's policy."""

_SPACE: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z-]*")
_NUMBER: Final = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class Rules:
    """What was read. `required` has a string of characters for each requirement; `allowed` is None where nothing is
    said of characters at all."""

    minlength: int = 1
    maxlength: int = LONGEST
    max_consecutive: int = LONGEST
    required: tuple[str, ...] = ()
    allowed: str | None = None


def parse(text: str) -> Rules:
    """The rules of a text; an empty one has none. Raises Invalid, naming the position, counted from 1."""
    return _Reader(text).rules()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def rules(self) -> Rules:
        rules = Rules()
        while self._peek():
            if self._take(";"):
                continue
            rules = self._property(rules)
            if self._peek() and not self._take(";"):
                raise self._wrong("expected “;”")
        if rules.minlength > rules.maxlength:
            raise Invalid("Password rules: minlength is greater than maxlength.", field="password_rules")
        return rules

    def _property(self, rules: Rules) -> Rules:
        start, name = self.place, self._word("a property").lower()
        if name not in (*NUMBERS, *CLASSES):
            raise self._wrong(f"“{name}” is none of {', '.join((*CLASSES, *NUMBERS))}", start)
        if not self._take(":"):
            raise self._wrong(f"expected “:” after {name}")
        return self._number(rules, name) if name in NUMBERS else self._classes(rules, name)

    def _number(self, rules: Rules, name: str) -> Rules:
        self._peek()
        start, found = self.place, _NUMBER.match(self.text, self.place)
        if found is None or int(found[0]) < 1:
            raise self._wrong(f"{name} wants a number from 1 on")
        self.place, number = found.end(), int(found[0])
        if name == "minlength":
            if number > LONGEST:
                raise self._wrong(f"passwords are at most {LONGEST} characters long here", start)
            return replace(rules, minlength=max(rules.minlength, number))
        if name == "maxlength":
            return replace(rules, maxlength=min(rules.maxlength, number))
        return replace(rules, max_consecutive=min(rules.max_consecutive, number))

    def _classes(self, rules: Rules, name: str) -> Rules:
        found = self._class()
        while self._take(","):
            found += self._class()
        characters = "".join(dict.fromkeys(found))
        allowed = "".join(dict.fromkeys((rules.allowed or "") + characters))
        required = (*rules.required, characters) if name == "required" else rules.required
        return replace(rules, allowed=allowed, required=required)

    def _class(self) -> str:
        if self._peek() == "[":
            return self._literal()
        start, name = self.place, self._word("a class of characters").lower()
        if name not in NAMED:
            raise self._wrong(f"“{name}” is none of {', '.join(NAMED)}, and no [list of characters]", start)
        return NAMED[name]

    def _literal(self) -> str:
        """`[…]`: a “-” stands first, a “]” last."""
        start, end = self.place, self.text.find("]", self.place + 1)
        if end < 0:
            raise self._wrong("“[” is never closed", start)
        if self.text[end + 1 : end + 2] == "]":  # the bracket itself is listed, as the last one
            end += 1
        characters = self.text[start + 1 : end]
        if not characters:
            raise self._wrong("there is nothing between “[” and “]”", start)
        for offset, letter in enumerate(characters):
            if not " " <= letter <= "~":
                raise self._wrong("only printable ASCII can be listed", start + 1 + offset)
            if letter == "-" and offset:
                raise self._wrong("“-” must come first in a list", start + 1 + offset)
        self.place = end + 1
        return characters

    def _peek(self) -> str:
        """The next character that is no blank, "" at the end."""
        blank = _SPACE.match(self.text, self.place)
        self.place = blank.end() if blank else self.place
        return self.text[self.place : self.place + 1]

    def _take(self, mark: str) -> bool:
        if self._peek() != mark:
            return False
        self.place += 1
        return True

    def _word(self, wanted: str) -> str:
        self._peek()
        found = _WORD.match(self.text, self.place)
        if found is None:
            raise self._wrong(f"expected {wanted}")
        self.place = found.end()
        return found[0]

    def _wrong(self, what: str, place: int | None = None) -> Invalid:
        position = (self.place if place is None else place) + 1
        return Invalid(f"Password rules, position {position}: {what}.", field="password_rules")
