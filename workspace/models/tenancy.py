"""The tenant, and what every row that belongs to one has in common."""

from typing import Generic, Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from uuid_utils.compat import uuid7


class RotationPolicy(models.TextChoices):
    """Which accounts are rotated, of those whose password somebody could have known who must not any more."""

    PRIVILEGED = "privileged", "Privileged accounts"
    ALL = "all", "All accounts the person could have known"
    REVEALED = "revealed", "Accounts whose password the person revealed"
    NONE = "none", "None"


class Workspace(models.Model):
    """A customer. Everything else carries one.

    `rotation_policy` is for departures, `rotate_on_access_loss` for people who stay and lose access. More than
    `mass_removal_percent` of the people, and at least `mass_removal_people`, gone within the window: what is hard to
    undo is held.

    Rotations on a schedule begin between the hours `rotation_window_from` and `rotation_window_until` of `time_zone`
    (IANA), over midnight where the second is the smaller; both the same: at any time. `target_hosts` are the hosts that
    targets may be on (`workspace.hosts`), none meaning any. `rotate_every_days` is how old the password of a privileged
    account may become that says nothing of it itself (empty: as old as it likes).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    slug = models.CharField(
        max_length=60,
        validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", "Lower-case letters, digits, hyphens.")],
    )
    rotation_policy = models.CharField(
        max_length=12, choices=RotationPolicy.choices, default=RotationPolicy.PRIVILEGED
    )
    rotate_on_access_loss = models.CharField(
        max_length=12, choices=RotationPolicy.choices, default=RotationPolicy.PRIVILEGED,
        db_default=RotationPolicy.PRIVILEGED,
    )  # fmt: skip
    mass_removal_people = models.PositiveSmallIntegerField(default=10, db_default=10)
    mass_removal_percent = models.PositiveSmallIntegerField(default=20, db_default=20)
    mass_removal_window_minutes = models.PositiveSmallIntegerField(default=60, db_default=60)
    mass_removal_hold_minutes = models.PositiveSmallIntegerField(default=60, db_default=60)
    provider_assigns_owner = models.BooleanField(
        "the identity provider may make Owners",
        default=False,
        help_text="Let roles sent over SCIM make and unmake Owners. Off: that is done here.",
    )
    verify_every_hours = models.PositiveSmallIntegerField(
        default=24, help_text="How often stored passwords are checked on their targets. 0: never."
    )
    time_zone = models.CharField(max_length=63, default="UTC")
    rotate_every_days = models.PositiveSmallIntegerField(null=True, blank=True)
    rotation_window_from = models.PositiveSmallIntegerField(default=0)
    rotation_window_until = models.PositiveSmallIntegerField(default=0)
    target_hosts = ArrayField(models.CharField(max_length=253), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("slug"), name="workspace_slug_unique"),
            models.CheckConstraint(
                condition=models.Q(rotation_window_from__lt=24, rotation_window_until__lt=24),
                name="workspace_rotation_window",
            ),
            models.CheckConstraint(
                condition=models.Q(mass_removal_percent__lte=100, mass_removal_people__gte=1),
                name="workspace_mass_removal",
            ),
        ]

    def __str__(self) -> str:
        return self.name


Row = TypeVar("Row", bound=models.Model, covariant=True)


class TenantQuerySet(models.QuerySet[Row], Generic[Row]):
    """Every read starts at `.for_workspace(workspace)`."""

    def for_workspace(self, workspace: Workspace) -> Self:
        return self.filter(workspace=workspace)


class TenantModel(models.Model):
    """A row that belongs to one workspace. UUIDv7 keys (RFC 9562) keep inserts at the index's right edge."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, editable=False, related_name="+")

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True
