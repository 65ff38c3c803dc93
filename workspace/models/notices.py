"""What a workspace's Owners are told of, as rows: written with the act itself, delivered afterwards."""

from typing import TypeAlias

from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspace.models.tenancy import TenantModel, TenantQuerySet


class NoticeKind(models.TextChoices):
    """What there is to tell. The value is the `type` of a webhook's payload."""

    ROTATION_NEEDS_HUMAN = "rotation_needs_human", "A rotation needs a person"
    EXPOSURE_OPEN_LONG = "exposure_open_long", "An exposure stays open"
    ORPHAN = "orphan", "An account lost its last owner"
    TOKEN_EXPIRING = "token_expiring", "A SCIM token expires soon"
    TOKEN_REFUSED = "token_refused", "A SCIM token was refused"
    MASS_REMOVAL = "mass_removal", "Many people lost access at once"
    AUDIT_BROKEN = "audit_broken", "The audit chain is broken"
    CERTIFICATE_READY = "certificate_ready", "A certificate is ready"
    TEST = "test", "A test"


class NoticeQuerySet(TenantQuerySet["Notice"]):
    """Notices by where they are between told and settled."""

    def open(self) -> "NoticeQuerySet":
        return self.filter(resolved_at=None)

    def undispatched(self) -> "NoticeQuerySet":
        return self.filter(dispatched_at=None, resolved_at=None)


class Notice(TenantModel):
    """One thing that the Owners should know, about one subject.

    Whoever tells only inserts, so that no act waits for another that tells the same. That one notice a kind and
    subject is open at a time is held where deliveries are made of it (`dispatched_at`).
    """

    Kind: TypeAlias = NoticeKind

    kind = models.CharField(max_length=24, choices=NoticeKind.choices)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    summary = models.CharField(max_length=300)
    facts = models.JSONField(default=dict)
    told_at = models.DateTimeField(default=timezone.now)
    dispatched_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "workspace", "kind", "subject_id", condition=Q(dispatched_at__isnull=False, resolved_at=None),
                name="notice_open_once",
            ),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="notice_kind_known"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["workspace", "-told_at"], name="notice_recent"),
            models.Index("kind", "subject_id", condition=Q(resolved_at=None), name="notice_open"),
            models.Index("told_at", condition=Q(dispatched_at=None, resolved_at=None), name="notice_undispatched"),
        ]

    def __str__(self) -> str:
        return self.summary
