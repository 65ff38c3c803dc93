"""Verbs on exposures: opened by a departure, closed by proof; the last one to close completes the offboarding."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from rotation.models import Decision, Exposure, ExposureQuerySet, Offboarding, Outcome, RotationJob
from workspace import audit, bulk
from workspace.access import Knowledge
from workspace.audit import Actor
from workspace.models import Reveal, RotationPolicy, SecretVersion
from workspace.transactions import atomic


def open_for(offboarding: Offboarding, known: Collection[Knowledge]) -> list[Knowledge]:
    """One exposure for each account the person could have known; those the policy rotates are returned.

    What the policy leaves alone is written down as left, and closed: it is an exception to show, not work to do.
    """
    now = timezone.now()
    policy = RotationPolicy(offboarding.workspace.rotation_policy)
    rotating = [item for item in known if rotates(policy, item)]
    chosen = {item.account_id for item in rotating}
    write(
        known, workspace_id=offboarding.workspace_id, offboarding_id=offboarding.pk, user_id=offboarding.user_id,
        opened_at=now,
        closed_at=[None if item.account_id in chosen else now for item in known],
        outcome=["" if item.account_id in chosen else Outcome.LEFT_BY_POLICY.value for item in known],
    )  # fmt: skip
    return rotating


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
    known = Q(visible_from__isnull=False) | Exists(Reveal.objects.filter(version=OuterRef("pk")))
    alive = SecretVersion.objects.filter(
        known, account_id=OuterRef("account_id"), proved_dead_at=None, number__lte=OuterRef("version__number")
    )
    dead = Exposure.objects.unended().filter(account_id=job.account_id).exclude(Exists(alive))
    return _close(dead, Outcome.PROVED_DEAD, job, actor)


@atomic()
def close_changed_by_hand(job: RotationJob, new: SecretVersion, *, actor: Actor) -> int:
    """Close the exposures of the job's account on a person's word that `new` replaced what was known; how many."""
    known_before = Exposure.objects.unended().filter(account_id=job.account_id, version__number__lt=new.number)
    return _close(known_before, Outcome.CHANGED_BY_HAND, job, actor)


@atomic()
def close_on_targets_word(job: RotationJob, new: SecretVersion, *, reason: str, actor: Actor) -> int:
    """Close the exposures of the job's account where a person takes the target's word that `new` is in force."""
    known_before = Exposure.objects.unended().filter(account_id=job.account_id, version__number__lt=new.number)
    accepted = {"accepted_by": actor.to_json(), "accepted_until": None, "accepted_reason": reason[:300]}
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
    Offboarding.objects.select_for_update(no_key=True).get(pk=offboarding.pk)
    if offboarding.exposures.open().exists():
        return False
    now = timezone.now()
    if Offboarding.objects.filter(pk=offboarding.pk, completed_at=None).update(completed_at=now):
        record_completed(offboarding, actor=actor)
    return True


def record_completed(offboarding: Offboarding, *, actor: Actor) -> None:
    """Append to the audit trail that nothing of an offboarding is open any more."""
    audit.record(
        offboarding.workspace, "offboarding.completed", offboarding, actor=actor, person=str(offboarding.user_id)
    )


def unattended() -> list[Exposure]:
    """Open exposures of accounts that no live job works on, as a lost race would leave them.

    Those of a removal of many people that was called off wait for an Owner: in again, or rotated after all.
    """
    live = RotationJob.objects.live().filter(account_id=OuterRef("account_id"))
    wanted = Exposure.objects.open().exclude(offboarding__hold__decision=Decision.CANCELLED)
    return list(wanted.exclude(Exists(live)).select_related("account", "workspace").order_by(F("opened_at")))


def _close(closing: ExposureQuerySet, outcome: Outcome, job: RotationJob, actor: Actor, **more: Any) -> int:
    rows = list(closing.select_for_update(of=("self",)).values_list("pk", "offboarding_id"))
    closed = Exposure.objects.filter(pk__in=[pk for pk, _ in rows])
    closed.update(closed_at=timezone.now(), outcome=outcome, closed_by=job, **more)
    offboardings = Offboarding.objects.filter(pk__in={offboarding for _, offboarding in rows if offboarding})
    for offboarding in offboardings.select_related("workspace").order_by("pk"):
        complete_if_closed(offboarding, actor=actor)
    return len(rows)


def rotates(policy: RotationPolicy, item: Knowledge) -> bool:
    """Whether a departure under this policy changes the password of the account that was known."""
    match policy:
        case RotationPolicy.PRIVILEGED:
            return item.is_privileged
        case RotationPolicy.ALL:
            return True
        case RotationPolicy.REVEALED:
            return item.revealed_at is not None
        case RotationPolicy.NONE:
            return False
