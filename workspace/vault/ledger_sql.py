"""The SQL of the ledger: the view `workspace_holding`, and what is asked of it in statements of its own.

How to ask it: name people or accounts by constants, parameters or `= ANY(ARRAY(SELECT …))`. PostgreSQL pushes these
into both arms and finds the rows by their indexes. A column of another table it pushes into neither: such a question
stands in `LATERAL (… OFFSET 0)` or `EXISTS (… OFFSET 0)`, which asks anew for each row. A column that is not asked for
costs no join.
"""

from typing import Final

# An own grant is a span; a team's grant is one for each membership that it overlaps. What is written as an end may be
# dated by any machine's clock and counts as soon as it is written; what ends by itself goes by the database's clock.
VIEW: Final = """
CREATE VIEW workspace_holding WITH (security_invoker = true) AS
SELECT g.workspace_id, g.account_id, p.id AS user_id, g.id AS grant_id, NULL::uuid AS team_id, g.role, g.end_reason,
       g.granted_at AS since, g.ended_at AS grant_ended_at, g.expires_at AS grant_expires_at,
       NULL::timestamptz AS left_at,
       least(g.ended_at, CASE WHEN NOT p.is_active THEN p.deactivated_at END) AS ended_at,
       least(g.expires_at, p.expires_at) AS expires_at,
       least(g.ended_at, CASE WHEN NOT p.is_active THEN p.deactivated_at END, g.expires_at, p.expires_at) AS until,
       g.ended_at IS NULL AND p.is_active AS is_live,
       g.ended_at IS NULL AND p.is_active AND a.archived_at IS NULL
           AND (g.expires_at IS NULL OR g.expires_at > statement_timestamp())
           AND (p.expires_at IS NULL OR p.expires_at > statement_timestamp()) AS reaches
  FROM workspace_user p
  JOIN workspace_grant g ON g.user_id = p.id
  LEFT JOIN workspace_account a ON a.id = g.account_id
UNION ALL
SELECT g.workspace_id, g.account_id, p.id, g.id, m.team_id, g.role, g.end_reason,
       greatest(g.granted_at, m.joined_at), g.ended_at, g.expires_at, m.left_at,
       least(g.ended_at, m.left_at, t.disbanded_at, CASE WHEN NOT p.is_active THEN p.deactivated_at END),
       least(g.expires_at, p.expires_at),
       least(g.ended_at, m.left_at, t.disbanded_at, CASE WHEN NOT p.is_active THEN p.deactivated_at END, g.expires_at,
             p.expires_at),
       g.ended_at IS NULL AND m.left_at IS NULL AND t.disbanded_at IS NULL AND p.is_active,
       g.ended_at IS NULL AND m.left_at IS NULL AND t.disbanded_at IS NULL AND p.is_active AND a.archived_at IS NULL
           AND (g.expires_at IS NULL OR g.expires_at > statement_timestamp())
           AND (p.expires_at IS NULL OR p.expires_at > statement_timestamp())
  FROM workspace_user p
  JOIN workspace_teammembership m ON m.user_id = p.id
  JOIN workspace_grant g ON g.team_id = m.team_id
  LEFT JOIN workspace_team t ON t.id = g.team_id
  LEFT JOIN workspace_account a ON a.id = g.account_id
 WHERE (m.left_at IS NULL OR m.left_at > g.granted_at) AND (g.ended_at IS NULL OR g.ended_at > m.joined_at)
"""

HELD: Final = "SELECT user_id, account_id, since, coalesce(until, 'infinity') AS until FROM workspace_holding"
"""Each span in which somebody held an account; its end is exclusive."""

HELD_ANY: Final = "EXISTS (SELECT FROM workspace_holding WHERE user_id = %(user)s)"
"""Whether a person ever held an account."""

REACHING: Final = """
SELECT DISTINCT user_id, account_id FROM workspace_holding
 WHERE account_id = ANY(%(accounts)s) AND user_id = ANY(%(users)s) AND reaches
"""

# An account is looked up by itself: its first Owner answers, however many people are in the team that owns it.
OWNED: Final = """
SELECT a.id FROM unnest(%(accounts)s::uuid[]) AS a (id)
 WHERE EXISTS (SELECT FROM workspace_holding h
                WHERE h.account_id = a.id AND h.role = 'owner' AND h.reaches AND h.user_id IS DISTINCT FROM %(user)s
               OFFSET 0)
"""

OWNED_BY: Final = """
SELECT a.id FROM workspace_account a
 WHERE a.archived_at IS NULL AND a.id = ANY(ARRAY(
       SELECT account_id FROM workspace_holding WHERE user_id = %(user)s AND role = 'owner' AND is_live))
"""

# Accounts that lost an Owner since then: whose grant ended, or who left the team that has one.
LOST_OWNER: Final = """
SELECT account_id FROM workspace_holding WHERE role = 'owner' AND grant_ended_at > %(since)s
UNION
SELECT account_id FROM workspace_holding WHERE role = 'owner' AND left_at > %(since)s AND grant_ended_at IS NULL
"""

REACHES_FOR_GOOD: Final = "reaches AND expires_at IS NULL"
"""That a holding has no end that is known: a guest's has one."""

# What people (`users`, each with `left_at`) held by grants of their own when they left, of accounts that are still
# there and that they do not hold by such a grant again.
ENDED_WITH_DEPARTURE: Final = """
SELECT h.account_id, gone.user_id, h.role, h.grant_expires_at
  FROM gone CROSS JOIN LATERAL (
       SELECT account_id, role, grant_expires_at FROM workspace_holding
        WHERE user_id = gone.user_id AND team_id IS NULL AND since <= gone.left_at AND grant_ended_at >= gone.left_at
          AND (grant_expires_at IS NULL OR grant_expires_at > statement_timestamp()) OFFSET 0) h
  JOIN workspace_account a ON a.id = h.account_id AND a.archived_at IS NULL
 WHERE NOT EXISTS (SELECT FROM workspace_holding again
                    WHERE again.user_id = gone.user_id AND again.account_id = h.account_id AND again.team_id IS NULL
                      AND again.is_live OFFSET 0)
 ORDER BY lower(a.name), gone.user_id
"""

GIVEN: Final = "SELECT account_id FROM workspace_grant WHERE id = %(grant)s OR team_id = %(team)s"
"""The account of a grant, or all that a team has or ever had."""
