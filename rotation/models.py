"""The tables of a departure: the offboarding, what the person could have known, and the rotations it takes."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from rotation.states import FINISHED, JobState
from workspace.models import Account, SecretVersion, TenantModel, TenantQuerySet, User, Workspace


class Offboarding(TenantModel):
    """One departure of one person. Complete when its last exposure is closed."""

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
        """Those whose password may be alive and is to die: open, or closed for a time on somebody's word."""
        return self.filter(Q(closed_at=None) | Q(outcome=Outcome.RISK_ACCEPTED))


class Exposure(TenantModel):
    """That a person who left, or lost access, could have known a password that may still be alive.

    It belongs to one offboarding or to one loss of access. `version` is the newest version of the account's password
    they could have known, `known_since` when they first could, `revealed_at` when they first looked (empty: they never
    did), `closed_by` the rotation that ended it. Somebody may have accepted (`accepted_…`) the risk until a date, when
    it opens again, or that the target's word is all the proof there is.
    """

    # A departure writes as many as it takes while Okta waits. Its rows are held to their workspace by composite foreign
    # keys, which say all that these would; indexes are left out where another one begins with the column.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False
    )
    offboarding = models.ForeignKey(
        Offboarding, on_delete=models.PROTECT, null=True, related_name="exposures", db_constraint=False, db_index=False
    )
    loss = models.ForeignKey(
        "AccessLoss", on_delete=models.PROTECT, null=True, related_name="exposures", db_constraint=False, db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="exposures", db_constraint=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="exposures", db_constraint=False)
    version = models.ForeignKey(SecretVersion, on_delete=models.PROTECT, related_name="exposures", db_constraint=False)
    known_since = models.DateTimeField()
    revealed_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(
        "RotationJob", on_delete=models.PROTECT, null=True, related_name="closed_exposures", db_index=False
    )
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
            models.Index("account", condition=Q(closed_at=None), name="exposure_open"),
            models.Index("closed_by", condition=Q(closed_by__isnull=False), name="exposure_closed_by"),
            models.Index("accepted_until", condition=Q(outcome=Outcome.RISK_ACCEPTED), name="exposure_accepted"),
        ]

    def __str__(self) -> str:
        return f"{self.account} known to {self.user}"


class RotationJobQuerySet(TenantQuerySet["RotationJob"]):
    def live(self) -> "RotationJobQuerySet":
        return self.exclude(state__in=FINISHED)


class RotationJob(TenantModel):
    """A change of one account's password, from wanted to proved. The table is the queue.

    A worker holds a job until `lease_until`; `fence` counts the leases, and a worker whose fence is not the
    present one changes nothing. `resume_state` is where a waiting job goes on. `target` is the key of where the login
    lives, for what is limited per target. `exposures` open ones of the account made it urgent when it was last wanted.

    What was proved, and when: `new_accepted_at` (a fresh login with the candidate), `canary_rejected_at` (one with a
    random password), `truncated_rejected_at` (one with the candidate minus its last character, where that is asked),
    `old_rejected_at` (the last of the older versions), `sessions_closed_at`. Each is the time of the target's answer;
    the steps say it once more with the versions' numbers.

    One that came of a removal of many people is taken by nobody before `held_until`.
    """

    workspace = models.ForeignKey(  # as with Exposure
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="rotation_jobs", db_constraint=False)
    cause = models.CharField(max_length=200)
    state = models.CharField(max_length=15, choices=JobState.choices, default=JobState.QUEUED)
    resume_state = models.CharField(max_length=15, choices=JobState.choices, blank=True)
    candidate = models.ForeignKey(
        SecretVersion, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    priority = models.PositiveSmallIntegerField(default=1)
    exposures = models.PositiveIntegerField(default=0)
    target = models.CharField(max_length=300, blank=True)
    requested_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    woken_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=120, blank=True)
    fence = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    policy_refusals = models.PositiveSmallIntegerField(default=0)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_detail = models.CharField(max_length=500, blank=True)
    hold = models.ForeignKey("MassRemoval", on_delete=models.PROTECT, null=True, related_name="jobs", db_index=False)
    held_until = models.DateTimeField(null=True)
    admin_version = models.ForeignKey(
        SecretVersion, on_delete=models.PROTECT, null=True, related_name="+", db_index=False,
        help_text="The admin account's password that the target rejected.",
    )  # fmt: skip
    asked_at = models.DateTimeField(null=True)
    new_accepted_at = models.DateTimeField(null=True)
    canary_rejected_at = models.DateTimeField(null=True)
    truncated_rejected_at = models.DateTimeField(null=True)
    old_rejected_at = models.DateTimeField(null=True)
    sessions_closed_at = models.DateTimeField(null=True)
    sessions_closed = models.PositiveIntegerField(default=0)
    follow_ups = models.JSONField(default=list)
    finished_at = models.DateTimeField(null=True)

    objects = RotationJobQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        verbose_name = "rotation"
        constraints = [
            models.UniqueConstraint(
                "account", condition=~Q(state__in=FINISHED), name="rotation_one_live_job"
            ),
            models.CheckConstraint(
                condition=Q(state=JobState.WAITING) & ~Q(resume_state="") | ~Q(state=JobState.WAITING),
                name="rotation_waiting_resumes",
            ),
        ]
        indexes = [
            models.Index(
                "priority", F("exposures").desc(), "requested_at",
                condition=~Q(state__in=(*FINISHED, JobState.NEEDS_HUMAN)),
                name="rotation_due",
            ),
            models.Index("candidate", condition=Q(candidate__isnull=False), name="rotation_candidate"),
            models.Index("admin_version", condition=Q(admin_version__isnull=False), name="rotation_admin_version"),
            models.Index("hold", condition=Q(hold__isnull=False), name="rotation_hold"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"Rotation of {self.account}"

    @property
    def is_live(self) -> bool:
        return self.state not in FINISHED


class RotationStep(TenantModel):
    """One move of a job, with the fence of the lease that made it. Appended in the move's own transaction.

    `facts` is what the target answered, for the certificate: `accepted` and `rejected` list version numbers,
    `canary` and `truncated` say "rejected", `sessions` counts those closed.
    """

    job = models.ForeignKey(RotationJob, on_delete=models.PROTECT, related_name="steps")
    fence = models.PositiveIntegerField()
    from_state = models.CharField(max_length=15, choices=JobState.choices)
    to_state = models.CharField(max_length=15, choices=JobState.choices)
    note = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "id"]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_from_state_display()} → {self.get_to_state_display()}"


from rotation.departure_models import (  # noqa: E402  # Django looks here
    AccessLoss,
    Decision,
    LossKind,
    MassRemoval,
    Orphan,
    OrphanOutcome,
)
from rotation.target_models import FailedLogins, TargetHealth, Verification  # noqa: E402

__all__ = [
    "AccessLoss", "Decision", "Exposure", "ExposureQuerySet", "FailedLogins", "LossKind", "MassRemoval", "Offboarding",
    "Orphan", "OrphanOutcome", "Outcome", "RotationJob", "RotationJobQuerySet", "RotationStep", "TargetHealth",
    "Verification",
]  # fmt: skip
