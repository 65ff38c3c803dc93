"""What counts as which answer, as people declare it: statuses, a value in the JSON, words in the text."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from rotation.connectors.base import TargetError
from rotation.connectors.http_client import Answer


def _ranges(text: str) -> list[range]:
    """“200-299, 304”. Raises ValueError."""
    found = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        least, most = (int(each) if each.isdecimal() else 0 for each in (first, last if dash else first))
        if not 100 <= least <= most <= 599:
            raise ValueError("must be HTTP statuses from 100 to 599, such as 200-299, 304")
        found.append(range(least, most + 1))
    return found


def _statuses(text: str) -> str:
    _ranges(text)
    return text


def _json_test(text: str) -> str:
    if text and not (text.partition("=")[0].strip() and "=" in text):
        raise ValueError("must be a path and a value, such as data.authenticated=true")
    return text


Statuses = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_statuses)]
JsonTest = Annotated[str, Field(max_length=200), AfterValidator(_json_test)]
Words = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True)
class Expected:
    """An answer with one of the `statuses` and, where they are given, the `json` value and the `words`."""

    statuses: str
    json: str = ""
    words: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether the status alone decides."""
        return not (self.json or self.words)

    def shares_status(self, other: "Expected") -> bool:
        return any(set(a) & set(b) for a in _ranges(self.statuses) for b in _ranges(other.statuses))

    def matches(self, answer: Answer) -> bool:
        if not any(answer.status in each for each in _ranges(self.statuses)):
            return False
        return self._json_matches(answer) and self.words in answer.text

    def _json_matches(self, answer: Answer) -> bool:
        if not self.json:
            return True
        path, _, wanted = (part.strip() for part in self.json.partition("="))
        try:
            found = value_at(answer, path)
        except (TargetError, LookupError):
            return False
        return wanted == (found if isinstance(found, str) else json.dumps(found))


def value_at(answer: Answer, path: str) -> Any:
    """The value at “data.users.0.name”. Raises LookupError where there is none, TargetError for what is no JSON."""
    value = answer.json()
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal():
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value[step]
        else:
            raise LookupError(path)
    return value
