"""Composite foreign keys: a delivery, its notice, its endpoint and its recipient are of one workspace."""

from django.db import migrations

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("workspace_webhookendpoint", "shown_to_id", "workspace_user"),
    ("workspace_delivery", "notice_id", "workspace_notice"),
    ("workspace_delivery", "endpoint_id", "workspace_webhookendpoint"),
    ("workspace_delivery", "recipient_id", "workspace_user"),
]
TARGETS = ["workspace_notice", "workspace_webhookendpoint"]


def unique(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_in_workspace UNIQUE (workspace_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_in_workspace",
    )


def same_workspace(table: str, column: str, target: str) -> migrations.RunSQL:
    name = f"{table}_{column}_same_workspace"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (workspace_id, {column})"
        f" REFERENCES {target} (workspace_id, id) DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


class Migration(migrations.Migration):
    dependencies = [("workspace", "0008_deliveries")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
