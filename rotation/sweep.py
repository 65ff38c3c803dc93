"""What is looked for every few seconds, because the broker may lose everything and the rows are the truth."""

import logging

from rotation import exposures, jobs, orphans, safeguard
from workspace import audit
from workspace.models import Workspace

logger = logging.getLogger(__name__)


def once() -> None:
    """Announce due rotations, want what a lost race left out, keep the queue of orphans, chain new audit events."""
    safeguard.time_out()
    attend()
    jobs.resume_after_admin()
    jobs.announce_due()
    orphans.settle_owned()
    orphans.find_lost()
    seal_audit()


def attend() -> int:
    """Want a rotation for each open exposure that nobody works on; how many accounts."""
    accounts = {exposure.account_id: exposure.account for exposure in exposures.unattended()}
    for account in accounts.values():
        jobs.request(account.workspace, [account], cause="An open exposure had no rotation")
    return len(accounts)


def seal_audit() -> None:
    for workspace in Workspace.objects.filter(pk__in=audit.unchained().values("workspace")):
        audit.seal(workspace)
