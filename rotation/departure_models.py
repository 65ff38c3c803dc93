"""The tables of what departures lead to beside rotations: removals of many people, losses of access, orphans."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspace.models import Account, Grant, Team, TenantModel, User


class Decision(models.TextChoices):
    """What became of the question whether so many people were meant to leave."""

    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled: it was a mistake"
    TIMED_OUT = "timed_out", "Nobody answered in time; it went on"


class MassRemoval(TenantModel):
    """So many departures at once that they may be a mistake: access has ended, what is hard to undo waits.

    `removed` of `people` had left when it was noticed; the departures themselves name it as their `hold`.
    """

    removed = models.PositiveIntegerField()
    people = models.PositiveIntegerField()
    opened_at = models.DateTimeField(default=timezone.now)
    held_until = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.JSONField(null=True)
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)

    class Meta:
        verbose_name = "mass removal"
        constraints = [
            models.UniqueConstraint("workspace", condition=Q(decided_at=None), name="mass_removal_one_open"),
            models.CheckConstraint(
                condition=Q(decided_at=None, decision="") | Q(decided_at__isnull=False) & ~Q(decision=""),
                name="mass_removal_decided_how",
            ),
        ]

    def __str__(self) -> str:
        return f"Removal of many people on {self.opened_at:%Y-%m-%d at %H:%M} UTC"


class LossKind(models.TextChoices):
    """How people lose access without leaving."""

    GRANT_ENDED = "grant_ended", "A grant ended"
    GRANT_EXPIRED = "grant_expired", "A grant expired"
    ROLE_LOST = "role_lost", "A role on an account was lost"
    TEAM_LEFT = "team_left", "People left a team"
    TEAM_DISBANDED = "team_disbanded", "A team was disbanded"


class AccessLoss(TenantModel):
    """That people who stay lost access. Written in the act itself; what follows from it, is settled soon after.

    `people` are those who lost it, or nobody: then all who were in the team at the time. Settled without anything to
    change, the row goes; so those that are kept are the ones whose exposures say what was changed.
    """

    kind = models.CharField(max_length=14, choices=LossKind.choices)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, related_name="+")
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, null=True, related_name="+")
    people = ArrayField(models.UUIDField(), default=list)
    cause = models.CharField(max_length=200)
    actor = models.JSONField()
    at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "loss of access"
        verbose_name_plural = "losses of access"
        constraints = [
            models.CheckConstraint(condition=Q(team__isnull=False) | Q(grant__isnull=False), name="loss_of_something")
        ]
        indexes = [models.Index("at", condition=Q(settled_at=None), name="loss_to_settle")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.cause}"


class OrphanOutcome(models.TextChoices):
    """How an account got an Owner again."""

    HANDED_OVER = "handed_over", "Handed over"
    OWNED_AGAIN = "owned_again", "Somebody owns it again"
    ARCHIVED = "archived", "The account was archived"


class Orphan(TenantModel):
    """That an account's only Owner is gone. It stays with the Workspace Owners until somebody confirms a successor."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orphanhoods")
    former_owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    offboarding = models.ForeignKey("rotation.Offboarding", on_delete=models.PROTECT, null=True, related_name="orphans")
    opened_at = models.DateTimeField(default=timezone.now)
    successor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.JSONField(null=True)
    outcome = models.CharField(max_length=12, choices=OrphanOutcome.choices, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("account", condition=Q(settled_at=None), name="orphan_once"),
            models.CheckConstraint(
                condition=Q(settled_at=None, outcome="") | Q(settled_at__isnull=False) & ~Q(outcome=""),
                name="orphan_settled_how",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} without an Owner"
