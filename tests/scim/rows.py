"""A fingerprint of everything a workspace owns, taken before and after what must not touch it."""

from functools import cache

from django.apps import apps
from django.db import connection

from workspace.models import Session, TenantModel, User, Workspace


def digest(workspace: Workspace) -> str:
    """Of the workspace's own row and of every row in every table that belongs to it."""
    sql, parameters = _statement()
    with connection.cursor() as cursor:
        cursor.execute(sql, [workspace.pk] * parameters)
        return "\n".join(f"{table} {fingerprint}" for table, fingerprint in cursor.fetchall())


@cache
def _statement() -> tuple[str, int]:
    tables = [model._meta.db_table for model in apps.get_models() if issubclass(model, TenantModel)]
    owned = {table: f"SELECT row FROM {table} AS row WHERE workspace_id = %s" for table in tables}
    own, people, sessions = Workspace._meta.db_table, User._meta.db_table, Session._meta.db_table
    owned[own] = f"SELECT row FROM {own} AS row WHERE id = %s"
    owned[people] = f"SELECT row FROM {people} AS row WHERE workspace_id = %s"
    of_people = f"user_id IN (SELECT id FROM {people} WHERE workspace_id = %s)"
    owned[sessions] = f"SELECT row FROM {sessions} AS row WHERE {of_people}"
    parts = [
        f"SELECT '{table}', md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) FROM ({rows}) AS rows"
        for table, rows in owned.items()
    ]
    return " UNION ALL ".join(parts) + " ORDER BY 1", len(parts)
