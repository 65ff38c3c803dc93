"""People who come back. Their grants stay ended, and are offered as a set that somebody who may share gives back.

Teams are not part of it: those that the identity provider pushes come with its next push, and a team made here gets
its member on the team's page. Nor are role and password: who comes back comes back as a Member, and is invited anew.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone

from rotation.departures.standing import Tally, with_tally
from rotation.models import Decision, Exposure, MassRemoval, Offboarding, Outcome
from workspace import access, audit, bulk, people
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import Account, Grant, User, Workspace
from workspace.vault import ledger_sql

SWEEP: Final = Actor.system("sweep")


@dataclass(frozen=True)
class Offer:
    """A grant that ended with a departure and could be given back as it was."""

    account_id: UUID
    user_id: UUID
    role: str
    expires_at: datetime | None


# What ended with a departure, of accounts that are still there and that the person does not hold now.
_OFFERED: Final = f"""
WITH gone AS (
    SELECT user_id, started_at AS left_at FROM rotation_offboarding WHERE id = ANY(%(offboardings)s))
{ledger_sql.ENDED_WITH_DEPARTURE}
"""  # noqa: S608  # constants

# Exposures of departures that were called off, whose person has access again and reaches the account.
_IN_AGAIN: Final = """
WITH closing AS (
SELECT e.id, o.id AS offboarding_id
  FROM rotation_exposure e JOIN rotation_offboarding o ON o.id = e.offboarding_id
  JOIN rotation_massremoval r ON r.id = o.hold_id AND r.decision = %(cancelled)s
 WHERE e.closed_at IS NULL AND EXISTS (
       SELECT FROM workspace_holding h
        WHERE h.account_id = e.account_id AND h.user_id = o.user_id AND h.reaches OFFSET 0)
 ORDER BY e.id FOR UPDATE OF e)
UPDATE rotation_exposure e SET closed_at = %(now)s, outcome = %(outcome)s FROM closing WHERE closing.id = e.id
RETURNING closing.offboarding_id
"""

_COMPLETE: Final = """
WITH closed AS (
SELECT o.id FROM rotation_offboarding o
 WHERE o.id = ANY(%(offboardings)s) AND o.completed_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM rotation_exposure e WHERE e.offboarding_id = o.id AND e.closed_at IS NULL)
 ORDER BY o.id FOR NO KEY UPDATE)
UPDATE rotation_offboarding o SET completed_at = %(now)s FROM closed WHERE closed.id = o.id RETURNING o.id
"""


def offered(user: User) -> list[Offer]:
    """What ended with the person's last departure and could be given back, by the accounts' names."""
    last = Offboarding.objects.filter(user=user).order_by("-started_at").first()
    return _offers([last.pk]) if last is not None else []


@atomic()
def restore(user: User, account_ids: Collection[UUID], *, actor: Actor) -> int:
    """Give a person who is back what they had on these accounts; how many grants.

    Raises Refused for a person without access or an actor who may not share, Invalid for what is not offered.
    """
    user = people.lock(user)
    if not user.has_access:
        raise Refused(f"{user.user_name} has no access. Reactivate the person first, or give a guest more time.")
    chosen = [offer for offer in offered(user) if offer.account_id in set(account_ids)]
    if len(chosen) < len(set(account_ids)):
        raise Invalid("Some of this was given back meanwhile, or is not there any more. Look at the list again.")
    _check_may_share(actor, account_ids)
    number = _give_back(_workspace_of(user), chosen, actor)
    close_in_again()
    return number


@atomic()
def let_in_again(removal: MassRemoval, user_ids: Collection[UUID], *, actor: Actor) -> int:
    """A removal was a mistake: let these people in and give back what they had, in one act; how many people.

    A fixed number of statements. Raises Refused unless the removal was called off.
    """
    rows = MassRemoval.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    removal = rows.get(pk=removal.pk)
    if removal.decision != Decision.CANCELLED:
        raise Refused("Call the removal off first.")
    mine = Offboarding.objects.filter(hold=removal, user__in=user_ids)
    back = people.reactivate_each(removal.workspace, mine.values_list("user_id", flat=True), actor=actor)
    last = mine.filter(user__in=back).values_list("pk", flat=True)
    _give_back(removal.workspace, _offers(list(last)), actor)
    close_in_again()
    return len(back)


def close_in_again() -> int:
    """Close what was left open when a removal was called off, of those who reach the accounts again; how many."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_IN_AGAIN, {"now": now, "outcome": Outcome.RESTORED, "cancelled": Decision.CANCELLED})
        touched = [row[0] for row in cursor.fetchall()]
        if touched:
            cursor.execute(_COMPLETE, {"now": now, "offboardings": touched})
            _record_completed([row[0] for row in cursor.fetchall()])
    return len(touched)


def left_open(removal: MassRemoval) -> int:
    """How many passwords of a called-off removal are known to people who do not reach these accounts again."""
    return Exposure.objects.open().filter(offboarding__hold=removal).count()


def _offers(offboardings: Collection[UUID]) -> list[Offer]:
    with connection.cursor() as cursor:
        cursor.execute(_OFFERED, {"offboardings": list(offboardings)})
        return [Offer(*row) for row in cursor.fetchall()]


def _give_back(workspace: Workspace, offers: Collection[Offer], actor: Actor) -> int:
    each: dict[str, list[Any]] = {
        "account_id": [offer.account_id for offer in offers],
        "user_id": [offer.user_id for offer in offers],
        "role": [offer.role for offer in offers],
        "expires_at": [offer.expires_at for offer in offers],
    }
    given = bulk.insert(
        Grant, each, otherwise=bulk.IGNORE, workspace_id=workspace.pk, granted_by=actor.to_json()
    )
    by_person: dict[UUID, list[str]] = {}
    for offer in offers:
        by_person.setdefault(offer.user_id, []).append(str(offer.account_id))
    restored = User.objects.filter(pk__in=by_person)
    details = {user_id: {"accounts": accounts} for user_id, accounts in by_person.items()}
    audit.record_each(workspace, Verb.PERSON_GRANTS_RESTORED, restored, actor=actor, each=details)
    return given


def _check_may_share(actor: Actor, account_ids: Collection[UUID]) -> None:
    """Raises Refused for a person who neither owns the workspace nor owns or manages each of the accounts."""
    if actor.kind in {"command", "system"}:
        return
    sharer = User.objects.filter(pk=actor.id).first() if actor.kind == "person" and actor.id else None
    if sharer is None or not set(account_ids) <= access.shareable(sharer, account_ids):
        raise Refused("Only Owners of the workspace, and Owners and Managers of an account, may share it.")


def _workspace_of(user: User) -> Workspace:
    if user.workspace is None:
        raise Refused("Platform staff belong to no workspace.")
    return user.workspace


def _record_completed(offboardings: Iterable[UUID]) -> None:
    rows = Offboarding.objects.filter(pk__in=list(offboardings)).select_related("workspace").order_by("pk")
    by_workspace: dict[Workspace, list[Any]] = {}
    for row in with_tally(rows):
        by_workspace.setdefault(row.workspace, []).append(row)
    for workspace, done in by_workspace.items():
        details = {row.pk: {"person": str(row.user_id), **Tally.read(row.tally).counts()} for row in done}
        audit.record_each(workspace, Verb.OFFBOARDING_COMPLETED, done, actor=SWEEP, each=details)


def accounts_of(offers: Iterable[Offer]) -> dict[UUID, Account]:
    """The accounts that are offered, by id."""
    return Account.objects.in_bulk([offer.account_id for offer in offers])
