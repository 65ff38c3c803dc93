"""Each workspace's audit chain is walked once a day without being asked; a broken one is told of."""

from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace import notices, statements
from workspace.audit import chain
from workspace.db.unit_of_work import atomic
from workspace.models import AuditWalk, Notice, Workspace

EVERY: Final = timedelta(days=1)

_CLAIM: Final = """
INSERT INTO workspace_auditwalk AS walk (id, workspace_id, walked_at) VALUES (%s, %s, %s)
    ON CONFLICT (workspace_id) DO UPDATE SET walked_at = excluded.walked_at WHERE walk.walked_at <= %s
RETURNING id
"""


def walk_next() -> Workspace | None:
    """Verify the chain of one workspace whose walk is due; None when there is none. One walker a workspace and day."""
    now = timezone.now()
    lately = AuditWalk.objects.filter(workspace=OuterRef("pk"), walked_at__gt=now - EVERY)
    workspace = Workspace.objects.filter(~Exists(lately)).order_by("pk").first()
    if workspace is None or not statements.first(_CLAIM, [uuid7(), workspace.pk, now, now - EVERY]):
        return None
    note(workspace, chain.verify(workspace))
    return workspace


@atomic()
def note(workspace: Workspace, broken: chain.Broken | None) -> None:
    """Keep what a walk found, and tell of a chain that does not hold."""
    AuditWalk.objects.filter(workspace=workspace).update(broken_at_event=broken.event if broken else None)
    if broken is None:
        notices.resolve(workspace, Notice.Kind.AUDIT_BROKEN, workspace)
        return
    notices.tell(
        workspace, Notice.Kind.AUDIT_BROKEN, workspace, event=broken.event,
        summary=f"The audit chain is broken at event {broken.event}: {broken.why}. Call support.",
    )  # fmt: skip
