"""Composite foreign keys: a row and what it points at are of one workspace, whatever the code does."""

from django.db import migrations

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("workspace_teammembership", "team_id", "workspace_team"),
    ("workspace_teammembership", "user_id", "workspace_user"),
    ("workspace_apikey", "user_id", "workspace_user"),
    ("workspace_account", "admin_account_id", "workspace_account"),
    ("workspace_secretversion", "account_id", "workspace_account"),
    ("workspace_grant", "account_id", "workspace_account"),
    ("workspace_grant", "user_id", "workspace_user"),
    ("workspace_grant", "team_id", "workspace_team"),
    ("workspace_reveal", "account_id", "workspace_account"),
    ("workspace_reveal", "user_id", "workspace_user"),
    ("workspace_reveal", "version_id", "workspace_secretversion"),
]
TARGETS = sorted({target for _, _, target in REFERENCES})


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
    dependencies = [("workspace", "0001_initial")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
