"""The SQL of deactivation."""

from typing import Final

END_ACCESS: Final = """
WITH person AS (UPDATE workspace_user SET is_active = false, deactivated_at = %(now)s, deactivated_by = %(by)s,
                       role = %(role)s, password = %(password)s, attributes = %(attributes)s, updated_at = %(now)s
                 WHERE id = %(user)s),
     sessions AS (DELETE FROM workspace_session WHERE user_id = %(user)s RETURNING 1),
     api_keys AS (UPDATE workspace_apikey SET revoked_at = %(now)s
                   WHERE user_id = %(user)s AND revoked_at IS NULL RETURNING 1),
     memberships AS (UPDATE workspace_teammembership SET left_at = greatest(%(now)s, joined_at)
                      WHERE user_id = %(user)s AND left_at IS NULL RETURNING 1),
     grants AS (UPDATE workspace_grant SET ended_at = greatest(%(now)s, granted_at), end_reason = %(reason)s
                 WHERE user_id = %(user)s AND ended_at IS NULL RETURNING 1),
     second_factors AS (DELETE FROM workspace_totpdevice WHERE user_id = %(user)s RETURNING confirmed),
     recovery_codes AS (DELETE FROM workspace_recoverycode WHERE user_id = %(user)s RETURNING 1)
SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM api_keys), (SELECT count(*) FROM memberships),
       (SELECT count(*) FROM grants), (SELECT count(*) FROM second_factors WHERE confirmed)
"""
"""Save the disabled person and end whatever let them in, in one statement: how many of each kind ended."""
