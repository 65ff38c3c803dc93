"""The ledger's view of who holds which account: `workspace.vault.ledger_sql.VIEW` as it was at this release."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

VIEW = """
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


def _points_to(model: str, *, null: bool = False) -> "models.ForeignKey[models.Model, models.Model]":
    nothing = django.db.models.deletion.DO_NOTHING
    return models.ForeignKey(null=null, on_delete=nothing, related_name="+", to=model)


class Migration(migrations.Migration):
    dependencies = [("workspace", "0021_key_id_indexes")]

    operations = [
        migrations.RunSQL(VIEW, "DROP VIEW workspace_holding"),
        migrations.CreateModel(
            name="Holding",
            fields=[
                ("pk", models.CompositePrimaryKey("grant", "user", "since", primary_key=True, serialize=False)),
                ("workspace", _points_to("workspace.workspace")),
                ("account", _points_to("workspace.account")),
                ("user", _points_to(settings.AUTH_USER_MODEL)),
                ("grant", _points_to("workspace.grant")),
                ("team", _points_to("workspace.team", null=True)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("manager", "Manager"), ("collaborator", "Collaborator")],
                        max_length=12,
                    ),
                ),
                ("since", models.DateTimeField()),
                ("grant_ended_at", models.DateTimeField(null=True)),
                ("grant_expires_at", models.DateTimeField(null=True)),
                ("left_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("end_reason", models.CharField(max_length=200)),
                ("is_live", models.BooleanField()),
                ("reaches", models.BooleanField()),
            ],
            options={"db_table": "workspace_holding", "managed": False},
        ),
    ]
