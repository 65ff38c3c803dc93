"""The audit trail: what happened, in rows that the database refuses to change, and the chain that seals them."""

from typing import Final

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.utils import timezone

from workspace.models import words
from workspace.models.tenancy import TenantModel, TenantQuerySet, Workspace

APPEND_ONLY = [
    pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
    pgtrigger.Trigger(
        name="no_truncate", when=pgtrigger.Before, operation=pgtrigger.Truncate, level=pgtrigger.Statement,
        func="RAISE EXCEPTION 'The audit trail is append-only.';",
    ),
]  # fmt: skip

# Whom an event is about beside its subject: the person of an API key, the account of a rotation, who was given access.
MENTIONED: Final = Coalesce(*(KT(f"detail__{key}") for key in ("account", "holder", "person", "owner")))


class AuditEvent(models.Model):
    """One thing somebody did. People are named by id alone, so a purge need not rewrite history.

    `actor_label` names what is not a person (a token's label, a command); `detail` holds ids, counts and
    attribute *names*, never values of a person's attributes and never a secret. `request_id` is that of the request in
    which it happened, empty for what a worker or a command did.
    """

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(  # found by the index that begins with it
        Workspace, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.UUIDField(null=True)
    actor_label = models.CharField(max_length=200, blank=True)
    verb = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True, default="", db_default="")

    objects = TenantQuerySet.as_manager()

    class Meta:
        indexes = [  # what the log is filtered and searched by, each in the log's order
            models.Index(fields=["workspace", "-id"], name="audit_recent"),
            models.Index(fields=["workspace", "verb", "-id"], name="audit_verb"),
            models.Index(fields=["workspace", "actor_kind", "-id"], name="audit_actor_kind"),
            models.Index(fields=["subject_id", "-id"], name="audit_about"),
            models.Index(fields=["actor_id", "-id"], condition=Q(actor_id__isnull=False), name="audit_done_by"),
            models.Index(MENTIONED, F("id").desc(), condition=Q(IsNull(MENTIONED, False)), name="audit_mentioned"),
            models.Index(fields=["request_id", "-id"], condition=~Q(request_id=""), name="audit_request"),
            words.index("actor_label", name="audit_command", condition=Q(actor_kind="command")),
        ]
        triggers = APPEND_ONLY

    def __str__(self) -> str:
        return f"{self.verb} at {self.at:%Y-%m-%d %H:%M:%S}"


class AuditSeal(TenantModel):
    """An event's place in its workspace's hash chain. Chained shortly after the commit, in `audit.seal`,
    so that writers of one workspace do not queue behind each other's disk flush."""

    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="seal")
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", "position", name="audit_position_unique")]
        triggers = APPEND_ONLY

    def __str__(self) -> str:
        return f"{self.position}"


class AuditWalk(TenantModel):
    """When a workspace's chain was last walked from its start, and where it broke, if it did."""

    walked_at = models.DateTimeField()
    broken_at_event = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint("workspace", name="audit_walk_once")]

    def __str__(self) -> str:
        return f"Walk of {self.walked_at:%Y-%m-%d %H:%M:%S}"
