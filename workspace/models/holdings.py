"""Who holds which account: rows of the ledger's view, which nothing writes."""

from django.db import models
from django.db.models import F

from workspace.models.accounts import Account, Grant, GrantRole
from workspace.models.people import Team, User
from workspace.models.tenancy import TenantQuerySet, Workspace


class HoldingQuerySet(TenantQuerySet["Holding"]):
    """Holdings, in the terms of `workspace.vault.ledger`."""

    def reaching(self) -> "HoldingQuerySet":
        """By which somebody reaches an account now."""
        return self.filter(reaches=True)

    def live(self) -> "HoldingQuerySet":
        """Those that nothing has ended in writing; some may be past their time."""
        return self.filter(is_live=True)

    def own_first(self) -> "HoldingQuerySet":
        """A person's own before those through teams, by the teams' names."""
        return self.select_related("team").order_by(F("team__display_name").asc(nulls_first=True), "since")


class Holding(models.Model):
    """A span in which a person held an account, by a grant of their own or as a member of a `team` that had one.

    It begins at `since` and is over at `until` (None: no end is known). `ended_at` is when it was ended, `expires_at`
    when it ends by itself; `grant_…` is of the grant alone, `left_at` when the person left the team.
    """

    pk = models.CompositePrimaryKey("grant", "user", "since")
    workspace = models.ForeignKey(Workspace, on_delete=models.DO_NOTHING, related_name="+")
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="holdings")
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, related_name="holdings")
    grant = models.ForeignKey(Grant, on_delete=models.DO_NOTHING, related_name="holdings")
    team = models.ForeignKey(Team, on_delete=models.DO_NOTHING, null=True, related_name="holdings")
    role = models.CharField(max_length=12, choices=GrantRole.choices)
    since = models.DateTimeField()
    grant_ended_at = models.DateTimeField(null=True)
    grant_expires_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200)
    is_live = models.BooleanField()
    reaches = models.BooleanField()

    objects = HoldingQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "workspace_holding"

    def __str__(self) -> str:
        through = f", through the team {self.team}" if self.team else ""
        return f"{self.user}: {self.get_role_display()} of {self.account}{through}"
