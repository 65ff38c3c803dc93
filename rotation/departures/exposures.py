"""Verbs on exposures: opened by a departure, closed by proof; the last one to close completes the offboarding."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from rotation.departures.standing import Tally, with_tally
from rotation.models import Decision, Exposure, ExposureQuerySet, Offboarding, Outcome, RotationJob
from workspace import access, audit, bulk, statements
from workspace.access import Knowledge
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.models import Account, RotationPolicy, SecretVersion


class Also(StrEnum):
    """What a departure changes beside what the workspace's policy changes."""

    NOTHING = ""
    LOOKED_AT = "looked_at"
    EVERYTHING = "all"


# What the policy leaves alone is written down as left, and closed: it is an exception to show, not work to do.
_OPEN: Final = f"""
WITH written AS (
INSERT INTO rotation_exposure (
    id, workspace_id, offboarding_id, user_id, account_id, version_id, known_since, revealed_at, opened_at, closed_at,
    outcome, accepted_reason)
SELECT {bulk.NEXT_KEY}, %(workspace)s, %(offboarding)s, known.user_id, known.account_id, known.version_id, known.since,
       known.revealed_at, %(now)s, CASE WHEN rotates THEN NULL ELSE %(now)s::timestamptz END,
       CASE WHEN rotates THEN '' ELSE 'left_by_policy' END, ''
  FROM ({access.COULD_HAVE_KNOWN}) AS known (user_id, account_id, version_id, since, revealed_at, is_privileged)
 CROSS JOIN LATERAL (SELECT CASE %(policy)s WHEN 'privileged' THEN known.is_privileged WHEN 'all' THEN true
                            WHEN 'revealed' THEN known.revealed_at IS NOT NULL ELSE false END
                         OR %(also)s = 'all' OR %(also)s = 'looked_at' AND known.revealed_at IS NOT NULL
                           ) AS policy (rotates)
RETURNING account_id, closed_at IS NULL AS rotates, revealed_at IS NOT NULL AS looked_at)
SELECT count(*), array_agg(account_id ORDER BY account_id) FILTER (WHERE rotates),
       count(*) FILTER (WHERE NOT rotates AND looked_at) FROM written
"""  # noqa: S608  # constants


# Those of an account whose every version the person could have known is dead. What was left by policy counts no less
# when the account is changed later; its departure was over before.
_PROVED: Final = """
SELECT e.id, CASE WHEN e.outcome <> 'left_by_policy' THEN e.offboarding_id END
  FROM rotation_exposure e JOIN workspace_secretversion known ON known.id = e.version_id
 WHERE e.account_id = %s AND (e.closed_at IS NULL OR e.outcome IN ('risk_accepted', 'left_by_policy'))
   AND NOT EXISTS (
       SELECT 1 FROM workspace_secretversion v
        WHERE v.account_id = e.account_id AND v.proved_dead_at IS NULL AND v.number <= known.number
          AND (v.visible_from IS NOT NULL OR EXISTS (SELECT 1 FROM workspace_reveal r WHERE r.version_id = v.id)))
 ORDER BY e.id FOR UPDATE OF e
"""
_CLOSE: Final = "UPDATE rotation_exposure SET closed_at = %s, outcome = %s, closed_by_id = %s WHERE id = ANY(%s)"
_STILL_OPEN: Final = "SELECT 1 FROM rotation_exposure WHERE offboarding_id = %s AND closed_at IS NULL LIMIT 1"
_EXPOSED: Final = "SELECT 1 FROM rotation_exposure WHERE account_id = %s AND closed_at IS NULL LIMIT 1"


@dataclass(frozen=True)
class Opened:
    """How much a person could have known, which accounts change for it, and how many of the others they looked at."""

    known: int
    rotating: list[UUID]
    left_looked_at: int = 0

    @property
    def left(self) -> int:
        return self.known - len(self.rotating)


NOTHING: Final = Opened(0, [])


def open_for(offboarding: Offboarding, *, also: Also = Also.NOTHING) -> Opened:
    """One exposure for each account the person could have known, in one statement; before their access is ended."""
    policy = RotationPolicy(offboarding.workspace.rotation_policy)
    known, rotating, left_looked_at = statements.rows(_OPEN, {
        "first_key": bulk.first_key(), "workspace": offboarding.workspace_id, "offboarding": offboarding.pk,
        "users": [offboarding.user_id], "accounts": None, "now": timezone.now(), "policy": policy,
        "also": also.value,
    })[0]  # fmt: skip
    return Opened(known, rotating or [], left_looked_at)


def write(known: Collection[Knowledge], **columns: Any) -> int:
    """Write one exposure for each thing known, in one statement; how many. A column is a value, or a list of them."""
    each = {name: values for name, values in columns.items() if isinstance(values, list)}
    shared = {name: value for name, value in columns.items() if name not in each}
    what: dict[str, list[Any]] = {
        "account_id": [item.account_id for item in known],
        "version_id": [item.version_id for item in known],
        "known_since": [item.since for item in known],
        "revealed_at": [item.revealed_at for item in known],
    }
    return bulk.insert(Exposure, {**what, **each}, **shared)


@atomic()
def close_proved(job: RotationJob, *, actor: Actor) -> int:
    """Close the exposures of the job's account whose every version the person could have known is dead; how many."""
    rows = statements.rows(_PROVED, [job.account_id])
    return _end([(row[0], row[1]) for row in rows], Outcome.PROVED_DEAD, job, actor) if rows else 0


def is_exposed(account: Account) -> bool:
    """Whether an exposure of the account is open."""
    return statements.first(_EXPOSED, [account.pk]) is not None


@atomic()
def close_changed_by_hand(job: RotationJob, new: SecretVersion, *, actor: Actor) -> int:
    """Close the exposures of the job's account on a person's word that `new` replaced what was known; how many."""
    known_before = Exposure.objects.unended().filter(account_id=job.account_id, version__number__lt=new.number)
    return _close(known_before, Outcome.CHANGED_BY_HAND, job, actor)


@atomic()
def close_on_targets_word(job: RotationJob, *, actor: Actor, word: dict[str, Any] | None = None) -> int:
    """Close the exposures of the job's account to older versions than its candidate, as an exception of the person who
    took the target's word; how many. None where nobody did.

    `word` is `{"by": …, "reason": …}`, where it is given in this very unit of work; else it stands in a step.
    """
    word = word or job.steps.filter(facts__has_key="word").values_list("facts__word", flat=True).last()
    if word is None or job.candidate is None:
        return 0
    known_before = Exposure.objects.unended().filter(
        account_id=job.account_id, version__number__lt=job.candidate.number
    )
    accepted = {"accepted_by": word["by"], "accepted_until": None, "accepted_reason": word["reason"][:300]}
    return _close(known_before, Outcome.TARGETS_WORD, job, actor, **accepted)


@atomic()
def close_accepted(job: RotationJob, *, until: datetime, reason: str, actor: Actor) -> int:
    """Close the open exposures of the job's account until a date, on a person's word that the risk is borne."""
    still = Exposure.objects.open().filter(account_id=job.account_id)
    accepted = {"accepted_by": actor.to_json(), "accepted_until": until, "accepted_reason": reason[:300]}
    return _close(still, Outcome.RISK_ACCEPTED, job, actor, **accepted)


@atomic()
def complete_if_closed(offboarding: Offboarding, *, actor: Actor) -> bool:
    """Write the offboarding off as complete when nothing of it is open."""
    return _complete(offboarding.pk, actor)


def _complete(offboarding_id: UUID, actor: Actor) -> bool:
    statements.run("SELECT 1 FROM rotation_offboarding WHERE id = %s FOR NO KEY UPDATE", [offboarding_id])
    if statements.first(_STILL_OPEN, [offboarding_id]) is not None:
        return False
    now = timezone.now()
    if Offboarding.objects.filter(pk=offboarding_id, completed_at=None).update(completed_at=now):
        offboarding = with_tally(Offboarding.objects.select_related("workspace")).get(pk=offboarding_id)
        record_completed(offboarding, Tally.read(offboarding.tally), actor=actor)
    return True


def record_completed(offboarding: Offboarding, tally: Tally, *, actor: Actor) -> None:
    """Append to the audit trail that nothing of an offboarding is open any more, and what came of it."""
    audit.record(
        offboarding.workspace, Verb.OFFBOARDING_COMPLETED, offboarding, actor=actor, person=str(offboarding.user_id),
        **tally.counts(),
    )  # fmt: skip


def unattended() -> dict[UUID, set[UUID]]:
    """The accounts with open exposures that no live job works on, as a lost race would leave them, by workspace.

    Those of a removal of many people that was called off wait for an Owner: in again, or rotated after all.
    """
    live = RotationJob.objects.live().filter(account_id=OuterRef("account_id"))
    left_out = Exposure.objects.open().exclude(offboarding__hold__decision=Decision.CANCELLED).exclude(Exists(live))
    found: dict[UUID, set[UUID]] = {}
    for workspace_id, account_id in left_out.values_list("workspace_id", "account_id"):
        found.setdefault(workspace_id, set()).add(account_id)
    return found


def _close(closing: ExposureQuerySet, outcome: Outcome, job: RotationJob, actor: Actor, **more: Any) -> int:
    found = closing.select_for_update(of=("self",)).order_by("pk").values_list("pk", "offboarding_id", "outcome")
    rows = [(pk, None if was == Outcome.LEFT_BY_POLICY else departure) for pk, departure, was in found]
    if more:
        now = timezone.now()
        Exposure.objects.filter(pk__in=[pk for pk, _ in rows]).update(closed_at=now, outcome=outcome, **more)
    return _end(rows, outcome, job, actor)


def _end(rows: Sequence[tuple[UUID, UUID | None]], outcome: Outcome, job: RotationJob, actor: Actor) -> int:
    """Close these exposures, which the caller has locked, and complete the offboardings that they were last of."""
    statements.run(_CLOSE, [timezone.now(), outcome.value, job.pk, [pk for pk, _ in rows]])
    for offboarding_id in sorted({offboarding for _, offboarding in rows if offboarding}):
        _complete(offboarding_id, actor)
    return len(rows)


def rotates(policy: RotationPolicy, item: Knowledge, also: Also = Also.NOTHING) -> bool:
    """Whether a departure under this policy changes the password of the account that was known; as `_OPEN` has it."""
    if also == Also.EVERYTHING or (also == Also.LOOKED_AT and item.revealed_at is not None):
        return True
    match policy:
        case RotationPolicy.PRIVILEGED:
            return item.is_privileged
        case RotationPolicy.ALL:
            return True
        case RotationPolicy.REVEALED:
            return item.revealed_at is not None
        case RotationPolicy.NONE:
            return False
