"""The audit trail: who did what, written down inside the transaction of the act itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from workspace import request_ids, statements
from workspace.audit.verbs import Verb, known
from workspace.db import unit_of_work
from workspace.models import AuditEvent, User, Workspace

# From one verb to the next through the index: SELECT DISTINCT would read every event.
_EACH_VERB: Final = """
WITH RECURSIVE present (verb) AS (
    (SELECT verb FROM workspace_auditevent WHERE workspace_id = %(workspace)s ORDER BY verb LIMIT 1)
    UNION ALL
    SELECT (SELECT event.verb FROM workspace_auditevent AS event
            WHERE event.workspace_id = %(workspace)s AND event.verb > present.verb ORDER BY event.verb LIMIT 1)
    FROM present WHERE present.verb IS NOT NULL
)
SELECT verb FROM present WHERE verb IS NOT NULL
"""


@dataclass(frozen=True)
class Actor:
    """Who does something. `label` names what is not a person; people are named by id alone."""

    kind: str
    id: UUID | None = None
    label: str = ""

    @classmethod
    def person(cls, user: User) -> Self:
        return cls("person", user.id)

    @classmethod
    def system(cls, part: str) -> Self:
        return cls("system", None, part)

    @classmethod
    def command(cls, name: str, *, operator: str, reason: str = "") -> Self:
        """Support staff at a terminal: the command, the operating system's user, and why."""
        return cls("command", None, f"{name} by {operator}" + (f": {reason}" if reason else ""))

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Self | None:
        if not data:
            return None
        return cls(data["kind"], UUID(data["id"]) if data["id"] else None, data["label"])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": str(self.id) if self.id else None, "label": self.label}


def record(
    workspace: Workspace | None, verb: Verb, subject: Any = None, *, actor: Actor, **detail: Any
) -> AuditEvent:
    """Append one event to the caller's transaction. `detail` takes ids, counts and attribute names only.

    Within an act of several verbs its key is given at the end of the act, in the order of the events.
    """
    event = statements.new(AuditEvent, **_fields(workspace, verb, subject, actor, detail))
    unit_of_work.append(event)
    return event


def record_each(
    workspace: Workspace, verb: Verb, subjects: Iterable[Any], *, actor: Actor,
    each: Mapping[UUID, Mapping[str, Any]] | None = None, **detail: Any,
) -> None:  # fmt: skip
    """One event per subject, in one statement. `each` adds to the detail what holds for one subject, by its id."""
    own = each or {}
    AuditEvent.objects.bulk_create(
        AuditEvent(**_fields(workspace, verb, subject, actor, {**detail, **own.get(subject.pk, {})}))
        for subject in subjects
    )


def unknown_verbs(workspace: Workspace) -> list[str]:
    """The verbs in a workspace's trail that no version of today records."""
    return [verb for (verb,) in statements.rows(_EACH_VERB, {"workspace": workspace.pk}) if known(verb) is None]


def _fields(
    workspace: Workspace | None, verb: Verb, subject: Any, actor: Actor, detail: dict[str, Any]
) -> dict[str, Any]:
    return {
        "workspace_id": workspace.pk if workspace is not None else None,
        "verb": verb.value,
        "subject_kind": subject._meta.model_name if subject is not None else "",
        "subject_id": subject.pk if subject is not None else None,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_label": actor.label[:200],
        "detail": detail,
        "request_id": request_ids.current(),
    }
