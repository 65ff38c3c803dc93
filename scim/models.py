"""The tables of the door: tokens that identity providers come in with."""

from typing import Final, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from workspace.models import TenantModel, TenantQuerySet, User, Workspace, words


class Scope(models.TextChoices):
    """What a token is for (`scim.scopes`)."""

    ALL = "all", "People and teams"
    USERS = "users", "People only"
    GROUPS = "groups", "Teams only"
    READ = "read", "Read only"


UNREVOKED: Final = Q(revoked_at=None)
VALID: Final = UNREVOKED & Q(expires_at__gt=Now())
"""A token that opens something now, by the database's clock."""


class ScimTokenQuerySet(TenantQuerySet["ScimToken"]):
    def valid(self) -> Self:
        return self.filter(VALID)

    def unrevoked(self) -> Self:
        return self.filter(UNREVOKED)


class ScimToken(TenantModel):
    """A bearer token of one workspace's identity provider. Only the SHA-256 digest is stored."""

    label = models.CharField(max_length=80)
    scope = models.CharField(max_length=6, choices=Scope.choices, default=Scope.ALL, db_default=Scope.ALL)
    lookup = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.JSONField(default=dict, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    replaced_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, editable=False, related_name="+")
    last_used_at = models.DateTimeField(null=True, editable=False)
    tested_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, editable=False)

    objects = ScimTokenQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        verbose_name = "SCIM token"
        constraints = [models.CheckConstraint(condition=Q(scope__in=Scope.values), name="token_scope_known")]

    def __str__(self) -> str:
        return self.label

    @property
    def is_valid(self) -> bool:
        """VALID, of a row that was read, by this process's clock."""
        return self.revoked_at is None and self.expires_at > timezone.now()

    @property
    def is_replaced(self) -> bool:
        return self.replaced_by_id is not None


class TokenClaim(TenantModel):
    """An Owner's right to take a new token in the place of one, once they proved to support who they are.

    `code_digest` is of the mailed code, keyed. Without `proved_at` there is nothing to claim yet.
    """

    token = models.ForeignKey(ScimToken, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    overlap_hours = models.PositiveSmallIntegerField(default=0)
    requested_by = models.JSONField(default=dict)
    requested_at = models.DateTimeField(default=timezone.now)
    code_digest = models.BinaryField(max_length=32, null=True)
    code_expires_at = models.DateTimeField(null=True)
    wrong_codes = models.PositiveSmallIntegerField(default=0)
    proved_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Claim of {self.token}"


class People(models.TextChoices):
    """What becomes of the people and teams that a provider managed, when provisioning is switched off."""

    KEEP = "keep", "Keep as they are"
    CONVERT = "convert", "Convert to local"
    DISABLE = "disable", "Disable the people"


class SwitchOff(TenantModel):
    """Provisioning switched off, and how far the work on people and teams is: `done` of about `total`."""

    people = models.CharField("people and teams", max_length=7, choices=People.choices)
    actor = models.JSONField(default=dict)
    tokens = models.PositiveIntegerField("tokens revoked", default=0)
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "switch-off of provisioning"
        verbose_name_plural = "switch-offs of provisioning"
        constraints = [
            models.UniqueConstraint("workspace", condition=Q(finished_at=None), name="switch_off_one_at_a_time")
        ]

    def __str__(self) -> str:
        return f"Provisioning switched off on {self.started_at:%Y-%m-%d}"


class Operation(models.TextChoices):
    """What the provider asked for."""

    CREATE = "create", "Create"
    REPLACE = "replace", "Replace (PUT)"
    MODIFY = "modify", "Modify (PATCH)"
    DELETE = "delete", "Delete"
    READ = "read", "Read"


class ProvisioningEvent(TenantModel):
    """A write by the identity provider, or a request of its that was refused. No bodies, no values, no secrets.

    `attributes` are the names of what changed; `resource_id` the person or team, empty where there was none yet.
    The composite foreign key to the token says all that plain ones would, and each write pays for what is checked.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False, db_index=False
    )
    at = models.DateTimeField(default=timezone.now)
    token = models.ForeignKey(  # found by the index that begins with it
        ScimToken, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    operation = models.CharField(max_length=7, choices=Operation.choices)
    resource_type = models.CharField(max_length=10, blank=True)
    resource_id = models.UUIDField(null=True)
    status = models.PositiveSmallIntegerField()
    scim_type = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=500, blank=True)
    attributes = models.JSONField(default=list)
    duration_ms = models.PositiveIntegerField()
    request_id = models.CharField(max_length=64)

    class Meta:
        verbose_name = "provisioning event"
        indexes = [  # what the log is filtered and searched by, each in the log's order
            models.Index(fields=["workspace", "-at"], name="provisioning_recent"),
            models.Index(fields=["workspace", "-at"], condition=Q(status__gte=400), name="provisioning_refused"),
            models.Index(
                fields=["workspace", "status", "-at"], condition=Q(status__gte=400), name="provisioning_refused_as"
            ),
            models.Index(fields=["resource_id", "-at"], name="provisioning_about"),
            models.Index(fields=["token", "-at"], name="provisioning_token"),
            models.Index(fields=["request_id", "-at"], name="provisioning_request"),
            words.index("detail", name="provisioning_detail", condition=~Q(detail="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_operation_display()} {self.resource_type} → {self.status}"
