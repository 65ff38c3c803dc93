"""For migrations: composite foreign keys, so that a row and what it points at are of one workspace, whatever the code
does."""

from django.db import migrations


def unique(table: str, *columns: str) -> migrations.RunSQL:
    """What a composite foreign key to `table` refers to: (workspace, id), or (workspace, these columns, id)."""
    name = "_".join([table, "in", *(columns or ("workspace",))])
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({_list(*columns, 'id')})",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def same_workspace(table: str, column: str, target: str) -> migrations.RunSQL:
    """`table.column` points into its own workspace's rows of `target`; a null reference is not checked."""
    return _key(f"{table}_{column}_same_workspace", table, _list(column), target, _list("id"))


def no_longer(operation: migrations.RunSQL) -> migrations.RunSQL:
    """The operation taken back."""
    return migrations.RunSQL(operation.reverse_sql or migrations.RunSQL.noop, operation.sql)


def same(table: str, column: str, target: str, *also: str) -> migrations.RunSQL:
    """As `same_workspace`, where `table` has the columns `also` as well, and they say the same as the target's."""
    return _key(f"{table}_{column}_same_{also[0]}", table, _list(*also, column), target, _list(*also, "id"))


def _key(name: str, table: str, columns: str, target: str, referred: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns})"
        f" REFERENCES {target} ({referred}) DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def _list(*columns: str) -> str:
    return ", ".join(["workspace_id", *columns])
