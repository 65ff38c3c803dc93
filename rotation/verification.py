"""Whether the passwords stored here are the ones in force: checked on a schedule, within the lock-out budget.

A rejected one is drift: somebody changed it on the target. A person adopts what is in force there, or has it reset. A
running rotation proves its account by itself, so nobody else logs in meanwhile.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from rotation import budget, connectors, jobs, targets, wake
from rotation.connectors.base import FailureKind, TargetError, unforeseen
from rotation.models import RotationJob, Verdict, Verification
from workspace import accounts, audit, notices, statements
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, Refused, Undecryptable
from workspace.models import Account, Notice, SecretVersion

logger = logging.getLogger(__name__)

AT_ONCE: Final = 200
LOCKED: Final = "The login is locked on the target, which takes no password now."
AGAIN_WHEN_UNREACHABLE: Final = timedelta(minutes=15)
AGAIN_WHEN_DRIFTED: Final = timedelta(hours=1)
FIRST_WITHIN_HOURS: Final = 1

# Accounts on something that can be asked, with a password, that are not in the table yet. The first checks of many are
# spread, so that they do not come all at once.
_ENROL: Final = """
INSERT INTO rotation_verification (id, workspace_id, account_id, verdict, detail, due_at)
SELECT gen_random_uuid(), a.workspace_id, a.id, 'unchecked', '', %(now)s + random() * interval '1 hour' * %(spread)s
  FROM workspace_account a JOIN workspace_workspace w ON w.id = a.workspace_id
 WHERE a.archived_at IS NULL AND a.connector = ANY(%(connectors)s)
   AND coalesce(a.verify_every_hours, w.verify_every_hours) > 0
   AND EXISTS (SELECT 1 FROM workspace_secretversion v
                WHERE v.account_id = a.id AND v.visible_from IS NOT NULL AND v.visible_until IS NULL)
   AND NOT EXISTS (SELECT 1 FROM rotation_verification f WHERE f.account_id = a.id)
ON CONFLICT DO NOTHING
"""

_DUE: Final = """
SELECT f.id, f.account_id
  FROM rotation_verification f
  JOIN workspace_account a ON a.id = f.account_id
  JOIN workspace_workspace w ON w.id = f.workspace_id
 WHERE a.archived_at IS NULL AND coalesce(a.verify_every_hours, w.verify_every_hours) > 0
   AND (f.due_at <= %(now)s
        OR f.checked_at + interval '1 hour' * coalesce(a.verify_every_hours, w.verify_every_hours) <= %(now)s)
   AND (f.announced_at IS NULL OR f.announced_at <= %(quiet)s)
   AND NOT EXISTS (SELECT 1 FROM rotation_rotationjob j
                    WHERE j.account_id = f.account_id AND j.state NOT IN ('done', 'cancelled'))
 ORDER BY f.due_at LIMIT %(limit)s FOR UPDATE OF f SKIP LOCKED
"""


_PROVED: Final = """
UPDATE rotation_verification v SET verdict = 'good', detail = '', checked_at = %(now)s, verified_at = %(now)s,
       drifted_at = NULL, due_at = %(due)s
  FROM (SELECT id, drifted_at FROM rotation_verification WHERE account_id = %(account)s FOR UPDATE) AS old
 WHERE v.id = old.id RETURNING old.drifted_at
"""


def enrol() -> int:
    """Begin to check the accounts that can be checked and are not yet; how many."""
    askable = [key for key, kind in connectors.REGISTRY.items() if kind.capabilities.can_verify]
    values: dict[str, Any] = {"now": timezone.now(), "connectors": askable, "spread": FIRST_WITHIN_HOURS}
    with connection.cursor() as cursor:
        cursor.execute(_ENROL, values)
        return int(cursor.rowcount)


def announce_due() -> int:
    """Wake the workers for the checks that are due and that nobody was told of lately; how many."""
    now = timezone.now()
    quiet = now - timedelta(seconds=settings.WAKE_AGAIN_SECONDS)
    with atomic(), connection.cursor() as cursor:
        cursor.execute(_DUE, {"now": now, "quiet": quiet, "limit": AT_ONCE})
        rows = cursor.fetchall()
        Verification.objects.filter(pk__in=[row[0] for row in rows]).update(announced_at=now, due_at=now)
    wake.now([row[1] for row in rows], task=wake.VERIFY)
    return len(rows)


@atomic()
def check_soon(account: Account) -> None:
    """Have an account checked as soon as a worker is free."""
    now = timezone.now()
    Verification.objects.bulk_create(
        [Verification(workspace_id=account.workspace_id, account=account)], ignore_conflicts=True
    )
    Verification.objects.filter(account=account).update(due_at=now, announced_at=now)
    wake.on_commit([account.pk], task=wake.VERIFY)


def check_if_due(account: Account) -> Verification | None:
    """Check an account whose turn it is; None when another worker has it or nothing is due."""
    now = timezone.now()
    held = Verification.objects.filter(account=account, due_at__lte=now)
    if not held.update(due_at=now + timedelta(seconds=settings.LEASE_SECONDS)):
        return None
    return check(account)


def check(account: Account) -> Verification:
    """Ask the target whether the stored password is in force, and write down what it said."""
    version = accounts.current_version(account)
    if version is None:
        return _write(account, None, Verdict.UNPROVED, "No password is stored.")
    if _is_rotating(account):
        return _later(account, timezone.now() + AGAIN_WHEN_UNREACHABLE)
    key = targets.key_of(account)
    health = targets.health_of(account.workspace, key)
    if health is not None and health.opened_at is not None:
        return _write(account, version, Verdict.UNREACHABLE, health.failure_detail)
    try:
        accepted = _log_in(account, version)
    except budget.Spent as spent:
        return _later(account, spent.until)
    except TargetError as error:
        return _not_judged(account, version, key, error)
    except (Invalid, Undecryptable) as error:
        return _write(account, version, Verdict.UNPROVED, error.detail)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("The check of account %s met something unforeseen", account.pk)
        return _write(account, version, Verdict.UNPROVED, unforeseen(error))
    if health is not None and health.failures:
        targets.answered(account.workspace, key)
    return _write(account, version, Verdict.GOOD if accepted else Verdict.DRIFT, "" if accepted else DRIFTED)


DRIFTED: Final = (
    "The target rejects the stored password: somebody changed it there, or the login is locked, which many targets"
    " answer alike."
)


def proved(account: Account) -> None:
    """A rotation has proved what is stored now."""
    now = timezone.now()
    values = {"account": account.pk, "now": now, "due": now + _interval(account)}
    before = statements.first(_PROVED, values)
    if before is not None and before[0] is not None:
        notices.resolve(account.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, account)


@atomic()
def adopt(account: Account, password: Secret, *, actor: Actor) -> SecretVersion:
    """Take the password that a person says is in force on the target; it is checked at once.

    Raises Refused while a rotation runs (which takes it as “I changed it”), Invalid for one that cannot be stored.
    """
    account = accounts.lock_with_people(account, actor=actor)
    if _is_rotating(account):
        raise Refused(f"{account} is being rotated. Enter the password there, with “I changed it”.")
    version = accounts.store_password(account, password, actor=actor)
    audit.record(account.workspace, Verb.ACCOUNT_DRIFT_ADOPTED, account, actor=actor, version=version.number)
    check_soon(account)
    return version


@atomic()
def reset(account: Account, *, actor: Actor) -> RotationJob:
    """Have a drifted password set anew by the admin account. Raises Refused without one that could."""
    kind, admin = connectors.REGISTRY.get(account.connector), account.admin_account
    if kind is None or admin is None or not kind.capabilities.admin_reset or accounts.current_version(admin) is None:
        raise Refused(f"{account} has no admin account with a stored password that could reset it.")
    return jobs.on_demand(account, actor=actor, cause="The password in force was not the stored one")


def _log_in(account: Account, version: SecretVersion) -> bool:
    connector = connectors.of(account, timeout=settings.CALL_TIMEOUT_SECONDS)
    if not connector.capabilities.can_verify:
        raise Invalid("This login cannot be tried from here.")
    limit = budget.limit_of(account, connector.capabilities)
    password = accounts.open_version(version)
    budget.pay(account, limit)
    try:
        accepted = connector.verify(password)
    finally:
        connector.close()
    if accepted:
        budget.succeeded(account, limit)
    return accepted


def _not_judged(account: Account, version: SecretVersion, key: str, error: TargetError) -> Verification:
    if error.kind is FailureKind.UNREACHABLE:
        targets.failed(account.workspace, key, error)
        return _write(account, version, Verdict.UNREACHABLE, error.detail)
    detail = LOCKED if error.kind is FailureKind.LOCKED else error.detail
    return _write(account, version, Verdict.UNPROVED, detail)


@atomic()
def _write(account: Account, version: SecretVersion | None, verdict: Verdict, detail: str) -> Verification:
    """What came of it, unless the password was changed or began to be while the target was asked."""
    account, now = accounts.lock(account), timezone.now()
    row = _row(account)
    if accounts.current_version(account) != version or (verdict == Verdict.DRIFT and _is_rotating(account)):
        return _later(account, now)
    was_drifting = row.drifted_at is not None
    row.verdict, row.detail, row.checked_at = verdict, detail[:500], now
    if verdict == Verdict.GOOD:
        row.verified_at, row.drifted_at = now, None
    elif verdict == Verdict.DRIFT:
        row.drifted_at = row.drifted_at or now
    row.due_at = now + _next_in(account, verdict)
    row.save()
    _tell(account, was_drifting=was_drifting, drifts=row.drifted_at is not None)
    return row


def _tell(account: Account, *, was_drifting: bool, drifts: bool) -> None:
    """Write down and tell what changed; the same as last time is no news."""
    if drifts == was_drifting:
        return
    verb = Verb.ACCOUNT_DRIFTED if drifts else Verb.ACCOUNT_DRIFT_ENDED
    audit.record(account.workspace, verb, account, actor=CHECKER)
    if drifts:
        summary = f"The stored password of {account} is not the one in force on its target."
        notices.tell(
            account.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, account, summary=summary, account=account.pk,
            code="drift",
        )  # fmt: skip
    else:
        notices.resolve(account.workspace, Notice.Kind.ROTATION_NEEDS_HUMAN, account)


CHECKER: Final = Actor.system("password check")


def _later(account: Account, at: datetime) -> Verification:
    """Nothing was learnt; the next check is at another time."""
    row = _row(account)
    row.due_at = at
    row.save(update_fields=["due_at"])
    return row


def _row(account: Account) -> Verification:
    found, _ = Verification.objects.get_or_create(account=account, defaults={"workspace_id": account.workspace_id})
    return found


def _next_in(account: Account, verdict: Verdict) -> timedelta:
    if verdict == Verdict.UNREACHABLE:
        return AGAIN_WHEN_UNREACHABLE
    return min(_interval(account), AGAIN_WHEN_DRIFTED) if verdict == Verdict.DRIFT else _interval(account)


def _interval(account: Account) -> timedelta:
    """How often the account is checked; where it never is, the row rests."""
    own = account.verify_every_hours
    hours = account.workspace.verify_every_hours if own is None else own
    return timedelta(hours=hours or 24)


def _is_rotating(account: Account) -> bool:
    return RotationJob.objects.live().filter(account=account).exists()
