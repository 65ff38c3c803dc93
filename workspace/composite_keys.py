"""For migrations: composite foreign keys, so that a row and what it points at are of one workspace, whatever the code
does."""

from django.db import migrations


def unique(table: str) -> migrations.RunSQL:
    """What a composite foreign key to `table` refers to."""
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_in_workspace UNIQUE (workspace_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_in_workspace",
    )


def same_workspace(table: str, column: str, target: str) -> migrations.RunSQL:
    """`table.column` points into its own workspace's rows of `target`; a null reference is not checked."""
    name = f"{table}_{column}_same_workspace"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (workspace_id, {column})"
        f" REFERENCES {target} (workspace_id, id) DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )
