"""What a workspace's Owners should know: told inside the act that causes it, delivered by the sweep.

    notices.tell(workspace, Notice.Kind.ORPHAN, account, summary="Router has no owner any more.", former_owners=2)
    notices.resolve(workspace, Notice.Kind.ORPHAN, account)

A summary names accounts, teams and tokens, never a person (their data can be deleted, a sent mail cannot) and never a
secret. `facts` are ids, counts, times and names of attributes.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace.models import Notice, Workspace

SUMMARY_LENGTH: Final = 300
FOR_GOOD: Final = timedelta(days=36_500)
# After how long the same is told again although nobody settled it.
AGAIN_AFTER: Final[Mapping[str, timedelta]] = {
    Notice.Kind.ROTATION_NEEDS_HUMAN: timedelta(days=7),
    Notice.Kind.EXPOSURE_OPEN_LONG: timedelta(days=7),
    Notice.Kind.ORPHAN: timedelta(days=30),
    Notice.Kind.TOKEN_EXPIRING: timedelta(days=7),
    Notice.Kind.TOKEN_REFUSED: timedelta(days=1),
    Notice.Kind.MASS_REMOVAL: timedelta(hours=1),
    Notice.Kind.AUDIT_BROKEN: timedelta(days=1),
    Notice.Kind.CERTIFICATE_READY: FOR_GOOD,
    Notice.Kind.TEST: timedelta(0),
}

_TELL: Final = """
INSERT INTO workspace_notice (id, workspace_id, kind, subject_kind, subject_id, summary, facts, told_at)
SELECT %(id)s, %(workspace)s, %(kind)s, %(subject_kind)s, %(subject)s, %(summary)s, %(facts)s::jsonb, %(now)s
 WHERE NOT EXISTS (SELECT 1 FROM workspace_notice
                    WHERE workspace_id = %(workspace)s AND kind = %(kind)s AND subject_id = %(subject)s
                      AND resolved_at IS NULL AND told_at > %(since)s)
"""


def tell(workspace: Workspace, kind: Notice.Kind, subject: Any, *, summary: str, **facts: Any) -> None:
    """Append a notice about a row to the caller's transaction, unless the same is open already.

    One statement that waits for nobody. Raises TypeError for a fact that has no place in a message.
    """
    now = timezone.now()
    values = {
        "id": uuid7(), "workspace": workspace.pk, "kind": str(kind), "subject_kind": subject._meta.model_name,
        "subject": subject.pk, "summary": summary[:SUMMARY_LENGTH], "facts": json.dumps(facts, default=_plain),
        "now": now, "since": now - AGAIN_AFTER[kind],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_TELL, values)


def resolve(workspace: Workspace, kind: Notice.Kind, subject: Any) -> None:
    """What was told of is settled; should it come up again, it is told anew."""
    told = Notice.objects.for_workspace(workspace).open().filter(kind=kind, subject_id=subject.pk)
    told.update(resolved_at=timezone.now())


def _plain(value: Any) -> str:
    """What JSON does not know. A Secret has no form, so that none is sent by accident."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no fact of a notice.")
