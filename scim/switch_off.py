"""Switching provisioning off: the tokens end at once, and what becomes of the people they managed is done beside that.

The row is the queue. A step is a transaction of its own that does a little and counts it, so that whoever is killed
loses nothing, and a message that is lost costs a minute.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from rotation import errands, wake
from rotation.departures import offboarding
from scim import tokens
from scim.models import People, ScimToken, SwitchOff
from workspace import audit, local
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused
from workspace.models import Role, User, Workspace

TASK: Final = "scim.switch_off"
CAUSE: Final = "Provisioning was switched off"
AT_ONCE: Final = 200
SLICE_SECONDS: Final = 10.0
"""After which a worker lets others have their turn."""


@dataclass(frozen=True)
class Affected:
    """Whom switching off concerns: `leave` would lose their access, `stay` are the Owners who keep it in any case."""

    people: int
    disabled: int
    teams: int
    tokens: int
    leave: int
    local: int
    stay: list[User]


def affected(workspace: Workspace, asking: User) -> Affected:
    managed = local.managed_people(workspace)
    active = User.objects.for_workspace(workspace).active()
    owners = active.filter(role=Role.OWNER)
    stay = owners.filter(provisioned_at=None) | owners.filter(pk=asking.pk)
    return Affected(
        people=managed.count(), disabled=managed.filter(is_active=False).count(),
        teams=local.managed_teams(workspace).count(), tokens=_valid(workspace).count(),
        leave=managed.filter(is_active=True).exclude(pk=asking.pk).count(),
        local=active.filter(provisioned_at=None).count(), stay=list(stay.order_by("user_name")),
    )  # fmt: skip


@atomic()
def start(workspace: Workspace, *, people: str, actor: Actor) -> SwitchOff:
    """End every token now, and have done with people and teams what `people` says (`models.People`).

    Raises Refused for anybody but an Owner of the workspace, since that Owner is who keeps access whatever happens;
    Conflict while an earlier switch-off is under way; Invalid for an unknown choice.
    """
    if people not in People.values:
        raise Invalid("Say what becomes of the people: " + ", ".join(People.values), field="people")
    tokens.lock_issuing(workspace)
    asking = _owner(workspace, actor)
    found = affected(workspace, asking)
    ended = list(ScimToken.objects.for_workspace(workspace).unrevoked().select_related("workspace"))
    for token in ended:
        tokens.revoke(token, actor=actor)
    started = SwitchOff.objects.create(
        workspace=workspace, people=people, actor=actor.to_json(), tokens=len(ended), total=_total(found, people),
        finished_at=timezone.now() if people == People.KEEP else None,
    )  # fmt: skip
    audit.record(workspace, Verb.PROVISIONING_SWITCHED_OFF, started, actor=actor, people=people, tokens=len(ended))
    if started.finished_at is None:
        wake.on_commit([started.pk], task=TASK)
    return started


def _owner(workspace: Workspace, actor: Actor) -> User:
    owners = User.objects.for_workspace(workspace).active().filter(role=Role.OWNER)
    found = owners.filter(pk=actor.id).first() if actor.kind == "person" and actor.id else None
    if found is None:
        raise Refused("An Owner of the workspace switches provisioning off; they keep their own access.")
    return found


def work(switch_off_id: UUID) -> None:
    """Go on for some seconds, then let the next message do so."""
    until = time.monotonic() + SLICE_SECONDS
    while step(switch_off_id):
        if time.monotonic() > until:
            wake.now([switch_off_id], task=TASK)
            return


@atomic()
def step(switch_off_id: UUID) -> bool:
    """Do a little; whether there may be more. Nothing for one that is finished, or that another worker has."""
    rows = SwitchOff.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("workspace")
    switch_off = rows.filter(pk=switch_off_id, finished_at=None).first()
    if switch_off is None:
        return False
    actor = _acting(switch_off)
    done = _advance(switch_off, actor)
    switch_off.done += done
    if not done:
        switch_off.finished_at = timezone.now()
        audit.record(
            switch_off.workspace, Verb.PROVISIONING_SWITCH_OFF_COMPLETED, switch_off, actor=actor, done=switch_off.done
        )
    switch_off.save(update_fields=["done", "finished_at"])
    return bool(done)


def _acting(switch_off: SwitchOff) -> Actor:
    """Who asked, as long as they have access: who has none any more removes nobody."""
    asked = Actor.from_json(switch_off.actor)
    if asked is not None and asked.id is not None:
        active = User.objects.for_workspace(switch_off.workspace).active()
        if active.filter(pk=asked.id).exists():
            return asked
    return Actor.system("switch-off")


@errands.errand
def resume() -> None:
    """Wake a worker for what is not finished: its message was lost, or the worker."""
    wake.now(_unfinished().values_list("pk", flat=True), task=TASK)


def _unfinished() -> QuerySet[SwitchOff]:
    return SwitchOff.objects.filter(finished_at=None)


def _advance(switch_off: SwitchOff, actor: Actor) -> int:
    """One departure, or some people or teams made local; how many."""
    workspace = switch_off.workspace
    if switch_off.people == People.DISABLE and (leaver := _next_to_leave(workspace, actor)) is not None:
        offboarding.offboard(leaver, actor=actor, cause=CAUSE)
        return 1
    taken = local.take_people(workspace, actor=actor, limit=AT_ONCE)
    return taken or local.take_teams(workspace, actor=actor, limit=AT_ONCE)


def _next_to_leave(workspace: Workspace, actor: Actor) -> User | None:
    """A managed person with access who is neither who asked for it nor the last Owner there is."""
    people = User.objects.for_workspace(workspace)
    owners = list(people.active().filter(role=Role.OWNER).values_list("pk", flat=True)[:2])
    stay: Iterable[UUID | None] = [actor.id, *(owners if len(owners) == 1 else [])]
    leaving = people.filter(is_active=True, provisioned_at__isnull=False).exclude(pk__in=[pk for pk in stay if pk])
    return leaving.order_by("pk").first()


def _total(found: Affected, people: str) -> int:
    if people == People.KEEP:
        return 0
    return found.people + found.teams + (found.leave if people == People.DISABLE else 0)


def _valid(workspace: Workspace) -> QuerySet[ScimToken]:
    return ScimToken.objects.for_workspace(workspace).valid()
