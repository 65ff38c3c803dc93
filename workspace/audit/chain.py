"""The hash chain over the audit trail (`seal`), its proof (`verify`), and the trail as a file (`export`).

Chaining happens right after the acts, in batches: were each writer to take the chain's head, all writes of a
workspace would wait for each other's disk flush.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet
from django.utils import timezone

from workspace.db.unit_of_work import atomic
from workspace.models import AuditEvent, AuditSeal, Workspace

GENESIS = bytes(32)
# Events commit out of the order of their ids. One that is this many behind the last chained was in a transaction
# that outlived them all, which does not happen; `verify` would tell.
OUT_OF_ORDER = 100_000
CHAINED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Broken:
    """The first event at which a chain does not hold, and why."""

    event: int
    why: str


def seal(workspace: Workspace, *, limit: int = 5_000) -> int:
    """Chain the events that are not chained yet; the number chained. One sealer per workspace at a time."""
    with atomic():
        if not _only_sealer(workspace):
            return 0
        last = AuditSeal.objects.for_workspace(workspace).order_by("position").last()
        position, head = (last.position, bytes(last.hash)) if last else (0, GENESIS)
        seals = []
        events = unchained().filter(workspace=workspace).order_by("id")[:limit]
        for place, event in enumerate(events, position + 1):
            head = _link(head, event)
            seals.append(AuditSeal(workspace=workspace, event=event, position=place, hash=head))
        AuditSeal.objects.bulk_create(seals)
    return len(seals)


def unchained() -> QuerySet[AuditEvent]:
    """The events that have no place in a chain yet, found without reading those that have."""
    last = AuditSeal.objects.aggregate(last=Max("event_id"))["last"] or 0
    return AuditEvent.objects.filter(seal=None, workspace__isnull=False, id__gt=last - OUT_OF_ORDER)


def verify(workspace: Workspace) -> Broken | None:
    """Walk the chain from its start; None when every link holds and no event was left out."""
    head = GENESIS
    seals = AuditSeal.objects.for_workspace(workspace).select_related("event").order_by("position")
    for expected, link in enumerate(seals.iterator(), 1):
        head = _link(head, link.event)
        if link.position != expected:
            return Broken(link.event_id, f"link {expected} is missing from the chain")
        if bytes(link.hash) != head:
            return Broken(link.event_id, "the event or a link before it was changed")
    overdue = AuditEvent.objects.for_workspace(workspace).filter(seal=None, at__lt=timezone.now() - CHAINED_WITHIN)
    left_out = overdue.order_by("id").first()
    return Broken(left_out.pk, "the event was never chained") if left_out else None


def export(
    workspace: Workspace, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """The chained events of a time, oldest first, each as it is hashed, with its `position` and `hash` (hexadecimal).

    Chains the newest first, so that all are there. A link's hash is SHA-256 over the hash before it and the event's
    JSON, keys sorted, without spaces and without `position` and `hash`; the first one's predecessor is 32 zero bytes.
    """
    while seal(workspace):
        pass
    seals = AuditSeal.objects.for_workspace(workspace).select_related("event").order_by("position")
    seals = seals.filter(event__at__gte=since) if since else seals
    seals = seals.filter(event__at__lt=until) if until else seals
    for link in seals.iterator():
        yield {**_content(link.event), "position": link.position, "hash": bytes(link.hash).hex()}


def line(exported: Mapping[str, Any]) -> str:
    """An exported event as one line of JSON."""
    return json.dumps(exported, sort_keys=True, separators=(",", ":")) + "\n"


def _only_sealer(workspace: Workspace) -> bool:
    """A transaction-scoped advisory lock, keyed by the workspace."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"audit/{workspace.id}"])
        return bool(cursor.fetchone()[0])


def _link(head: bytes, event: AuditEvent) -> bytes:
    """SHA-256 over the previous hash and the event's canonical JSON."""
    canonical = json.dumps(_content(event), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(head + canonical.encode()).digest()


def _content(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "workspace": str(event.workspace_id),
        "at": event.at.isoformat(),
        "actor": [event.actor_kind, str(event.actor_id), event.actor_label],
        "verb": event.verb,
        "subject": [event.subject_kind, str(event.subject_id)],
        "detail": event.detail,
        **({"request": event.request_id} if event.request_id else {}),  # events of before have none
    }
