"""What an offboarding would do, before anything happens. The admin, the API and the command show the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from rotation import connectors
from rotation.departures import estimates, exposures, orphans
from rotation.departures.estimates import Pace
from rotation.departures.exposures import Also
from rotation.departures.orphans import Suggestion
from rotation.departures.standing import left_as_they_are
from workspace import access
from workspace.access import Knowledge
from workspace.models import Account, ApiKey, RotationPolicy, Session, TeamMembership, User
from workspace.vault import ledger


class Consequence(StrEnum):
    """What becomes of a password that a leaver could have known."""

    BY_ITSELF = "by_itself"
    BY_PERSON = "by_person"
    STAYS = "stays"


@dataclass(frozen=True)
class Known:
    """A password the person could have known. `pace` is None where nothing of its kind was rotated here before."""

    account: Account
    since: datetime
    revealed_at: datetime | None
    is_owned_alone: bool
    consequence: Consequence
    pace: Pace | None

    @property
    def stays_though_looked_at(self) -> bool:
        return self.consequence is Consequence.STAYS and self.revealed_at is not None


@dataclass(frozen=True)
class Preview:
    """`known` by the accounts' names; `owned_alone` with those whose password nobody could have known."""

    user: User
    policy: RotationPolicy
    also: Also
    known: list[Known]
    owned_alone: list[Account]
    grants: int
    memberships: int
    sessions: int
    api_keys: int

    def becoming(self, consequence: Consequence) -> list[Known]:
        return [item for item in self.known if item.consequence is consequence]

    @property
    def staying_looked_at(self) -> int:
        """How many passwords stay as they are although the person looked at them."""
        return sum(item.stays_though_looked_at for item in self.known)

    @property
    def warning(self) -> str:
        """What goes on working for whoever knows it; empty where everything is changed."""
        staying = len(self.becoming(Consequence.STAYS))
        if not staying:
            return ""
        passwords = "1 password" if len(self.known) == 1 else f"{len(self.known)} passwords"
        return (
            f"Of {passwords} they could have known, this workspace's policy ({self.policy.label.lower()}) has"
            f" {left_as_they_are(staying, self.staying_looked_at)}, still good for whoever knows them."
        )

    @property
    def expected(self) -> timedelta | None:
        """How long what rotates by itself is expected to take; None when there is no history to judge by."""
        return estimates.together([item.pace for item in self.becoming(Consequence.BY_ITSELF) if item.pace])

    @property
    def without_history(self) -> int:
        """Of those that rotate by themselves, how many the expectation leaves out."""
        return sum(item.pace is None for item in self.becoming(Consequence.BY_ITSELF))

    def record(self) -> dict[str, Any]:
        """The preview for programs: names of JSON, times as they are."""
        return {
            "person": self.user.user_name, "id": self.user.pk, "active": self.user.is_active, "policy": self.policy,
            "also": self.also,
            "grants_ending": self.grants, "memberships_ending": self.memberships,
            "sessions_ending": self.sessions, "api_keys_ending": self.api_keys,
            "rotating_by_themselves": len(self.becoming(Consequence.BY_ITSELF)),
            "needing_a_person": len(self.becoming(Consequence.BY_PERSON)),
            "staying": len(self.becoming(Consequence.STAYS)), "staying_looked_at": self.staying_looked_at,
            "warning": self.warning,
            "expected_seconds": round(self.expected.total_seconds(), 1) if self.expected else None,
            "without_history": self.without_history,
            "passwords": [_record(item) for item in self.known],
            "owned_alone": self._owned_alone(),
        }  # fmt: skip

    def successors(self, accounts: Collection[Account]) -> dict[UUID, Suggestion]:
        """Who is suggested as the next Owner of each of these; missing where the workspace has no Owner either."""
        return orphans.suggest([account.pk for account in accounts], leaving=self.user)

    def _owned_alone(self) -> list[dict[str, Any]]:
        suggested = self.successors(self.owned_alone)
        rows = [(account, suggested.get(account.pk)) for account in self.owned_alone]
        return [
            {
                "account": account.name, "id": account.pk, "successor": found.user.user_name if found else None,
                "why": found.why if found else None,
            }
            for account, found in rows
        ]  # fmt: skip


def preview(user: User, *, also: Also = Also.NOTHING) -> Preview:
    """What would happen if this person left now; changes nothing. A fixed number of statements."""
    known, alone = access.could_have_known(user), orphans.owned_alone(user)
    accounts = Account.objects.in_bulk([*(item.account_id for item in known), *alone])
    workspace = user.workspace
    policy = RotationPolicy(workspace.rotation_policy) if workspace else RotationPolicy.NONE
    paces = estimates.paces(workspace, [item.account_id for item in known]) if workspace and known else {}
    owned = set(alone)
    items = (_known(item, accounts[item.account_id], policy, also, owned, paces) for item in known)
    return Preview(
        user, policy, also,
        sorted(items, key=lambda item: item.account.name.lower()),
        sorted((accounts[pk] for pk in alone), key=lambda account: account.name.lower()),
        ledger.holdings_of(user).live().filter(team=None).count(),
        TeamMembership.objects.filter(user=user, left_at=None).count(),
        Session.objects.filter(user=user).count(),
        ApiKey.objects.filter(user=user, revoked_at=None).count(),
    )  # fmt: skip


def consequence(policy: RotationPolicy, account: Account, item: Knowledge, also: Also = Also.NOTHING) -> Consequence:
    """What this policy makes of an account that was known."""
    if not exposures.rotates(policy, item, also):
        return Consequence.STAYS
    return Consequence.BY_ITSELF if rotates_by_itself(account) else Consequence.BY_PERSON


def rotates_by_itself(account: Account) -> bool:
    """Whether a connector can change the account's password; otherwise a person does."""
    kind = connectors.REGISTRY.get(account.connector)
    if kind is None:
        return False
    return kind.capabilities.self_change or (kind.capabilities.admin_reset and account.admin_account_id is not None)


def _known(
    item: Knowledge, account: Account, policy: RotationPolicy, also: Also, owned: set[UUID], paces: Mapping[UUID, Pace]
) -> Known:
    becomes = consequence(policy, account, item, also)
    return Known(account, item.since, item.revealed_at, account.pk in owned, becomes, paces.get(account.pk))


def _record(item: Known) -> dict[str, Any]:
    return {
        "account": item.account.name,
        "id": item.account.pk,
        "privileged": item.account.is_privileged,
        "known_since": item.since,
        "revealed_at": item.revealed_at,
        "owned_alone": item.is_owned_alone,
        "becomes": item.consequence,
        "usually_seconds": round(item.pace.seconds, 1) if item.pace else None,
        "past_rotations": item.pace.rotations if item.pace else 0,
    }
