"""What a workspace's Owners should know: told inside the act that causes it, delivered by the sweep.

    notices.tell(workspace, Notice.Kind.ORPHAN, account, summary="Router has no owner any more.", former_owners=2)
    notices.resolve(workspace, Notice.Kind.ORPHAN, account)

A summary names accounts, teams and tokens, never a person (their data can be deleted, a sent mail cannot) and never a
secret. `facts` are ids, counts, times and names of attributes.
"""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid
from workspace.models import CHOSEN_KINDS, Notice, NoticeSettings, Workspace

SUMMARY_LENGTH: Final = 300
FOR_GOOD: Final = timedelta(days=36_500)
# After how long the same is told again although nobody settled it.
AGAIN_AFTER: Final[Mapping[str, timedelta]] = {
    Notice.Kind.ROTATION_NEEDS_HUMAN: timedelta(days=7),
    Notice.Kind.EXPOSURE_OPEN_LONG: timedelta(days=7),
    Notice.Kind.ORPHAN: timedelta(days=30),
    Notice.Kind.TOKEN_EXPIRING: timedelta(days=7),
    Notice.Kind.TOKEN_REFUSED: timedelta(days=1),
    Notice.Kind.MASS_REMOVAL: timedelta(hours=1),
    Notice.Kind.AUDIT_BROKEN: timedelta(days=1),
    Notice.Kind.CERTIFICATE_READY: FOR_GOOD,
    Notice.Kind.TEST: timedelta(0),
}
LONGEST: Final = 24 * 90
# By the kind of a subject, its page in the console. What is not here leads to the notice's own page.
PAGES: Final[Mapping[str, str]] = {
    "user": "admin:workspace_user_change",
    "team": "admin:workspace_team_change",
    "account": "admin:workspace_account_change",
    "workspace": "admin:workspace_workspace_change",
    "offboarding": "admin:rotation_offboarding_change",
    "rotationjob": "admin:rotation_rotationjob_change",
    "scimtoken": "admin:scim_scimtoken_change",
    "webhookendpoint": "admin:workspace_webhookendpoint_change",
}

_TELL: Final = """
INSERT INTO workspace_notice (id, workspace_id, kind, subject_kind, subject_id, summary, facts, told_at)
SELECT %(id)s, %(workspace)s, %(kind)s, %(subject_kind)s, %(subject)s, %(summary)s, %(facts)s::jsonb, %(now)s
 WHERE NOT EXISTS (SELECT 1 FROM workspace_notice
                    WHERE workspace_id = %(workspace)s AND kind = %(kind)s AND subject_id = %(subject)s
                      AND resolved_at IS NULL AND told_at > %(since)s)
"""


def tell(workspace: Workspace, kind: Notice.Kind, subject: Any, *, summary: str, **facts: Any) -> None:
    """Append a notice about a row to the caller's transaction, unless the same is open already.

    One statement that waits for nobody. Raises TypeError for a fact that has no place in a message.
    """
    now = timezone.now()
    values = {
        "id": uuid7(), "workspace": workspace.pk, "kind": str(kind), "subject_kind": subject._meta.model_name,
        "subject": subject.pk, "summary": summary[:SUMMARY_LENGTH], "facts": json.dumps(facts, default=_plain),
        "now": now, "since": now - AGAIN_AFTER[kind],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_TELL, values)


def resolve(workspace: Workspace, kind: Notice.Kind, subject: Any) -> None:
    """What was told of is settled; should it come up again, it is told anew."""
    told = Notice.objects.for_workspace(workspace).open().filter(kind=kind, subject_id=subject.pk)
    told.update(resolved_at=timezone.now())


@atomic()
def settle(notice: Notice, *, actor: Actor) -> None:
    """Close an open notice by hand: seen to, or not worth more. Unchanged is no event."""
    if Notice.objects.open().filter(pk=notice.pk).update(resolved_at=timezone.now()):
        audit.record(notice.workspace, Verb.NOTICE_SETTLED, notice, actor=actor, kind=notice.kind)


@atomic()
def configure(workspace: Workspace, *, actor: Actor, mail_kinds: Collection[str], exposure_hours: int) -> None:
    """Decide what Owners are told by mail, and when an exposure has been open for long. Unchanged is no event."""
    if set(mail_kinds) - set(CHOSEN_KINDS):
        raise Invalid("There is no such kind of notice.", field="mailKinds")
    if not 1 <= exposure_hours <= LONGEST:
        raise Invalid(f"Between 1 and {LONGEST} hours.", field="exposureHours")
    NoticeSettings.objects.bulk_create([NoticeSettings(workspace=workspace)], ignore_conflicts=True)
    present = NoticeSettings.objects.select_for_update().get(workspace=workspace)
    wanted = {"mail_kinds": sorted(mail_kinds), "exposure_hours": exposure_hours}
    changed = {name: value for name, value in wanted.items() if _sorted(getattr(present, name)) != value}
    if changed:
        NoticeSettings.objects.filter(pk=present.pk).update(**changed)
        audit.record(workspace, Verb.NOTICES_CONFIGURED, workspace, actor=actor, **changed)


def link(notice: Notice) -> str:
    """The address of the page in the console where something can be done about it."""
    page = PAGES.get(notice.subject_kind)
    path = reverse(page or "admin:workspace_notice_change", args=[notice.subject_id if page else notice.pk])
    return f"{settings.BASE_URL}{path}"


def prune(workspace: Workspace, *, before: datetime) -> int:
    """Delete notices told before a time, with their deliveries; how many."""
    old = Notice.objects.for_workspace(workspace).filter(told_at__lt=before)
    return old.delete()[1].get("workspace.Notice", 0)


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


def _plain(value: Any) -> str:
    """What JSON does not know. A Secret has no form, so that none is sent by accident."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no fact of a notice.")
