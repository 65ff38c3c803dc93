"""Who may use which account, who could have known which password, and the showing of one.

What a person could have known is computed from the ledger (`workspace.vault.ledger`), the past as it was: the order in
which a provider ends things changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from workspace import accounts, audit, statements
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic, savepoint
from workspace.errors import Conflict, Invalid, NotFound, Refused
from workspace.models import Account, Grant, GrantRole, LossKind, Reveal, SecretVersion, Team, User
from workspace.vault import ledger, ledger_sql, losses


@dataclass(frozen=True)
class Knowledge:
    """That a person could have known a password which may still be alive.

    `version` is the account's newest such version, `since` when they first could have known it, `revealed_at`
    when they first were shown it (None: they never looked).
    """

    account_id: UUID
    version_id: UUID
    since: datetime
    revealed_at: datetime | None
    is_privileged: bool


@atomic()
def grant(
    account: Account, holder: User | Team, *, actor: Actor, role: str = GrantRole.COLLABORATOR,
    expires_at: datetime | None = None,
) -> Grant:  # fmt: skip
    """Let a person or a team use an account, a guest until `expires_at`.

    Raises Invalid across workspaces, for someone without access or for a time that has passed, Conflict when they
    hold a grant already.
    """
    _check_holder(account, holder)
    check_expiry(expires_at)
    names = {"user": holder} if isinstance(holder, User) else {"team": holder}
    try:
        with savepoint():
            new = Grant.objects.create(
                workspace_id=account.workspace_id, account=account, role=role, granted_by=actor.to_json(),
                expires_at=expires_at, **names,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict(f"{holder} holds a grant on {account} already.") from error
    audit.record(
        account.workspace, Verb.GRANT_GIVEN, account, actor=actor, grant=str(new.id), role=role, holder=str(holder.pk),
        expires_at=expires_at.isoformat() if expires_at else None,
    )  # fmt: skip
    return new


@atomic()
def end(live: Grant, *, actor: Actor, reason: str, kind: LossKind = LossKind.GRANT_ENDED) -> bool:
    """End a grant and write down that its holders lost it; whether that ended it: one that has ended stays as it is."""
    now = timezone.now()
    ended_at = Greatest(Value(now), F("granted_at"))  # another machine's clock may be ahead of ours
    if not Grant.objects.filter(pk=live.pk, ended_at=None).update(ended_at=ended_at, end_reason=reason[:200]):
        return False
    named = {"grant": str(live.id), "holder": str(live.user_id or live.team_id)}
    audit.record(live.workspace, Verb.GRANT_ENDED, live.account, actor=actor, **named, reason=reason)
    losses.of_grant(live, kind, actor=actor, reason=reason)
    return True


@atomic()
def change_role(live: Grant, role: GrantRole, *, actor: Actor) -> Grant:
    """Another role for the same holder: the grant ends and another begins, so that the past stays as it was. A loss is
    written down, as with every end; of it comes nothing for who still reaches the account.

    Raises Refused for a grant that has ended.
    """
    _hold(live.holder)
    live = Grant.objects.select_for_update(of=("self",)).select_related("account", "user", "team").get(pk=live.pk)
    if live.ended_at is not None:
        raise Refused(f"The grant of {live.holder} on {live.account} has ended.")
    if live.role == role:
        return live
    end(live, actor=actor, reason=f"The role became {role.label}.", kind=LossKind.ROLE_LOST)
    return grant(live.account, live.holder, actor=actor, role=role, expires_at=live.expires_at)


@atomic()
def set_expiry(live: Grant, expires_at: datetime | None, *, actor: Actor) -> None:
    """When a guest's grant ends by itself; None: when somebody ends it. Raises Invalid for a time that has passed."""
    check_expiry(expires_at)
    changed = Grant.objects.filter(pk=live.pk, ended_at=None).exclude(expires_at=expires_at)
    if changed.update(expires_at=expires_at):
        until = expires_at.isoformat() if expires_at else None
        named = {"grant": str(live.pk), "holder": str(live.user_id or live.team_id)}
        audit.record(live.workspace, Verb.GRANT_EXPIRY_SET, live.account, actor=actor, **named, until=until)


def check_expiry(expires_at: datetime | None) -> None:
    """Raises Invalid for a time that has passed."""
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("Access cannot end in the past. End it now instead.", field="expires_at")


def reachable_accounts(user: User) -> QuerySet[Account]:
    """The accounts a person may use now, directly or through a team. Empty for a person without access."""
    if user.workspace_id is None:
        return Account.objects.none()
    reached = ledger.holdings_of(user).reaching().values("account_id")
    return Account.objects.filter(workspace_id=user.workspace_id, id__in=reached).order_by("name")


def listed_accounts(user: User, search: str = "") -> QuerySet[Account]:
    """Those accounts with `password_set_at` (None: no password is stored), narrowed to the ones whose name or
    username contains `search` in any letter case. One statement."""
    current = SecretVersion.objects.current().filter(account_id=OuterRef("pk")).values("visible_from")
    accounts = reachable_accounts(user).annotate(password_set_at=Subquery(current))
    found = Q(name__icontains=search) | Q(username__icontains=search)
    return accounts.filter(found) if search else accounts


def shareable(user: User, account_ids: Collection[UUID]) -> set[UUID]:
    """Those of the accounts that a person may give to others: all of their workspace's for its Owner (and any for
    platform staff), else those they own or manage."""
    accounts = Account.objects.filter(pk__in=account_ids, archived_at=None)
    if user.workspace_id is None:
        return set(accounts.values_list("pk", flat=True)) if user.has_access else set()
    mine = accounts.filter(workspace_id=user.workspace_id)
    if not user.is_owner:
        sharing = ledger.holdings_of(user).reaching().filter(role__in=(GrantRole.OWNER, GrantRole.MANAGER))
        mine = mine.filter(pk__in=sharing.values("account_id"))
    return set(mine.values_list("pk", flat=True))


@atomic()
def reveal(account: Account, user: User, *, actor: Actor) -> Secret:
    """Show a person the account's current password; recorded before it is handed out.

    Holds the person's row against a departure that runs beside it. Raises NotFound without access to the account
    (or when there is none), Invalid when no password is stored, Undecryptable.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not reachable_accounts(user).filter(pk=account.pk).exists():
        raise NotFound("You have no access to such an account.")
    version = accounts.current_version(account)
    if version is None:
        raise Invalid(f"No password is stored for {account} yet.")
    secret = accounts.open_version(version)
    Reveal.objects.create(workspace_id=account.workspace_id, account=account, version=version, user=user)
    audit.record(account.workspace, Verb.ACCOUNT_REVEALED, account, actor=actor, version=version.number)
    return secret


# Every span in which people held the account, laid over the span in which each version was shown; and every version
# they saw or typed, whatever the spans say. Ends are exclusive. Versions proved dead are nobody's knowledge any more.
# OFFSET 0 holds the planner to one look into the index for each account: right after many accounts were added it would
# compare all of them with all. Takes `users` and `accounts` (null: all); columns as in Knowledge, after the person.
COULD_HAVE_KNOWN: Final = f"""
WITH access AS ({ledger_sql.HELD} WHERE user_id = ANY(%(users)s)
), known AS (
    SELECT access.user_id, access.account_id, v.id, v.number, greatest(access.since, v.visible_from) AS since,
           NULL::timestamptz AS revealed_at
      FROM access CROSS JOIN LATERAL (
           SELECT id, number, visible_from, visible_until FROM workspace_secretversion
            WHERE account_id = access.account_id AND proved_dead_at IS NULL AND visible_from IS NOT NULL OFFSET 0) v
     WHERE (%(accounts)s::uuid[] IS NULL OR access.account_id = ANY(%(accounts)s)) AND access.since < access.until
       AND access.since < coalesce(v.visible_until, 'infinity') AND v.visible_from < access.until
    UNION ALL
    SELECT r.user_id, r.account_id, v.id, v.number, r.at, r.at
      FROM workspace_reveal r JOIN workspace_secretversion v ON v.id = r.version_id
     WHERE r.user_id = ANY(%(users)s) AND v.proved_dead_at IS NULL
       AND (%(accounts)s::uuid[] IS NULL OR r.account_id = ANY(%(accounts)s))
), newest AS (
    SELECT DISTINCT ON (user_id, account_id) user_id, account_id, id, min(since) AS since,
           min(min(revealed_at)) OVER (PARTITION BY user_id, account_id) AS revealed_at
      FROM known GROUP BY user_id, account_id, id, number ORDER BY user_id, account_id, number DESC
)
SELECT newest.user_id, newest.account_id, newest.id, newest.since, newest.revealed_at, account.is_privileged
  FROM newest JOIN workspace_account account ON account.id = newest.account_id
"""  # noqa: S608  # constants

_ACTIVE: Final = "SELECT id FROM workspace_user WHERE id = ANY(%s) AND is_active ORDER BY id FOR KEY SHARE"

HAD_ANY: Final = f"({ledger_sql.HELD_ANY} OR EXISTS (SELECT FROM workspace_reveal WHERE user_id = %(user)s))"
"""SQL: whether a person ever held an account or was shown a password. Who did not, could have known none and owns
none."""


def could_have_known(user: User) -> list[Knowledge]:
    """What the person could have known of passwords that may still be alive, one per account, in one statement."""
    return [item for _, item in _knowledge([user.pk], None)]


def known_and_out_of_reach(
    user_ids: Collection[UUID], account_ids: Collection[UUID]
) -> list[tuple[UUID, Knowledge]]:
    """Of these accounts, what each of these people could have known and does not reach now. Whoever has no access to
    the workspace is left out: their departure wrote down what they could have known. The others are held against
    leaving until the transaction ends. A fixed number of statements."""
    active = [row[0] for row in statements.rows(_ACTIVE, [list(user_ids)])]
    if not active or not account_ids:
        return []
    known = _knowledge(active, account_ids)
    reaching = ledger.reaching(active, account_ids)
    return [(user_id, item) for user_id, item in known if (user_id, item.account_id) not in reaching]


def _knowledge(
    user_ids: Collection[UUID], account_ids: Collection[UUID] | None
) -> list[tuple[UUID, Knowledge]]:
    accounts = None if account_ids is None else list(account_ids)
    found = statements.rows(COULD_HAVE_KNOWN, {"users": list(user_ids), "accounts": accounts})
    return [(row[0], Knowledge(*row[1:])) for row in found]


def _check_holder(account: Account, holder: User | Team) -> None:
    if holder.workspace_id != account.workspace_id:
        raise Invalid("A grant stays within one workspace.", field="user")
    held = _hold(holder)
    if isinstance(held, User):
        if not held.has_access:
            raise Invalid(f"{holder} has no access to the workspace and cannot be given any here.", field="user")
    elif held.disbanded_at is not None:
        raise Invalid(f"The team {holder} was disbanded.", field="team")


def _hold(holder: User | Team) -> User | Team:
    """A holder of grants, fresh, and held against leaving or being disbanded meanwhile. Locked before the grants."""
    if isinstance(holder, User):
        return User.objects.select_for_update(no_key=True).get(pk=holder.pk)
    return Team.objects.select_for_update(no_key=True).get(pk=holder.pk)
