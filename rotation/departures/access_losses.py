"""Settling access losses: people who stay and can have known a password that they do not reach any more.

The verb that ended their access wrote the loss down (`workspace.vault.losses`). The sweep settles it soon after: who of
them could have known a password that they no longer reach, which of these the workspace's policy rotates. The ledger
keeps the past, so the answer is the same as it was in the act; and whoever is given the access back in between, as some
providers do when they rewrite a group, sets off nothing. Whoever leaves altogether in between has an offboarding, which
covers it.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from rotation import jobs
from rotation.departures import exposures
from rotation.models import AccessLoss, Exposure
from workspace import access, audit
from workspace.access import Knowledge
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.models import RotationPolicy
from workspace.vault import ledger

SWEEP: Final = Actor.system("sweep")
AT_ONCE: Final = 100


def settle_due() -> int:
    """Settle what was lost a while ago; how many losses. One that fails does not hold up the others."""
    before = timezone.now() - timedelta(seconds=settings.ACCESS_LOSS_SECONDS)
    due = AccessLoss.objects.filter(settled_at=None, at__lte=before).order_by("at")
    return sum(settle(pk) for pk in due.values_list("pk", flat=True)[:AT_ONCE])


@atomic()
def settle(loss_id: UUID) -> bool:
    """Open the exposures that come of a loss, and want their rotations. Without any the loss is forgotten."""
    rows = AccessLoss.objects.select_for_update(skip_locked=True, of=("self",))
    loss = rows.select_related("workspace", "grant", "team").filter(pk=loss_id, settled_at=None).first()
    if loss is None:
        return False
    lost = _rotating(loss)
    if not lost:
        loss.delete()
        return True
    loss.settled_at = timezone.now()
    loss.save(update_fields=["settled_at"])
    exposures.write(
        [item for _, item in lost], user_id=[person for person, _ in lost], workspace_id=loss.workspace_id,
        loss_id=loss.pk, opened_at=loss.at,
    )  # fmt: skip
    accounts = {item.account_id for _, item in lost}
    jobs.want(loss.workspace, accounts, cause=str(loss))
    audit.record(
        loss.workspace, Verb.ACCESS_LOST, loss, actor=SWEEP, kind=loss.kind, people=len({person for person, _ in lost}),
        exposures=len(lost), rotations=len(accounts),
    )  # fmt: skip
    return True


def _rotating(loss: AccessLoss) -> list[tuple[UUID, Knowledge]]:
    """Whom the loss left with which knowledge that is to change, without what is open of them already."""
    policy = RotationPolicy(loss.workspace.rotate_on_access_loss)
    lost = access.known_and_out_of_reach(_people(loss), _accounts(loss))
    wanted = [(person, item) for person, item in lost if exposures.rotates(policy, item)]
    found = Exposure.objects.open().filter(user__in={person for person, _ in wanted}) if wanted else None
    already = set(found.values_list("user_id", "version_id")) if found is not None else set()
    return [(person, item) for person, item in wanted if (person, item.version_id) not in already]


def _people(loss: AccessLoss) -> list[UUID]:
    """Those named; else the holder of the grant, or everybody in the team that held it at the time."""
    if loss.people or loss.grant is None:
        return loss.people
    return ledger.holders_when_lost(loss.grant, loss.at)


def _accounts(loss: AccessLoss) -> list[UUID]:
    if loss.grant is not None:
        return [loss.grant.account_id]
    return ledger.ever_given(loss.team) if loss.team is not None else []
