"""How each target fares: the breaker that spares one that does not answer, and the key by which calls are limited.

A breaker opens after some failures running, or when the target asks to be left alone. Then one job at a time tries it;
its first answer, whatever it says, closes the breaker and makes due at once what waited for it.
"""

import random
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from rotation import connectors
from rotation.connectors import dial
from rotation.connectors.base import Connector, FailureKind, TargetError
from rotation.models import RotationJob, TargetHealth
from rotation.states import JobState
from workspace import statements
from workspace.db.unit_of_work import atomic
from workspace.models import Account, Workspace

OPENS_AFTER: Final = 3
PROBE_SECONDS: Final = 60.0
PROBE_SECONDS_LATER: Final = 900.0
LONGEST_PAUSE: Final = 3600.0
"""A target may ask to be left alone for this long at most: an exposure is open meanwhile."""


def key_of(account: Account) -> str:
    """The account's target, by connector and address. Empty where nothing is spoken to: the limits are not for it."""
    return key(account.connector, account.target)


def key(connector: str, target: Mapping[str, Any]) -> str:
    kind = connectors.REGISTRY.get(connector)
    if kind is None or not kind.capabilities.can_verify:
        return ""
    return f"{connector} {kind.address_of(target)}"[:300]


def health_of(workspace: Workspace, key: str) -> TargetHealth | None:
    return statements.one(TargetHealth, "WHERE workspace_id = %s AND key = %s", [workspace.pk, key]) if key else None


def failed(workspace: Workspace, key: str, error: TargetError) -> TargetHealth | None:
    """Count that a target gave no answer; open its breaker after several, or when it said when to come again."""
    if not key:
        return None
    _make_known(workspace, key)
    now = timezone.now()
    with atomic():
        health = TargetHealth.objects.select_for_update().get(workspace=workspace, key=key)
        health.failures += 1
        health.failed_at, health.failure_detail = now, error.detail[:500]
        if error.retry_after or health.opened_at or health.failures >= OPENS_AFTER:
            health.opened_at = health.opened_at or now
            pause = min(error.retry_after or _pause(now - health.opened_at), LONGEST_PAUSE)
            health.probe_at = now + timedelta(seconds=pause)
        health.save()
    return health


def answered(workspace: Workspace, key: str) -> None:
    """A target that had failed gave an answer: its breaker closes, and what waited for it is due."""
    found = TargetHealth.objects.for_workspace(workspace).filter(key=key, failures__gt=0)
    if not found.update(failures=0, opened_at=None, probe_at=None):
        return
    waiting = RotationJob.objects.for_workspace(workspace).filter(
        target=key, state=JobState.WAITING, failure_code=FailureKind.UNREACHABLE, next_attempt_at__gt=timezone.now()
    )
    waiting.update(next_attempt_at=timezone.now(), woken_at=None)


def reach(connector: Connector) -> None:
    """See that something listens at the target, without logging in, so that an outage costs no failed logins.

    Raises TargetError. Where the settings name no host, nothing is asked.
    """
    host, port = (getattr(connector.settings, name, None) for name in ("host", "port"))
    if not isinstance(host, str) or not isinstance(port, int):
        return
    deadline = dial.Deadline(connector.timeout)
    address = dial.resolve(host, port, deadline=deadline)
    try:
        socket.create_connection((address.ip, address.port), timeout=deadline.left()).close()
    except OSError as error:
        raise TargetError(FailureKind.UNREACHABLE, f"Nothing answers at {host}: {error.strerror or error}.") from None


def _pause(open_for: timedelta) -> float:
    """Seconds until the next probe, with jitter: one login a minute is no burden for a target that comes back."""
    return random.uniform(0.5, 1) * (PROBE_SECONDS_LATER if open_for > timedelta(days=1) else PROBE_SECONDS)  # noqa: S311  # spreads load, keeps no secret


def _make_known(workspace: Workspace, key: str) -> None:
    TargetHealth.objects.bulk_create([TargetHealth(workspace=workspace, key=key)], ignore_conflicts=True)
