"""The safeguard against a removal of many people that is a mistake: a wrong rule or an import at the identity provider.

Access ends at once, whatever their number. What is hard to undo (the rotations, handing accounts over) waits until an
Owner confirms it or the time is up, and can be called off. The time lies on the jobs themselves, so that nothing has
to run for it to be over.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from rotation import jobs, queue, wake
from rotation.models import Decision, Exposure, MassRemoval, Offboarding, RotationJob, RotationStep
from rotation.states import JobState
from workspace import audit, bulk, notices, statements
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, NotFound, Refused
from workspace.models import Notice, Workspace

SAFEGUARD: Final = Actor.system("safeguard")
_DECIDED: Final = {
    Decision.CONFIRMED: Verb.MASS_REMOVAL_CONFIRMED,
    Decision.CANCELLED: Verb.MASS_REMOVAL_CANCELLED,
    Decision.TIMED_OUT: Verb.MASS_REMOVAL_TIMED_OUT,
}
BESIDE: Final = 8
"""Departures that may be under way at the same moment, and that a count of what is committed misses."""

IS_QUIET: Final = """(
    NOT EXISTS (SELECT FROM rotation_massremoval WHERE workspace_id = %(workspace)s AND decided_at IS NULL)
    AND (SELECT count(*) FROM (SELECT FROM rotation_offboarding WHERE workspace_id = %(workspace)s
         AND started_at > %(since)s LIMIT %(others)s) AS recent) < %(others)s)"""
"""SQL: whether one departure more holds nothing, `others` of them since then being too few and no removal open."""


def is_quiet_with(workspace: Workspace) -> dict[str, Any]:
    """The values of IS_QUIET."""
    since = timezone.now() - timedelta(minutes=workspace.mass_removal_window_minutes)
    return {"workspace": workspace.pk, "since": since, "others": max(0, workspace.mass_removal_people - 1 - BESIDE)}


def hold(workspace: Workspace) -> MassRemoval | None:
    """What the departure that is being written holds with; None for an ordinary one.

    Asked after the person was deactivated and before anything is requested, so that departures which run beside each
    other wait for one another here, and nowhere in a circle; only where they may be too many together.
    """
    now = timezone.now()
    last = statements.one(MassRemoval, "WHERE workspace_id = %s ORDER BY opened_at DESC LIMIT 1", [workspace.pk])
    if last is not None and last.decided_at is None:
        if last.held_until > now:
            return last
        _time_out(last)
        last.refresh_from_db(fields=["decided_at"])
    since = now - timedelta(minutes=workspace.mass_removal_window_minutes)
    if last is not None and last.decided_at is not None:
        since = max(since, last.decided_at)
    if _people_if_too_many(workspace, _removed(workspace, since) + BESIDE) is None:
        return None
    statements.run(_ONE_AT_A_TIME, [str(workspace.pk)])
    removed = _removed(workspace, since)
    people = _people_if_too_many(workspace, removed)
    return None if people is None else _open(workspace, removed, people, since, now)


@atomic()
def confirm(removal: MassRemoval, *, actor: Actor) -> int:
    """These people were meant to leave: what was held goes on; how many rotations.

    Also after it was called off, for those who were not let in again. Raises Refused when it went on already.
    """
    removal = _lock(removal)
    if removal.decision not in {"", Decision.CANCELLED}:
        raise Refused("This was decided already; the rotations are under way.")
    called_off = removal.decision == Decision.CANCELLED
    _decide(removal, Decision.CONFIRMED, actor, timezone.now())
    return _rotate_after_all(removal) if called_off else _release(removal)


@atomic()
def cancel(removal: MassRemoval, *, actor: Actor) -> int:
    """It was a mistake: the rotations that nobody began are called off; how many.

    What the people could have known stays written down and open, until they are let in again (`returns.restore`) or
    the departures are confirmed after all. Raises Refused when it was decided, by people or by the time.
    """
    removal = _lock(removal)
    if removal.decision == Decision.CANCELLED:
        raise Refused("This was called off already.")
    if removal.decided_at is not None or removal.held_until <= timezone.now():
        raise Refused("It is too late to call this off: the rotations are under way.")
    _decide(removal, Decision.CANCELLED, actor, timezone.now())
    return _call_off(removal)


def time_out() -> int:
    """Write down which removals nobody decided about in time; how many. Their jobs are due without this."""
    late = MassRemoval.objects.filter(decided_at=None, held_until__lte=timezone.now())
    return sum(_time_out(removal) for removal in late)


def still_held(workspace: Workspace | None) -> QuerySet[MassRemoval]:
    """Those that wait for an answer: of a workspace, or of all."""
    waiting = MassRemoval.objects.filter(decided_at=None, held_until__gt=timezone.now())
    return waiting if workspace is None else waiting.for_workspace(workspace)


def answer(removal: MassRemoval, said: str, *, actor: Actor) -> int:
    """`confirm` or `cancel` by its name; how many rotations begin or are called off. Raises Invalid, Refused."""
    match said:
        case "confirm":
            return confirm(removal, actor=actor)
        case "cancel":
            return cancel(removal, actor=actor)
    raise Invalid("The answer is “confirm” or “cancel”.", field="answer")


def find(workspace: Workspace, removal_id: str | UUID) -> MassRemoval:
    """Raises NotFound."""
    try:
        return MassRemoval.objects.for_workspace(workspace).get(pk=removal_id)
    except (MassRemoval.DoesNotExist, ValidationError):
        raise NotFound("There is no such removal of many people.") from None


def listed(workspace: Workspace) -> QuerySet[MassRemoval]:
    """The workspace's, newest first, each with how many rotations it holds back (`held`)."""
    held = Count("jobs", filter=Q(jobs__held_until__isnull=False))
    return MassRemoval.objects.for_workspace(workspace).annotate(held=held).order_by("-opened_at")


def record(removal: Any) -> dict[str, Any]:
    """One of `listed`, for programs."""
    waits = removal.decided_at is None and removal.held_until > timezone.now()
    return {
        "id": removal.pk, "noticed_at": removal.opened_at, "removed": removal.removed, "people": removal.people,
        "state": removal.decision or ("waits" if waits else "went_on"), "held_until": removal.held_until,
        "rotations_held": removal.held, "answered_at": removal.decided_at,
    }  # fmt: skip


@atomic()
def _time_out(removal: MassRemoval) -> bool:
    removal = _lock(removal)
    if removal.decided_at is not None:
        return False
    _decide(removal, Decision.TIMED_OUT, SAFEGUARD, removal.held_until)
    _release(removal)
    return True


def _removed(workspace: Workspace, since: datetime) -> int:
    """How many left since then, with the one who is leaving."""
    return 1 + _count("rotation_offboarding WHERE workspace_id = %s AND started_at > %s", [workspace.pk, since])


def _people_if_too_many(workspace: Workspace, removed: int) -> int | None:
    """How many people there were, if `removed` of them are too many. Counts no further than it needs to."""
    percent = workspace.mass_removal_percent
    if removed < workspace.mass_removal_people:
        return None
    enough = removed * (100 - percent) // percent + 1 if percent else None
    active = "(SELECT FROM workspace_user WHERE workspace_id = %s AND is_active LIMIT %s) AS active"
    people = removed + _count(active, [workspace.pk, enough])
    return people if removed * 100 > percent * people else None


_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended('departures/' || %s, 0))"
"""Until its transaction ends, a workspace's other departures wait; what is asked next sees those before it."""


def _count(rows: str, params: list[Any]) -> int:
    """Every departure asks, so this composes no query. `rows` is a constant of the caller's, never input."""
    counted = statements.first(f"SELECT count(*) FROM {rows}", params)  # noqa: S608
    return 0 if counted is None else int(counted[0])


def _open(workspace: Workspace, removed: int, people: int, since: datetime, now: datetime) -> MassRemoval:
    """The workspace's open removal, old or new. A new one takes up the departures that led to it."""
    held_until = now + timedelta(minutes=workspace.mass_removal_hold_minutes)
    new = MassRemoval(workspace=workspace, removed=removed, people=people, opened_at=now, held_until=held_until)
    MassRemoval.objects.bulk_create([new], ignore_conflicts=True)
    removal = MassRemoval.objects.for_workspace(workspace).get(decided_at=None)
    if removal.pk == new.pk:
        _take_up(removal, since)
        audit.record(
            workspace, Verb.MASS_REMOVAL_HELD, removal, actor=SAFEGUARD, removed=removed, people=people,
            held_until=held_until.isoformat(),
        )  # fmt: skip
        _tell(removal)
    return removal


def _take_up(removal: MassRemoval, since: datetime) -> None:
    """Hold what the departures before this one set off and no worker has begun."""
    before = Offboarding.objects.filter(workspace_id=removal.workspace_id, started_at__gt=since, hold=None)
    Offboarding.objects.filter(pk__in=_locked(before.order_by("pk"))).update(hold=removal)
    waiting = RotationJob.objects.filter(
        workspace_id=removal.workspace_id, state=JobState.QUEUED, fence=0, requested_at__gt=since,
        cause__startswith=jobs.DEPARTURE,
    )  # fmt: skip
    ids = _locked(waiting.order_by("account"))
    RotationJob.objects.filter(pk__in=ids).update(hold=removal, held_until=removal.held_until)


def _locked(rows: QuerySet[Any]) -> list[UUID]:
    """The keys of rows, locked in their order."""
    return list(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _tell(removal: MassRemoval) -> None:
    workspace = removal.workspace
    notices.tell(
        workspace, Notice.Kind.MASS_REMOVAL, removal,
        summary=f"{removal.removed} of {removal.people} people were deactivated within"
        f" {workspace.mass_removal_window_minutes} minutes. Their access has ended; rotations wait for an Owner until"
        f" {removal.held_until:%H:%M} UTC.",
        removed=removal.removed, people=removal.people, held_until=removal.held_until,
    )  # fmt: skip


def _decide(removal: MassRemoval, decision: Decision, actor: Actor, at: datetime) -> None:
    removal.decision, removal.decided_at, removal.decided_by = decision, at, actor.to_json()
    removal.save(update_fields=["decision", "decided_at", "decided_by"])
    audit.record(removal.workspace, _DECIDED[decision], removal, actor=actor)
    notices.resolve(removal.workspace, Notice.Kind.MASS_REMOVAL, removal)


def _lock(removal: MassRemoval) -> MassRemoval:
    locked = MassRemoval.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    return locked.get(pk=removal.pk)


def _release(removal: MassRemoval) -> int:
    """Let the workers have what was held back; how many jobs."""
    held = RotationJob.objects.filter(hold=removal, held_until__isnull=False)
    held = RotationJob.objects.filter(pk__in=_locked(held.order_by("account")))
    ids = list(held.order_by(*queue.ORDER).values_list("pk", flat=True))
    held.update(held_until=None, woken_at=None)
    wake.on_commit(ids)
    return len(ids)


def _call_off(removal: MassRemoval) -> int:
    """Cancel what was held back and nobody has begun; how many jobs. A worker that has one just now loses it."""
    now = timezone.now()
    held = RotationJob.objects.filter(hold=removal, held_until__isnull=False, state=JobState.QUEUED)
    fences = dict(held.select_for_update(no_key=True).order_by("account").values_list("pk", "fence"))
    bulk.insert(
        RotationStep, {"job_id": list(fences), "fence": list(fences.values())}, workspace_id=removal.workspace_id,
        from_state=JobState.QUEUED, to_state=JobState.CANCELLED, note="the departures were called off", at=now,
    )  # fmt: skip
    cancelled = RotationJob.objects.filter(pk__in=fences)
    cancelled.update(state=JobState.CANCELLED, finished_at=now, held_until=None, fence=F("fence") + 1)
    return len(fences)


def _rotate_after_all(removal: MassRemoval) -> int:
    exposed = Exposure.objects.open().filter(offboarding__hold=removal)
    accounts = set(exposed.values_list("account_id", flat=True))
    jobs.want(removal.workspace, accounts, cause=f"{jobs.DEPARTURE}confirmed after all")
    return len(accounts)
