"""How many failed logins we may cause on an account, counted across rotations and checks, so that none locks it.

A login is paid for before it is tried, committed, so that a worker that dies in it has paid. One that succeeds sets
the count back, as it does on the targets. So does half an hour without a failed one, after which most of them forget.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from rotation.connectors.base import Capabilities
from rotation.models import FailedLogins
from workspace.accounts import LEAST_FAILED_LOGINS
from workspace.models import Account

WINDOW: Final = timedelta(minutes=30)

_PAY: Final = """
INSERT INTO rotation_failedlogins AS f (id, workspace_id, account_id, count, paid_at)
VALUES (%(id)s, %(workspace)s, %(account)s, 1, %(now)s)
ON CONFLICT (account_id) DO UPDATE SET
    count = CASE WHEN f.paid_at <= %(old)s THEN 1 ELSE f.count + 1 END, paid_at = excluded.paid_at
WHERE f.paid_at <= %(old)s OR f.count < %(limit)s
"""


class Spent(Exception):
    """One more failed login might lock the account. `until` is when we may try again."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"no failed logins are left until {until}")
        self.until = until


def limit_of(account: Account, capabilities: Capabilities) -> int | None:
    """How many failed logins running the account may see from us; None: its target locks nobody.

    Two at least: one to see a wrong password rejected, one for the login after it that should succeed.
    """
    own = account.lockout_budget
    limit = capabilities.failed_logins if own is None else own
    return None if limit is None else max(LEAST_FAILED_LOGINS, limit)


def pay(account: Account, limit: int | None) -> None:
    """Before a login that may fail. Raises Spent when none is left."""
    if limit is None:
        return
    now = timezone.now()
    values: dict[str, Any] = {
        "id": uuid7(), "workspace": account.workspace_id, "account": account.pk, "now": now, "old": now - WINDOW,
        "limit": limit,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PAY, values)
        if cursor.rowcount:
            return
    raise Spent(FailedLogins.objects.get(account=account).paid_at + WINDOW)


def succeeded(account: Account, limit: int | None) -> None:
    """A login worked: the count begins anew."""
    if limit is not None:
        FailedLogins.objects.filter(account=account).update(count=0)


def left(account: Account, limit: int | None) -> int | None:
    """How many failed logins are left now; None: as many as you like."""
    if limit is None:
        return None
    spent = FailedLogins.objects.filter(account=account, paid_at__gt=timezone.now() - WINDOW).first()
    return limit - (spent.count if spent else 0)
