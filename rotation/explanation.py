"""Why a person can, or could, use an account: each grant and membership, past and present, and what they revealed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from rotation.models import Exposure
from workspace import access
from workspace.models import Account, Grant, Reveal, TeamMembership, User


@dataclass(frozen=True)
class Way:
    """A span in which a person had an account: by a grant of their own, or by being in a team that held one."""

    through: str
    role: str
    since: datetime
    until: datetime | None
    why_it_ended: str


def ways(user: User, account: Account) -> list[Way]:
    """Every span, oldest first. One that never overlapped (they left before the team was given it) is none."""
    own = Grant.objects.filter(account=account, user=user)
    found = [Way("their own grant", one.role, one.granted_at, one.ended_at, one.end_reason) for one in own]
    memberships = TeamMembership.objects.filter(user=user).select_related("team")
    by_team: dict[Any, list[TeamMembership]] = {}
    for membership in memberships:
        by_team.setdefault(membership.team_id, []).append(membership)
    for grant in Grant.objects.filter(account=account, team__in=by_team).select_related("team"):
        found += [way for membership in by_team[grant.team_id] if (way := _overlap(grant, membership))]
    return sorted(found, key=lambda way: way.since)


def record(user: User, account: Account) -> dict[str, Any]:
    """All of it for programs. No password is part of it."""
    reveals = Reveal.objects.filter(user=user, account=account).select_related("version").order_by("at")
    exposures = Exposure.objects.filter(Q(user=user), account=account).select_related("version").order_by("opened_at")
    return {
        "person": user.user_name, "account": account.name,
        "reaches_it_now": access.reachable_accounts(user).filter(pk=account.pk).exists(),
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


def _overlap(grant: Grant, membership: TeamMembership) -> Way | None:
    since = max(grant.granted_at, membership.joined_at)
    ends = [end for end in (grant.ended_at, membership.left_at) if end]
    until = min(ends) if ends else None
    if until is not None and until <= since:
        return None
    left_first = until is not None and until == membership.left_at
    why = "left the team" if left_first else grant.end_reason
    return Way(f"team {grant.team}", grant.role, since, until, why)
