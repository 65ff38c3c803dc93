"""Audit events in words, for a page's history and for the log's own list."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html

from workspace.admin.parts import NOTHING, Section, actor_text, names_of, when
from workspace.audit import Actor, verbs
from workspace.identifiers import parse_uuid
from workspace.models import AuditEvent, Workspace

SHOWN: Final = 20


def history(of: Any) -> Section:
    """What happened to an object, newest first."""
    workspace_id = of.pk if isinstance(of, Workspace) else of.workspace_id
    events = list(AuditEvent.objects.filter(workspace_id=workspace_id, subject_id=of.pk).order_by("-id")[:SHOWN])
    mentioned = [pk for event in events for pk in (event.actor_id, *map(parse_uuid, event.detail.values()))]
    names = names_of(mentioned, workspace_id)
    return Section(
        "History",
        ("When", "What", "By", "Detail"),
        [
            [when(event.at), verbs.describe(event.verb), who(event, names), detail_text(event.detail, names)]
            for event in events
        ],
        "Nothing was recorded yet.",
        link=f"{reverse('admin:workspace_auditevent_changelist')}?subject_id__exact={of.pk}",
        link_text="All in the audit log",
    )  # fmt: skip


def who(event: AuditEvent, names: Mapping[UUID, str]) -> str:
    person = names.get(event.actor_id) if event.actor_id else None
    return actor_text(Actor(event.actor_kind, event.actor_id, event.actor_label), person)


def of_request(request_id: str) -> str:
    """A request's id, leading to all that the audit log has of it."""
    if not request_id:
        return NOTHING
    page = f"{reverse('admin:workspace_auditevent_changelist')}?{urlencode({'q': request_id})}"
    return format_html('<a class="console-link" href="{}">{}</a>', page, request_id)


def detail_text(detail: Mapping[str, Any], names: Mapping[UUID, str]) -> str:
    """What an event kept, in one line. Ids without a name and whatever is empty stand on the event's own page."""
    shown = ((key.replace("_", " "), _value(value, names)) for key, value in detail.items())
    return " · ".join(f"{key}: {value}" for key, value in shown if value)


def _value(value: Any, names: Mapping[UUID, str]) -> str:
    if isinstance(value, list):
        return str(len(value)) if len(value) > 3 or any(map(parse_uuid, value)) else ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else ""
    known = parse_uuid(value)
    return names.get(known, "") if known else str(value or "")


SUBJECT_PAGES: Final[dict[str, str]] = {
    model: f"admin:{app}_{model}_change"
    for app, models in {
        "workspace": ("user", "team", "account", "workspace", "notice", "delivery", "webhookendpoint"),
        "rotation": ("offboarding", "exposure", "rotationjob", "massremoval", "accessloss", "orphan"),
        "scim": ("scimtoken",),
    }.items()
    for model in models
}
