"""Which encryption keys the stored secrets were sealed with (`workspace.crypto` says where a key's id stands)."""

from typing import Any, Final

from django.db import connection, models

from workspace import crypto
from workspace.models import Authenticator, SecretVersion, SigningKey, TotpDevice, WebhookEndpoint

_SEALED: Final[tuple[tuple[type[models.Model], str], ...]] = (
    (SecretVersion, "sealed"),
    (Authenticator, "sealed"),
    (TotpDevice, "sealed"),
    (SigningKey, "sealed"),
    (WebhookEndpoint, "sealed"),
    (WebhookEndpoint, "former_sealed"),
)

# From one id to the next greater one, so that millions of rows are as quickly asked as one. The tables that grow have
# an index for it.
_IDS: Final = """
WITH RECURSIVE ids (id) AS (
  (SELECT substring(t.{column}, 2, 4) FROM {table} t ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT substring(t.{column}, 2, 4) FROM {table} t
          WHERE substring(t.{column}, 2, 4) > ids.id ORDER BY 1 LIMIT 1)
  FROM ids WHERE ids.id IS NOT NULL)
SELECT id FROM ids WHERE id IS NOT NULL
"""


def are_all_held() -> bool:
    """Whether every stored secret names a key of the ring; without one of them, some of them do not open."""
    return not stored() - crypto.key_ids()


def stored() -> set[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(" UNION ".join(_ids(model, column) for model, column in _SEALED))
        return {bytes(row[0]) for row in cursor.fetchall()}


def _ids(model: Any, column: str) -> str:
    return f"({_IDS.format(table=model._meta.db_table, column=column)})"
