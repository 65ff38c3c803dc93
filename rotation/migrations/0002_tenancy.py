"""Composite foreign keys: a row and what it points at are of one workspace, whatever the code does."""

from django.db import migrations

# (table, column, referenced table); rows with a null reference are not checked, as SQL has it.
REFERENCES = [
    ("rotation_offboarding", "user_id", "workspace_user"),
    ("rotation_exposure", "offboarding_id", "rotation_offboarding"),
    ("rotation_exposure", "account_id", "workspace_account"),
    ("rotation_exposure", "version_id", "workspace_secretversion"),
    ("rotation_rotationjob", "account_id", "workspace_account"),
    ("rotation_rotationjob", "candidate_id", "workspace_secretversion"),
    ("rotation_rotationstep", "job_id", "rotation_rotationjob"),
]
TARGETS = sorted({target for _, _, target in REFERENCES if target.startswith("rotation_")})


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
    dependencies = [("rotation", "0001_initial"), ("workspace", "0002_tenancy")]
    operations = [*map(unique, TARGETS), *(same_workspace(*reference) for reference in REFERENCES)]
