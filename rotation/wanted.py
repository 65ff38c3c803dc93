"""Which accounts are to be rotated: one live job for each, in as many statements for one account as for thousands."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from psycopg.types.json import Jsonb

from rotation import targets, wake
from rotation.models import MassRemoval
from workspace import bulk, statements
from workspace.models import Workspace

PRIVILEGED, ORDINARY, ROUTINE = 0, 1, 2
"""How urgent a job is, before the number of its exposures and its age."""

_TARGETS: Final = """
SELECT DISTINCT connector, target::text FROM workspace_account WHERE id = ANY(%(accounts)s::uuid[])
"""

# A job under way takes over what its account's open exposures ask for. Their number is looked up for each account: with
# 10,000 just written, and statistics from before, a join would compare all with all.
_WRITE: Final = f"""
WITH written AS (
INSERT INTO rotation_rotationjob AS j (
    id, workspace_id, account_id, cause, state, resume_state, priority, exposures, target, requested_at,
    next_attempt_at, leased_by, fence, failures, policy_refusals, failure_code, failure_detail, hold_id, held_until,
    sessions_closed, follow_ups)
SELECT {bulk.NEXT_KEY}, %(workspace)s, a.id, %(cause)s, 'queued', '',
       CASE WHEN %(routine)s AND e.number = 0 THEN {ROUTINE} WHEN a.is_privileged THEN {PRIVILEGED} ELSE {ORDINARY} END,
       e.number,
       coalesce(%(targets)s::jsonb ->> (a.connector || ' ' || a.target::text), ''), %(now)s,
       %(now)s, '', 0, 0, 0, '', '', %(hold)s::uuid, %(held_until)s::timestamptz, 0, '[]'
  FROM unnest(%(accounts)s::uuid[]) AS wanted (id)
  JOIN workspace_account a ON a.id = wanted.id AND a.workspace_id = %(workspace)s
 CROSS JOIN LATERAL (SELECT count(*) AS number FROM rotation_exposure x
                      WHERE x.account_id = a.id AND x.closed_at IS NULL) e
 ORDER BY a.id
ON CONFLICT (account_id) WHERE state NOT IN ('done', 'cancelled') DO UPDATE
   SET exposures = excluded.exposures, priority = least(j.priority, excluded.priority)
 WHERE excluded.exposures > 0 AND (j.exposures <> excluded.exposures OR j.priority > excluded.priority)
RETURNING j.id, j.priority, j.exposures, j.requested_at, j.xmax = 0 AS is_new)
SELECT count(*) FILTER (WHERE is_new),
       (array_agg(id ORDER BY priority, exposures DESC, requested_at) FILTER (WHERE is_new))[1:{wake.AT_ONCE}]
  FROM written
"""  # noqa: S608  # constants

_MOST_URGENT: Final = """
SELECT id FROM rotation_rotationjob
 WHERE account_id = ANY(%(accounts)s::uuid[]) AND state NOT IN ('done', 'cancelled') AND held_until IS NULL
 ORDER BY priority, exposures DESC, requested_at LIMIT %(number)s
"""

_END_HOLDS: Final = """
UPDATE rotation_rotationjob SET hold_id = NULL, held_until = NULL
 WHERE account_id = ANY(%(accounts)s::uuid[]) AND held_until IS NOT NULL AND state NOT IN ('done', 'cancelled')
"""


@dataclass(frozen=True)
class Written:
    """Whether all jobs are new, and the most urgent of those that a worker may take."""

    are_new: bool
    to_wake: list[UUID]


def write(
    workspace: Workspace, account_ids: Collection[UUID], *, cause: str, routine: bool, hold: MassRemoval | None
) -> Written:
    """A live job for each of these accounts, as urgent as its open exposures; one that exists already stays.

    New ones wait with the `hold`; without one, those that waited do not any more.
    """
    if not account_ids:
        return Written(True, [])
    accounts = statements.array(account_ids)
    values: dict[str, Any] = {
        "first_key": bulk.first_key(), "workspace": workspace.pk, "accounts": accounts, "cause": cause[:200],
        "routine": routine, "now": timezone.now(), "targets": Jsonb(_keys(accounts)),
        "hold": hold.pk if hold else None, "held_until": hold.held_until if hold else None,
    }  # fmt: skip
    new, first = statements.rows(_WRITE, values)[0]
    if new == len(account_ids):
        return Written(True, first if hold is None else [])
    if hold is None:
        statements.run(_END_HOLDS, {"accounts": accounts})
    found = statements.rows(_MOST_URGENT, {"accounts": accounts, "number": wake.AT_ONCE})
    return Written(False, [row[0] for row in found])


def _keys(accounts: str) -> dict[str, str]:
    """The key of each target that the accounts name, by connector and address; many accounts share one."""
    named = statements.rows(_TARGETS, {"accounts": accounts})
    return {f"{connector} {target}": targets.key(connector, json.loads(target)) for connector, target in named}
