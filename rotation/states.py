"""The states of a rotation and the one table of moves between them."""

from types import MappingProxyType
from typing import Final

from django.db import models


class JobState(models.TextChoices):
    """How far a rotation has come. Each is committed before the next thing is done to the target."""

    QUEUED = "queued", "Queued"
    PREPARED = "prepared", "New password sealed"
    APPLYING = "applying", "Being set on the target"
    APPLIED = "applied", "Set on the target"
    UNKNOWN = "unknown", "Answer lost; asking the target"
    NEW_OK = "new_ok", "New password accepted"
    PROMOTED = "promoted", "New password in use"
    OLD_DEAD = "old_dead", "Old password rejected"
    SESSIONS_CLOSED = "sessions_closed", "Sessions closed"
    DONE = "done", "Done"
    WAITING = "waiting", "Waiting to try again"
    NEEDS_HUMAN = "needs_human", "Needs a person"
    CANCELLED = "cancelled", "Cancelled"


FINISHED: Final = (JobState.DONE, JobState.CANCELLED)
_STOPS: Final = {JobState.WAITING, JobState.NEEDS_HUMAN}
STOPPED: Final = frozenset({*FINISHED, *_STOPS})
"""Where no worker has anything to do now."""

# From each state, what may follow. WAITING and NEEDS_HUMAN go back to the state they interrupted. A password that was
# in use and is rejected again (a failover that lost it, somebody else's change) is asked about like a lost answer.
MOVES: Final = MappingProxyType(
    {
        JobState.QUEUED: {JobState.PREPARED, JobState.CANCELLED} | _STOPS,
        JobState.PREPARED: {JobState.APPLYING} | _STOPS,
        JobState.APPLYING: {JobState.APPLIED, JobState.UNKNOWN, JobState.QUEUED} | _STOPS,
        JobState.APPLIED: {JobState.NEW_OK, JobState.UNKNOWN} | _STOPS,
        JobState.UNKNOWN: {JobState.NEW_OK, JobState.PREPARED} | _STOPS,
        JobState.NEW_OK: {JobState.PROMOTED} | _STOPS,
        JobState.PROMOTED: {JobState.OLD_DEAD, JobState.UNKNOWN} | _STOPS,
        JobState.OLD_DEAD: {JobState.SESSIONS_CLOSED} | _STOPS,
        JobState.SESSIONS_CLOSED: {JobState.DONE} | _STOPS,
        JobState.WAITING: set(JobState) - {JobState.WAITING},
        JobState.NEEDS_HUMAN: set(JobState) - {JobState.NEEDS_HUMAN},
        JobState.DONE: set(),
        JobState.CANCELLED: set(),
    }
)
