"""What Django's checks ask of the database before it is migrated: `manage.py migrate`, `manage.py check --database`."""

from collections.abc import Collection
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

LEAST_POSTGRESQL: Final = 15
"""The first whose views are asked with the rights of who asks (`security_invoker`)."""


@register(Tags.database)
def postgresql_is_new_enough(databases: Collection[str] | None = None, **_: Any) -> list[CheckMessage]:
    versions: list[int] = [connections[alias].pg_version for alias in databases or ()]  # type: ignore[attr-defined]
    return [message for version in versions for message in judged(version)]


def judged(version: int) -> list[CheckMessage]:
    """What is wrong with a server of this version, as libpq spells it: 180004 for 18.4."""
    if version >= LEAST_POSTGRESQL * 10_000:
        return []
    found = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    hint = f"Upgrade the server that DATABASE_URL names to PostgreSQL {LEAST_POSTGRESQL} or newer, then migrate."
    return [Error(f"The database is {found}, which is too old.", hint=hint, id="cerby.E001")]
