"""Accounts whose only Owner is gone: found, given a suggested successor, handed over when somebody confirms it.

An account is owned while somebody reaches it as its Owner (`workspace.vault.ledger`). What never had an Owner is no
orphan. Workspace Owners see every account meanwhile, so none is ever out of reach.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from rotation.models import Offboarding, Orphan, OrphanOutcome
from workspace import audit, bulk, notices
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import Account, Grant, GrantRole, Notice, User, Workspace
from workspace.vault import ledger, ledger_sql

SWEEP: Final = Actor.system("sweep")
HANDED_OVER: Final = "The account was handed over: now its Owner."
LOST_WITHIN: Final = timedelta(hours=1)


class Why(StrEnum):
    """Why somebody is suggested as an account's next Owner."""

    MANAGER = "manager"
    RECENT_USER = "recent_user"
    WORKSPACE_OWNER = "workspace_owner"


@dataclass(frozen=True)
class Suggestion:
    """Whom to make the Owner of an account, and why."""

    user: User
    why: Why


# Accounts that lost an Owner lately and are not in the queue.
_LOST: Final = f"""
SELECT a.id, a.workspace_id FROM workspace_account a
 WHERE a.archived_at IS NULL AND a.id IN ({ledger_sql.LOST_OWNER})
   AND NOT EXISTS (SELECT 1 FROM rotation_orphan o WHERE o.account_id = a.id AND o.settled_at IS NULL)
"""  # noqa: S608  # constants

# For each account: a Manager (a person's own grant before a team's), else who used it last and still may, else the
# workspace's first Owner. Guests are suggested for nothing.
_SUGGESTED: Final = f"""
SELECT a.id, coalesce(manager.id, recent.id, owner.id),
       CASE WHEN manager.id IS NOT NULL THEN 'manager' WHEN recent.id IS NOT NULL THEN 'recent_user'
            ELSE 'workspace_owner' END
  FROM workspace_account a
  LEFT JOIN LATERAL (
        SELECT h.user_id AS id FROM workspace_holding h
         WHERE h.account_id = a.id AND h.role = 'manager' AND {ledger_sql.REACHES_FOR_GOOD}
           AND h.user_id IS DISTINCT FROM %(leaving)s
         ORDER BY h.team_id IS NOT NULL,
                  (SELECT max(r.at) FROM workspace_reveal r WHERE r.account_id = a.id AND r.user_id = h.user_id)
                  DESC NULLS LAST, h.since, h.user_id
         LIMIT 1) manager ON true
  LEFT JOIN LATERAL (
        SELECT r.user_id AS id FROM workspace_reveal r
         WHERE r.account_id = a.id AND manager.id IS NULL AND r.user_id IS DISTINCT FROM %(leaving)s AND EXISTS (
               SELECT FROM workspace_holding h
                WHERE h.account_id = r.account_id AND h.user_id = r.user_id AND {ledger_sql.REACHES_FOR_GOOD} OFFSET 0)
         ORDER BY r.at DESC LIMIT 1) recent ON true
  LEFT JOIN LATERAL (
        SELECT u.id FROM workspace_user u
         WHERE u.workspace_id = a.workspace_id AND u.role = 'owner' AND u.is_active AND u.expires_at IS NULL
           AND u.id IS DISTINCT FROM %(leaving)s
         ORDER BY u.created_at, u.id LIMIT 1) owner ON true
 WHERE a.id = ANY(%(accounts)s)
"""  # noqa: S608  # constants


def owned_alone(user: User) -> list[UUID]:
    """The accounts that nobody but this person owns. Whoever owns nothing costs one statement."""
    mine = ledger.owned_by(user)
    others = ledger.owned(mine, beside=user)
    return [account for account in mine if account not in others]


def open_orphans(workspace: Workspace | None) -> QuerySet[Orphan]:
    """The queue: of a workspace, or of all."""
    waiting = Orphan.objects.filter(settled_at=None)
    return waiting if workspace is None else waiting.for_workspace(workspace)


def suggest(account_ids: Collection[UUID], *, leaving: User | None = None) -> dict[UUID, Suggestion]:
    """Whom to make the Owner of each account, once `leaving` is gone.

    An account is missing from it where the workspace has no Owner either.
    """
    rows = _rows(_SUGGESTED, {"accounts": list(account_ids), "leaving": leaving.pk if leaving else None})
    found = {row[0]: (row[1], Why(row[2])) for row in rows if row[1]}
    people = User.objects.in_bulk({user_id for user_id, _ in found.values()})
    return {account: Suggestion(people[user_id], why) for account, (user_id, why) in found.items()}


def open_for(offboarding: Offboarding, accounts: Collection[UUID]) -> int:
    """Put what a leaver owned alone into the queue; how many."""
    return _open(
        offboarding.workspace, accounts, told_of=offboarding, offboarding_id=offboarding.pk,
        former_owner_id=offboarding.user_id,
    )  # fmt: skip


def find_lost() -> int:
    """Put into the queue what lost its only Owner lately by other ways than one departure; how many.

    Two departures side by side each leave an account to the other, and a team can be emptied.
    """
    rows = _rows(_LOST, {"since": timezone.now() - LOST_WITHIN})
    owned = ledger.owned([row[0] for row in rows])
    lost = [row for row in rows if row[0] not in owned]
    for workspace in Workspace.objects.filter(pk__in={row[1] for row in lost}):
        accounts = [row[0] for row in lost if row[1] == workspace.pk]
        _open(workspace, accounts, told_of=Account.objects.get(pk=accounts[0]))
    return len(lost)


def settle_owned() -> int:
    """Take off the queue what somebody owns again, or what was archived; how many."""
    waiting = list(Orphan.objects.filter(settled_at=None).select_related("account"))
    owned = ledger.owned([orphan.account_id for orphan in waiting])
    settled = [orphan for orphan in waiting if orphan.account_id in owned or orphan.account.archived_at]
    for outcome, rows in (
        (OrphanOutcome.ARCHIVED, [orphan for orphan in settled if orphan.account.archived_at]),
        (OrphanOutcome.OWNED_AGAIN, [orphan for orphan in settled if not orphan.account.archived_at]),
    ):
        still = Orphan.objects.filter(pk__in=[orphan.pk for orphan in rows], settled_at=None)
        still.update(settled_at=timezone.now(), settled_by=SWEEP.to_json(), outcome=outcome)
    for workspace in Workspace.objects.filter(pk__in={orphan.workspace_id for orphan in settled}):
        _resolve_notices(workspace, [orphan for orphan in settled if orphan.workspace_id == workspace.pk])
    return len(settled)


def confirm(orphan: Orphan, successor: User, *, actor: Actor) -> None:
    """Make a person the Owner of an orphaned account; the suggestion or anybody else. As `confirm_many`."""
    confirm_many(orphan.workspace, {orphan.pk: successor.pk}, actor=actor)


@atomic()
def confirm_many(workspace: Workspace, successors: Mapping[UUID, UUID], *, actor: Actor) -> int:
    """Hand accounts over: `successors` maps orphans to people. All or nothing, in a fixed number of statements.

    Raises Refused when one of them was settled meanwhile or waits with a removal of many people, Invalid for a
    successor without access.
    """
    if not successors:
        return 0
    _check_successors(workspace, set(successors.values()))
    orphans = _lock(workspace, successors)
    pairs = [(orphan.account_id, successors[orphan.pk]) for orphan in orphans]
    _end_lesser_grants(pairs)
    bulk.insert(
        Grant, {"account_id": [account for account, _ in pairs], "user_id": [user for _, user in pairs]},
        workspace_id=workspace.pk, role=GrantRole.OWNER, granted_by=actor.to_json(),
    )  # fmt: skip
    _settle(orphans, successors, actor)
    details = {account: {"holder": str(user), "role": GrantRole.OWNER} for account, user in pairs}
    accounts = [orphan.account for orphan in orphans]
    audit.record_each(workspace, Verb.ORPHAN_HANDED_OVER, accounts, actor=actor, each=details)
    _resolve_notices(workspace, orphans)
    return len(orphans)


def _open(workspace: Workspace, accounts: Collection[UUID], *, told_of: Any, **shared: Any) -> int:
    if not accounts:
        return 0
    bulk.insert(Orphan, {"account_id": sorted(accounts)}, otherwise=bulk.IGNORE, workspace_id=workspace.pk, **shared)
    first = sorted(Account.objects.filter(pk__in=list(accounts)[:3]).values_list("name", flat=True))
    more = f" and {len(accounts) - 3} more" if len(accounts) > 3 else ""
    notices.tell(
        workspace, Notice.Kind.ORPHAN, told_of, summary=f"Without an Owner: {', '.join(first)}{more}.",
        accounts=len(accounts),
    )  # fmt: skip
    return len(accounts)


def _lock(workspace: Workspace, chosen: Collection[UUID]) -> list[Orphan]:
    rows = open_orphans(workspace).filter(pk__in=chosen).select_related("account", "offboarding__hold")
    orphans = list(rows.select_for_update(of=("self",)).order_by("pk"))
    if len(orphans) < len(chosen):
        raise Refused("Some of these accounts have an Owner by now. Look at the queue again.")
    if any(is_held(orphan) for orphan in orphans):
        raise Refused(
            "These accounts were left by a removal of many people that waits for an answer."
            " Confirm or call off the removal first."
        )
    return orphans


def is_held(orphan: Orphan) -> bool:
    """Whether it waits with a removal of many people. Needs `offboarding__hold` fetched."""
    hold = orphan.offboarding.hold if orphan.offboarding else None
    return hold is not None and hold.decided_at is None and hold.held_until > timezone.now()


def _check_successors(workspace: Workspace, people: set[UUID]) -> None:
    """Hold them against a departure that runs beside it, as `access.grant` does."""
    rows = User.objects.for_workspace(workspace).active().filter(pk__in=people)
    if len(rows.select_for_update(no_key=True).order_by("pk").values_list("pk")) < len(people):
        raise Invalid("An Owner must be an active person of this workspace.", field="successor")


def _end_lesser_grants(pairs: list[tuple[UUID, UUID]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE workspace_grant g SET ended_at = greatest(%s, g.granted_at), end_reason = %s"
            "  FROM unnest(%s::uuid[], %s::uuid[]) AS pair (account_id, user_id)"
            " WHERE g.account_id = pair.account_id AND g.user_id = pair.user_id AND g.ended_at IS NULL",
            [timezone.now(), HANDED_OVER, *map(list, zip(*pairs, strict=True))],
        )


def _settle(orphans: list[Orphan], successors: Mapping[UUID, UUID], actor: Actor) -> None:
    ids = [orphan.pk for orphan in orphans]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE rotation_orphan o SET successor_id = pair.user_id, settled_at = %s, settled_by = %s::jsonb,"
            " outcome = %s FROM unnest(%s::uuid[], %s::uuid[]) AS pair (id, user_id) WHERE o.id = pair.id",
            [
                timezone.now(), json.dumps(actor.to_json()), OrphanOutcome.HANDED_OVER, ids,
                [successors[pk] for pk in ids],
            ],
        )  # fmt: skip


def _resolve_notices(workspace: Workspace, settled: Iterable[Orphan]) -> None:
    """What was told of a departure is settled when nothing it left is in the queue."""
    subjects = {orphan.offboarding_id or orphan.account_id for orphan in settled}
    waiting = set(open_orphans(workspace).filter(offboarding__in=subjects).values_list("offboarding_id", flat=True))
    told = Notice.objects.for_workspace(workspace).open().filter(kind=Notice.Kind.ORPHAN)
    told.filter(subject_id__in=subjects - waiting).update(resolved_at=timezone.now())


def _rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
