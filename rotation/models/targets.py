"""The tables of what is known about targets: how they fare, what was asked of them, whether the passwords still fit."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from workspace.models import Account, TenantModel


class TargetHealth(TenantModel):
    """How one target of a workspace answers. `key` names it: its connector and its address.

    Open (`opened_at`) is the breaker: the target did not answer several times running, or asked to be left alone.
    Then one job at a time may try it, from `probe_at` on.
    """

    key = models.CharField(max_length=300)
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure_detail = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "target"
        constraints = [
            models.UniqueConstraint("workspace", "key", name="target_once"),
            models.CheckConstraint(
                condition=Q(opened_at=None) | Q(probe_at__isnull=False), name="target_open_is_probed"
            ),
        ]

    def __str__(self) -> str:
        return self.key


class FailedLogins(TenantModel):
    """How many failed logins we caused on an account since its last success, the last of them at `paid_at`.

    Targets lock logins after a few, so rotations and checks share one budget.
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="failed_logins")
    count = models.PositiveIntegerField(default=0)
    paid_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "failed logins"

    def __str__(self) -> str:
        return f"{self.count} failed logins of {self.account}"


class Verdict(models.TextChoices):
    """What came of checking the stored password on the target."""

    UNCHECKED = "unchecked", "Not checked yet"
    GOOD = "good", "Accepted by the target"
    DRIFT = "drift", "Rejected by the target"
    UNREACHABLE = "unreachable", "The target did not answer"
    UNPROVED = "unproved", "Could not be checked"


class Verification(TenantModel):
    """The regular check of an account's stored password. `verified_at` is when it was last accepted, `drifted_at`
    since when it is known to be rejected (empty: it is not). Due from `due_at` on."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="verification")
    verdict = models.CharField(max_length=11, choices=Verdict.choices, default=Verdict.UNCHECKED)
    detail = models.CharField(max_length=500, blank=True)
    checked_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    drifted_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=timezone.now)
    announced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict=Verdict.DRIFT, drifted_at__isnull=False) | ~Q(verdict=Verdict.DRIFT),
                name="verification_drifted_since",
            ),
        ]
        indexes = [models.Index(F("due_at"), name="verification_due")]

    def __str__(self) -> str:
        return f"{self.account}: {self.get_verdict_display()}"
