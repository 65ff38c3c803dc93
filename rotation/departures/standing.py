"""What has become of the passwords that somebody could have known, counted and in words.

The console, the certificate, the audit trail, the commands and the API take them from here, so that none of them says
more than another, and none says more than was proved.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, TextChoices
from django.db.models.functions import JSONObject

from rotation.models import AccessLoss, Exposure, Offboarding, Outcome


class Standing(TextChoices):
    """How a departure stands. PROVED: every password was seen rejected, and the sessions of its login ended."""

    OPEN = "open", "Open"
    PROVED = "proved", "Proved"
    EXCEPTIONS = "closed_with_exceptions", "Closed with exceptions"
    NOTHING_KNOWN = "nothing_known", "Closed: no password was known"


IS_PROVED: Final = Q(outcome=Outcome.PROVED_DEAD, closed_by__sessions_closed_at__isnull=False)
"""Exposures that ended as they should: all else that is closed is an exception."""
_LEFT: Final = Q(outcome=Outcome.LEFT_BY_POLICY)
_COUNTED: Final = {
    "known": Q(),
    "open": Q(closed_at=None),
    "proved": IS_PROVED,
    "sessions_not_ended": Q(outcome=Outcome.PROVED_DEAD) & ~IS_PROVED,
    "changed_by_hand": Q(outcome=Outcome.CHANGED_BY_HAND),
    "targets_word": Q(outcome=Outcome.TARGETS_WORD),
    "left_by_policy": _LEFT,
    "left_looked_at": _LEFT & Q(revealed_at__isnull=False),
    "risk_accepted": Q(outcome=Outcome.RISK_ACCEPTED),
    "restored": Q(outcome=Outcome.RESTORED),
}


@dataclass(frozen=True)
class Tally:
    """How many passwords were `known`, and how many of these ended in which way."""

    known: int = 0
    open: int = 0
    proved: int = 0
    sessions_not_ended: int = 0
    changed_by_hand: int = 0
    targets_word: int = 0
    left_by_policy: int = 0
    left_looked_at: int = 0
    risk_accepted: int = 0
    restored: int = 0

    @classmethod
    def read(cls, counted: Mapping[str, int] | None) -> "Tally":
        """From the column that `with_tally` adds, which is empty where nothing was known."""
        return cls(**(counted or {}))

    @property
    def standing(self) -> Standing:
        if self.open:
            return Standing.OPEN
        if not self.known:
            return Standing.NOTHING_KNOWN
        return Standing.PROVED if self.proved == self.known else Standing.EXCEPTIONS

    @property
    def words(self) -> str:
        """“1 changed and proved, 2 left as they are (1 of them looked at)”."""
        if not self.known:
            return "none that still worked"
        said = [text for number, text in self._parts() if number]
        return ", ".join(said if self._changed or self.open else ["none changed", *said])

    def record(self) -> dict[str, Any]:
        """The same for programs; `text` is for people."""
        return {"state": self.standing.value, "text": self.words, **asdict(self)}

    def counts(self) -> dict[str, Any]:
        """The state and what there is of each kind, for the audit trail."""
        return {"state": self.standing.value, **{name: number for name, number in asdict(self).items() if number}}

    @property
    def _changed(self) -> int:
        return self.proved + self.sessions_not_ended + self.changed_by_hand + self.targets_word

    def _parts(self) -> list[tuple[int, str]]:
        return [
            (self.proved, f"{self.proved} changed and proved"),
            (self.sessions_not_ended, f"{self.sessions_not_ended} proved dead without an end to the login's sessions"),
            (self.changed_by_hand, f"{self.changed_by_hand} changed on a person's word"),
            (self.targets_word, f"{self.targets_word} changed on the target's word"),
            (self.open, f"{self.open} open"),
            (self.left_by_policy, left_as_they_are(self.left_by_policy, self.left_looked_at)),
            (self.risk_accepted, f"{self.risk_accepted} left for a time, the risk accepted"),
            (self.restored, f"{self.restored} left because the person was let in again"),
        ]


def left_as_they_are(number: int, looked_at: int) -> str:
    """“2 left as they are (1 of them looked at)”."""
    if number == 1:
        return "1 left as it is (looked at)" if looked_at else "1 left as it is"
    return f"{number} left as they are" + (f" ({looked_at} of them looked at)" if looked_at else "")


def with_tally(rows: QuerySet[Any], *, origin: str = "offboarding", key: str = "pk") -> QuerySet[Any]:
    """The rows, each with `tally`, for `Tally.read`: what became of the exposures whose `origin` is the row's `key`.

    Counted for each row that is read, so that a page of a long list costs what it shows.
    """
    exposures = Exposure.objects.filter(**{origin: OuterRef(key)}).order_by().values(origin)
    counts = {name: Count("pk", filter=condition) for name, condition in _COUNTED.items()}
    found = exposures.annotate(found=JSONObject(**counts)).values("found")
    counted: QuerySet[Any] = rows.annotate(tally=Subquery(found))
    return counted


def tally_of(origin: Offboarding | AccessLoss) -> Tally:
    """What became of what was known with one departure or loss of access."""
    rows, name = (
        (Offboarding.objects, "offboarding") if isinstance(origin, Offboarding) else (AccessLoss.objects, "loss")
    )
    found = with_tally(rows.filter(pk=origin.pk), origin=name).values_list("tally", flat=True)
    return Tally.read(found.first())


def known() -> QuerySet[Exposure]:
    """What was known, of the departure that the outer query is at."""
    return Exposure.objects.filter(offboarding=OuterRef("pk"))


def exceptions() -> QuerySet[Exposure]:
    """What was closed and not proved, of the departure that the outer query is at."""
    return known().filter(closed_at__isnull=False).exclude(IS_PROVED)
