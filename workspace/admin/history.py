"""Audit events in words, for a page's history and for the log's own list."""

from collections.abc import Mapping
from typing import Any, Final

from django.urls import reverse

from workspace.admin.parts import Section, actor_text, names_of, when
from workspace.audit import Actor
from workspace.models import AuditEvent

SHOWN: Final = 20


def history(of: Any) -> Section:
    """What happened to an object, newest first."""
    events = list(AuditEvent.objects.filter(workspace=of.workspace, subject_id=of.pk).order_by("-id")[:SHOWN])
    names = names_of([event.actor_id for event in events], of.workspace_id)
    return Section(
        "History",
        ("When", "What", "By", "Detail"),
        [
            [when(event.at), verb_text(event.verb), who(event, names.get(event.actor_id)), detail_text(event.detail)]
            for event in events
        ],
        "Nothing was recorded yet.",
        link=f"{reverse('admin:workspace_auditevent_changelist')}?subject_id__exact={of.pk}",
        link_text="All in the audit log",
    )  # fmt: skip


def who(event: AuditEvent, person: str | None) -> str:
    return actor_text(Actor(event.actor_kind, event.actor_id, event.actor_label), person)


def verb_text(verb: str) -> str:
    """“person.role_changed” → “Role changed”"""
    return verb.partition(".")[2].replace("_", " ").capitalize() or verb


def detail_text(detail: Mapping[str, Any]) -> str:
    """What an event kept, in one line; what is empty or long is left out, it stands in the database."""
    parts = [f"{key.replace('_', ' ')}: {_value(value)}" for key, value in detail.items() if value not in ("", [], False)]
    return " · ".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) if len(value) <= 3 else f"{len(value)}"
    return "yes" if value is True else str(value)


SUBJECT_PAGES: Final[dict[str, str]] = {
    model: f"admin:{app}_{model}_change"
    for app, models in {
        "workspace": ("user", "team", "account", "workspace"),
        "rotation": ("offboarding", "rotationjob"),
        "scim": ("scimtoken",),
    }.items()
    for model in models
}
