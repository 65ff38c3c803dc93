"""Losses of access by people who stay."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspace.models.accounts import Grant
from workspace.models.people import Team
from workspace.models.tenancy import TenantModel


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
        app_label = "rotation"  # whose table, migrations, permissions and addresses it keeps
        verbose_name = "loss of access"
        verbose_name_plural = "losses of access"
        constraints = [
            models.CheckConstraint(condition=Q(team__isnull=False) | Q(grant__isnull=False), name="loss_of_something")
        ]
        indexes = [models.Index("at", condition=Q(settled_at=None), name="loss_to_settle")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.cause}"
