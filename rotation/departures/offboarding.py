"""A person leaves: the one verb behind SCIM PATCH, PUT and DELETE, the admin's action and the command."""

from typing import Final

from rotation import jobs
from rotation.departures import exposures, orphans, safeguard
from rotation.departures.exposures import Also
from rotation.departures.previews import Preview, preview
from rotation.departures.standing import Tally
from rotation.models import Exposure, Offboarding
from workspace import access, audit, deactivation, people, statements
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import append, atomic
from workspace.errors import Refused
from workspace.models import User, Workspace
from workspace.models.people import HAS_ACCESS

__all__ = ["Also", "Preview", "offboard", "preview", "refuse_while_exposed"]

_FIRST_LOOK: Final = f"SELECT {access.HAD_ANY}, {safeguard.IS_QUIET}"


@atomic()
def offboard(user: User, *, actor: Actor, cause: str, also: Also = Also.NOTHING) -> Offboarding | None:
    """End a person's access now, write down what they could have known, and have it changed: what the workspace's
    policy changes, and `also` what it would leave as it is.

    One transaction; the number of statements does not depend on the number of accounts. A person whose access
    had ended before is left as they are: the offboarding of that time is returned, None if there never was one.
    With a removal of many people the rotations wait (`safeguard`); the end of access never does. Raises Refused for a
    person who acts and has no access any more, so that of two Owners who remove each other at once one stays.
    """
    user = _lock(user, actor)
    if not user.is_active:
        return Offboarding.objects.filter(user=user).order_by("-started_at").first()
    workspace = _workspace_of(user)
    offboarding = Offboarding(workspace=workspace, user=user, cause=cause[:200], actor=actor.to_json())
    had_any, is_quiet = _first_look(user, workspace)
    alone = orphans.owned_alone(user) if had_any else []
    opened = exposures.open_for(offboarding, also=also) if had_any else exposures.NOTHING
    deactivation.deactivate(user, actor=actor, reason=cause)
    offboarding.hold = hold = None if is_quiet else safeguard.hold(workspace)
    offboarding.started_at = user.deactivated_at or offboarding.started_at
    offboarding.completed_at = None if opened.known else offboarding.started_at  # nothing known leaves nothing to do
    if had_any:
        statements.insert(offboarding)
    else:
        append(offboarding)
    if opened.rotating:
        jobs.want(workspace, opened.rotating, cause=f"{jobs.DEPARTURE}{cause}", hold=hold)
    left_alone = orphans.open_for(offboarding, alone)
    audit.record(
        workspace, Verb.OFFBOARDING_STARTED, offboarding, actor=actor, person=str(user.pk), exposures=opened.known,
        rotations=len(opened.rotating), left=opened.left, left_looked_at=opened.left_looked_at, also=also.value,
        orphans=left_alone, hold=str(hold.pk) if hold else None,
    )  # fmt: skip
    if not opened.known:
        exposures.record_completed(offboarding, Tally(), actor=actor)
    elif not opened.rotating:
        exposures.complete_if_closed(offboarding, actor=actor)
    return offboarding


def refuse_while_exposed(user: User) -> None:
    """Raises Refused when a password this person could have known may still be alive."""
    left = Exposure.objects.open().filter(user=user).count()
    if left:
        raise Refused(
            f"{left} password(s) that {user.user_name} could have known are not proved dead yet."
            " Wait for the rotations, or say explicitly that the data shall go all the same."
        )


def _first_look(user: User, workspace: Workspace) -> tuple[bool, bool]:
    """Whether the person ever had an account, and whether few others left lately: what most departures have to ask."""
    found = statements.rows(_FIRST_LOOK, {"user": user.pk, **safeguard.is_quiet_with(workspace)})
    return found[0][0], found[0][1]


def _lock(user: User, actor: Actor) -> User:
    """The row of the person who leaves, locked, and in the same order for everybody that of the person who acts."""
    if actor.kind == "person" and actor.id != user.pk:
        both = statements.rows(_BOTH, [[user.pk, actor.id]])
        if not dict(both).get(actor.id, True):
            raise Refused("Your own access has ended meanwhile. Nothing was changed.")
    return people.lock(user)


_BOTH: Final = f"SELECT id, {HAS_ACCESS} FROM workspace_user WHERE id = ANY(%s) ORDER BY id FOR UPDATE"  # noqa: S608


def _workspace_of(user: User) -> Workspace:
    if user.workspace is None:
        raise Refused("Platform staff belong to no workspace and are not offboarded from one.")
    return user.workspace
