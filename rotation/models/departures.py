"""The tables of departures: what the person could have known, removals of many people, orphans."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from workspace.models import AccessLoss, Account, SecretVersion, TenantModel, TenantQuerySet, User, Workspace


class Offboarding(TenantModel):
    """One departure of one person. Closed (`completed_at`) with its last exposure; whether all of these were proved
    dead is told by `departures.standing`."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="offboardings")
    cause = models.CharField(max_length=200)
    actor = models.JSONField()
    started_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    hold = models.ForeignKey("MassRemoval", on_delete=models.PROTECT, null=True, related_name="offboardings")

    class Meta:
        indexes = [models.Index("workspace", "started_at", name="offboarding_recent")]

    def __str__(self) -> str:
        return f"Offboarding of {self.user}"


class Outcome(models.TextChoices):
    """How an exposure ended."""

    PROVED_DEAD = "proved_dead", "Password proved dead"
    CHANGED_BY_HAND = "changed_by_hand", "Changed by hand"
    TARGETS_WORD = "targets_word", "Changed, on the target's word"
    LEFT_BY_POLICY = "left_by_policy", "Left by the workspace's policy"
    RISK_ACCEPTED = "risk_accepted", "Risk accepted for a time"
    RESTORED = "restored", "The person was let in again"


class ExposureQuerySet(TenantQuerySet["Exposure"]):
    def open(self) -> "ExposureQuerySet":
        return self.filter(closed_at=None)

    def unended(self) -> "ExposureQuerySet":
        """Those whose password may be alive: open, accepted for a time, or left by the workspace's policy."""
        return self.filter(Q(closed_at=None) | Q(outcome__in=(Outcome.RISK_ACCEPTED, Outcome.LEFT_BY_POLICY)))


class Exposure(TenantModel):
    """That a person who left, or lost access, could have known a password that may still be alive.

    It belongs to one offboarding or to one loss of access. `version` is the newest version of the account's password
    they could have known, `known_since` when they first could, `revealed_at` when they first looked (empty: they never
    did), `closed_by` the rotation that ended it. Somebody may have accepted (`accepted_…`) the risk until a date, when
    it opens again, or that the target's word is all the proof there is.
    """

    # A departure writes as many as it takes while Okta waits. Composite foreign keys say all that these would, and
    # more: (workspace, account, version) is a version, (workspace, user, offboarding) an offboarding; with a loss it
    # is (workspace, loss) and (workspace, user). No index where another one begins with the column.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False, db_index=False
    )
    offboarding = models.ForeignKey(
        Offboarding, on_delete=models.PROTECT, null=True, related_name="exposures", db_constraint=False, db_index=False
    )
    loss = models.ForeignKey(
        AccessLoss, on_delete=models.PROTECT, null=True, related_name="exposures", db_constraint=False, db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="exposures", db_constraint=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="exposures", db_constraint=False)
    version = models.ForeignKey(
        SecretVersion, on_delete=models.PROTECT, related_name="exposures", db_constraint=False, db_index=False
    )
    known_since = models.DateTimeField()
    revealed_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(
        "RotationJob", on_delete=models.PROTECT, null=True, related_name="closed_exposures", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    accepted_by = models.JSONField(null=True)
    accepted_until = models.DateTimeField(null=True)
    accepted_reason = models.CharField(max_length=300, blank=True)

    objects = ExposureQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        constraints = [
            models.UniqueConstraint("offboarding", "account", name="exposure_once"),
            models.UniqueConstraint(
                fields=["loss", "user", "account"], condition=Q(loss__isnull=False), name="exposure_once_a_loss"
            ),
            models.CheckConstraint(
                condition=Q(offboarding__isnull=False, loss=None) | Q(offboarding=None, loss__isnull=False),
                name="exposure_has_one_origin",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, outcome="") | Q(closed_at__isnull=False) & ~Q(outcome=""),
                name="exposure_closed_with_outcome",
            ),
            models.CheckConstraint(
                condition=~Q(outcome=Outcome.RISK_ACCEPTED)
                | Q(accepted_until__isnull=False, accepted_by__isnull=False),
                name="exposure_accepted_by_somebody",
            ),
        ]
        indexes = [
            models.Index("workspace", "opened_at", name="exposure_recent"),
            models.Index("account", condition=Q(closed_at=None), name="exposure_open"),
            models.Index("closed_by", condition=Q(closed_by__isnull=False), name="exposure_closed_by"),
            models.Index("accepted_until", condition=Q(outcome=Outcome.RISK_ACCEPTED), name="exposure_accepted"),
        ]

    def __str__(self) -> str:
        return f"{self.account} known to {self.user}"


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
