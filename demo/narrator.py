"""Telling the story: numbered steps, and under each what it proved."""

from demo.terminal import bold, say


class BrokenPromise(Exception):
    """Something is not as promised; the text names the step and the promise."""


class Narrator:
    """Prints as the story goes, and stops it at the first promise that does not hold."""

    def __init__(self) -> None:
        self._step, self._title = 0, ""

    def act(self, title: str) -> None:
        say(f"\n{bold(title)}")

    def step(self, title: str) -> None:
        self._step, self._title = self._step + 1, title
        say(f"\n{self._step:3}. {title}")

    def proved(self, promise: str, holds: object, *, found: object = "") -> None:
        """Raises BrokenPromise unless `holds`; `found` says what was there instead, and is never a secret."""
        if not holds:
            raise BrokenPromise(self.broken(f"{promise}." + (f" Found: {found}" if found != "" else "")))
        say(f"     ✓ {promise}")

    def note(self, text: str) -> None:
        say(f"     · {text}")

    def broken(self, what: str) -> str:
        return f"Step {self._step}, “{self._title}”: not as promised: {what}"
