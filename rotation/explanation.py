"""Why a person can, or could, use an account: each grant and membership, past and present, and what they revealed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from rotation.models import Exposure
from workspace import access
from workspace.models import Account, Holding, Reveal, User
from workspace.vault import ledger


@dataclass(frozen=True)
class Way:
    """A span in which a person held an account, to be read: it was, or will be, over at `until`."""

    through: str
    role: str
    since: datetime
    until: datetime | None
    why_it_ended: str


def ways(user: User, account: Account) -> list[Way]:
    """Every span, oldest first. One that never overlapped (they left before the team was given it) is none."""
    return sorted(map(_way, ledger.ways(user, account)), key=lambda way: way.since)


def record(user: User, account: Account) -> dict[str, Any]:
    """All of it for programs. No password is part of it."""
    reveals = Reveal.objects.filter(user=user, account=account).select_related("version").order_by("at")
    exposures = Exposure.objects.filter(Q(user=user), account=account).select_related("version").order_by("opened_at")
    return {
        "person": user.user_name, "account": account.name,
        "reaches_it_now": ledger.ways(user, account).reaching().exists(),
        "could_know_a_living_password": any(
            item.account_id == account.pk for item in access.could_have_known(user)
        ),
        "ways": [
            {"through": way.through, "role": way.role, "since": way.since, "until": way.until,
             "why_it_ended": way.why_it_ended}
            for way in ways(user, account)
        ],
        "reveals": [{"version": row.version.number, "at": row.at} for row in reveals],
        "exposures": [
            {"version": row.version.number, "opened_at": row.opened_at, "closed_at": row.closed_at,
             "outcome": row.get_outcome_display() or "open"}
            for row in exposures
        ],
    }  # fmt: skip


def _way(held: Holding) -> Way:
    through = f"team {held.team}" if held.team else "their own grant"
    return Way(through, held.role, held.since, held.until, _why_it_ended(held))


def _why_it_ended(held: Holding) -> str:
    """Which of the ends came first; empty while there is none."""
    if held.until is None:
        return ""
    if held.until == held.left_at:
        return "left the team"
    return held.end_reason or ("the time was over" if held.until == held.expires_at else "")
