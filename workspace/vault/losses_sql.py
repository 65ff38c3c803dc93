"""The SQL of access losses."""

from typing import Final

from workspace.vault import ledger_sql

# Nothing is written when no account is concerned that the workspace's policy would change.
WRITE: Final = f"""
INSERT INTO rotation_accessloss (id, workspace_id, kind, team_id, grant_id, people, cause, actor, at)
SELECT %(id)s, %(workspace)s, %(kind)s, %(team)s, %(grant)s, %(people)s::uuid[], %(cause)s, %(actor)s::jsonb, %(at)s
 WHERE EXISTS (SELECT 1 FROM workspace_account a
                WHERE a.id IN ({ledger_sql.GIVEN}) AND (a.is_privileged OR NOT %(privileged_only)s))
"""  # noqa: S608  # constants
