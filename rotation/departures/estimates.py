"""How long rotations take, judged by those that were done: of the same kind on the same host, else of the same kind."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from workspace.models import Workspace

CONSIDERED: Final = timedelta(days=180)


@dataclass(frozen=True)
class Pace:
    """The median of past rotations, in seconds, and of how many it is."""

    seconds: float
    rotations: int


# Rotations that were held back tell nothing of how long one takes.
_PACES: Final = """
WITH past AS (
    SELECT a.connector, coalesce(a.target->>'host', '') AS host,
           extract(epoch FROM j.finished_at - j.requested_at) AS seconds
      FROM rotation_rotationjob j JOIN workspace_account a ON a.id = j.account_id
     WHERE j.workspace_id = %(workspace)s AND j.state = 'done' AND j.hold_id IS NULL AND j.finished_at > %(since)s
), pace AS (
    SELECT connector, host, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds, count(*) AS rotations
      FROM past GROUP BY GROUPING SETS ((connector, host), (connector))
)
SELECT DISTINCT ON (a.id) a.id, pace.seconds, pace.rotations
  FROM workspace_account a JOIN pace ON pace.connector = a.connector
   AND (pace.host IS NULL OR pace.host = coalesce(a.target->>'host', ''))
 WHERE a.id = ANY(%(accounts)s) ORDER BY a.id, pace.host NULLS LAST
"""


def paces(workspace: Workspace, account_ids: Collection[UUID]) -> dict[UUID, Pace]:
    """The pace of each account's rotation, in one statement. An account is missing from it without any history."""
    since = timezone.now() - CONSIDERED
    values: dict[str, Any] = {"workspace": workspace.pk, "accounts": list(account_ids), "since": since}
    with connection.cursor() as cursor:
        cursor.execute(_PACES, values)
        return {row[0]: Pace(float(row[1]), row[2]) for row in cursor.fetchall()}


def together(paces: Collection[Pace]) -> timedelta | None:
    """How long these rotations take beside each other on one worker; None without any."""
    if not paces:
        return None
    seconds = [pace.seconds for pace in paces]
    return timedelta(seconds=max(max(seconds), sum(seconds) / settings.CELERY_WORKER_CONCURRENCY))
