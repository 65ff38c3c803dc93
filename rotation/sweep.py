"""What is looked for every few seconds, because the broker may lose everything and the rows are the truth."""

import logging
import time
from typing import Final

from rotation import jobs, risk, schedule, verification
from rotation.departures import access_losses, exposures, guests, orphans, returns, safeguard
from rotation.errands import each
from workspace import audit, directory
from workspace.models import Workspace
from workspace.sessions import SessionStore

logger = logging.getLogger(__name__)

UPKEEP_SECONDS: Final = 60.0


def once() -> None:
    """End what is past its time, settle what was lost, announce due rotations, want those that a lost race left out,
    chain new audit events, count people."""
    each(
        guests.end_expired, access_losses.settle_due, safeguard.time_out, risk.reopen_due, attend,
        jobs.resume_after_admin, jobs.announce_due, seal_audit, directory.settle,
        *([upkeep] if _turn.comes() else []),
    )  # fmt: skip


def upkeep() -> None:
    """What has time: the queue of orphans, who is in again, rotations on a schedule, checks of stored passwords, and
    sessions past their time."""
    each(
        orphans.settle_owned, orphans.find_lost, returns.close_in_again, schedule.begin_due, verification.enrol,
        verification.announce_due, SessionStore.clear_expired,
    )  # fmt: skip


def attend() -> int:
    """Want a rotation for each open exposure that nobody works on; how many accounts."""
    left_out = exposures.unattended()
    for workspace in Workspace.objects.filter(pk__in=left_out):
        jobs.want(workspace, left_out[workspace.pk], cause="An open exposure had no rotation")
    return sum(map(len, left_out.values()))


def seal_audit() -> None:
    for workspace in Workspace.objects.filter(pk__in=audit.unchained().values("workspace")):
        audit.seal(workspace)


class _Turn:
    """Comes at the first look and then once a minute."""

    def __init__(self) -> None:
        self._next = 0.0

    def comes(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + UPKEEP_SECONDS
        return True


_turn: Final = _Turn()
