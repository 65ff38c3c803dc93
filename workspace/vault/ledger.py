"""The ledger: who holds an account, who held it when, and who reaches it now. Nothing else asks that of the tables.

Grants, memberships, people and teams keep their ends; the ledger is read from them by one view (`ledger_sql.VIEW`). Its
rows are `Holding`s: a person, an account, through what (a grant of their own, or a team's grant and a membership), in
which role, from `since` until just before `until`.

- A holding **begins** with the later of grant and membership. It is **over** at the earliest of the grant's end, the
  grant's expiry, the end of the membership, the team's disbanding, the person's deactivation and the end of a guest's
  time; at that instant itself it is over. One that would be over before it began is none.
- What ends a holding in writing counts once it is written, whichever machine's clock dated it: such a holding is not
  `is_live`. What ends it by itself counts by the database's clock. Until the sweep has written that down, the holding
  is live and does not `reach`.
- Somebody **reaches** an account by a live holding that is not past its time, of an account that is not archived.
  Archiving ends no grant: who holds an archived account can be asked as before, and nobody reaches it.
- An **inactive** person holds nothing from their deactivation on, even were a grant left open. Who returns gets nothing
  back. That they were a guest until some day is forgotten then: the end that the sweep wrote stands.
- A **disbanded** team's grants reach nobody, even were a membership left open.
- A departure whose rotations are **held back** ends access as any other.
- **Giving more time** to what is past its time and not ended yet makes one span of it, the time between included: what
  could have been known is never claimed to be less than it was.
- Platform staff hold nothing.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from workspace import statements
from workspace.models import Account, Grant, Holding, HoldingQuerySet, Team, User
from workspace.models.people import with_access
from workspace.vault import ledger_sql


def in_force(grant: str = "") -> Q:
    """That a grant (`grant` is the path to it, such as "grants__") is neither ended nor past its time, whoever holds it
    and whether or not they are let in."""
    unexpired = Q(**{f"{grant}expires_at": None}) | Q(**{f"{grant}expires_at__gt": Now()})
    return Q(**{f"{grant}ended_at": None}) & unexpired


def grants_of(what: Account | Team) -> QuerySet[Grant]:
    """The grants in force on an account, or of a team, of those people who are let in."""
    named = Q(account=what) if isinstance(what, Account) else Q(team=what)
    let_in = Q(user=None) | with_access("user__")
    return Grant.objects.filter(named, in_force(), let_in, workspace_id=what.workspace_id)


def holdings_of(user: User) -> HoldingQuerySet:
    """All that a person holds or ever held. Empty for platform staff."""
    found = Holding.objects.filter(user=user)
    return found.none() if user.workspace_id is None else found.filter(workspace_id=user.workspace_id)


def ways(user: User, account: Account) -> HoldingQuerySet:
    """Everything by which a person holds or ever held an account, a grant of their own first."""
    return holdings_of(user).filter(account=account).own_first()


def holders_when_lost(grant: Grant, moment: datetime) -> list[UUID]:
    """Who held an account by this grant when it was lost at `moment`."""
    rows = Holding.objects.filter(grant=grant, since__lte=moment).exclude(left_at__lt=moment)
    return list(rows.values_list("user_id", flat=True).distinct())


def ever_given(team: Team) -> list[UUID]:
    """The accounts that a team has or ever had."""
    return list(Grant.objects.filter(team=team).values_list("account_id", flat=True).distinct())


def owned(accounts: Collection[UUID], *, beside: User | None = None) -> set[UUID]:
    """Those of the accounts that somebody reaches as their Owner, beside a person who is to leave."""
    if not accounts:
        return set()
    values = {"accounts": list(accounts), "user": beside.pk if beside else None}
    return {row[0] for row in statements.rows(ledger_sql.OWNED, values)}


def owned_by(user: User) -> list[UUID]:
    """The accounts that a person owns until the end is written down, be it past their time."""
    return [row[0] for row in statements.rows(ledger_sql.OWNED_BY, {"user": user.pk})]


def reaching(users: Collection[UUID], accounts: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    """Who of these people reaches which of these accounts: (person, account)."""
    rows = statements.rows(ledger_sql.REACHING, {"users": list(users), "accounts": list(accounts)})
    return {(row[0], row[1]) for row in rows}
