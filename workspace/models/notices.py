"""What a workspace's Owners are told of, as rows: written with the act itself, delivered afterwards."""

from typing import Final, TypeAlias

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from workspace.models.people import User
from workspace.models.tenancy import TenantModel, TenantQuerySet, Workspace


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


# Those a workspace chooses from; a test goes to the one endpoint that is tested.
CHOSEN_KINDS: Final = [kind for kind in NoticeKind if kind != NoticeKind.TEST]


def every_kind() -> list[str]:
    return [kind.value for kind in CHOSEN_KINDS]


def _kinds() -> "ArrayField[list[str], list[str]]":
    return ArrayField(models.CharField(max_length=24, choices=NoticeKind.choices), default=every_kind, blank=True)


class NoticeSettings(TenantModel):
    """What a workspace wants to be told by mail, and how long an exposure may stay open before it is told of.

    A workspace without a row has the defaults of these fields.
    """

    mail_kinds = _kinds()
    exposure_hours = models.PositiveSmallIntegerField(
        default=24, validators=[MinValueValidator(1), MaxValueValidator(24 * 90)]
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("workspace", name="notice_settings_once"),
            models.CheckConstraint(
                condition=Q(exposure_hours__gte=1, exposure_hours__lte=24 * 90), name="notice_exposure_hours"
            ),
        ]

    def __str__(self) -> str:
        return f"Notifications of {self.workspace}"

    @classmethod
    def of(cls, workspace: Workspace) -> "NoticeSettings":
        """The workspace's own, or the defaults, not saved."""
        return cls.objects.filter(workspace=workspace).first() or cls(workspace=workspace)


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


class WebhookEndpoint(TenantModel):
    """An address of the workspace's own that is sent its notices, signed (Standard Webhooks).

    `sealed` is the signing secret and `shown_to` who saw it; for a while after it was replaced, the former one signs
    beside it.
    """

    url = models.CharField("URL", max_length=500)
    description = models.CharField(max_length=120, blank=True)
    kinds = _kinds()
    sealed = models.BinaryField(editable=False)
    former_sealed = models.BinaryField(null=True, editable=False)
    former_until = models.DateTimeField(null=True, editable=False)
    shown_to = models.ForeignKey(User, on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_because = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        verbose_name = "webhook endpoint"
        constraints = [
            models.CheckConstraint(
                condition=Q(former_sealed=None, former_until=None)
                | Q(former_sealed__isnull=False, former_until__isnull=False),
                name="webhook_former_until",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url


class DeliveryQuerySet(TenantQuerySet["Delivery"]):
    def waiting(self) -> "DeliveryQuerySet":
        return self.filter(delivered_at=None, given_up_at=None)


class Delivery(TenantModel):
    """One notice on its way to one webhook endpoint, or to one Owner by mail. The table is the queue.

    Taking it counts the attempt and sets the next one, so that a sender that dies costs no more than that attempt.
    `error` says in our words what went wrong; nothing of an answer's body is kept.
    """

    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, null=True, related_name="deliveries")
    recipient = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    response_status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)

    objects = DeliveryQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.CheckConstraint(
                condition=Q(endpoint=None, recipient__isnull=False) | Q(endpoint__isnull=False, recipient=None),
                name="delivery_one_way",
            ),
            models.CheckConstraint(
                condition=Q(delivered_at=None) | Q(given_up_at=None), name="delivery_ends_one_way"
            ),
            models.UniqueConstraint(
                "notice", "endpoint", condition=Q(endpoint__isnull=False), name="delivery_endpoint_once"
            ),
            models.UniqueConstraint(
                "notice", "recipient", condition=Q(recipient__isnull=False), name="delivery_recipient_once"
            ),
        ]
        indexes = [
            models.Index("next_attempt_at", condition=Q(delivered_at=None, given_up_at=None), name="delivery_due"),
            models.Index(F("workspace"), F("created_at").desc(), name="delivery_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.notice} to {self.endpoint or self.recipient}"
