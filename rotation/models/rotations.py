"""The tables of rotations: the job, which is the queue, and each step it took."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from rotation.states import FINISHED, JobState
from workspace.models import Account, SecretVersion, TenantModel, TenantQuerySet, Workspace


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
        SecretVersion, on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
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
    hold = models.ForeignKey(
        "MassRemoval", on_delete=models.PROTECT, null=True, related_name="jobs", db_constraint=False, db_index=False
    )
    held_until = models.DateTimeField(null=True)
    admin_version = models.ForeignKey(
        SecretVersion, on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False,
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
            models.Index("workspace", "target", condition=Q(lease_until__isnull=False), name="rotation_running"),
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
    `canary` and `truncated` say "rejected", `sessions` counts those closed. Where a person took the target's word,
    `word` has who (`by`) and why (`reason`).
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
