"""Shared accounts, each password they ever had, who may use them, and who saw one."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Substr
from django.utils import timezone

from workspace.models import words
from workspace.models.people import Team, User
from workspace.models.tenancy import TenantModel, TenantQuerySet, Workspace


class CharacterClass(models.TextChoices):
    """Classes a password policy may require; each one named occurs at least once."""

    LOWER = "lower", "Lower-case letters"
    UPPER = "upper", "Upper-case letters"
    DIGIT = "digit", "Digits"
    SYMBOL = "symbol", "Symbols"


def default_classes() -> list[str]:
    return [CharacterClass.LOWER, CharacterClass.UPPER, CharacterClass.DIGIT]


class Account(TenantModel):
    """A login that several people share.

    `connector` is a key of `rotation.connectors`; `target` holds that connector's settings (no secrets).
    `pointed_by` is who last said where passwords are sent: what is sent there counts as known to them.
    `admin_account` is an account on the same target whose password may reset this one. `password_rules` are in Apple's
    passwordrules syntax and narrow the other `password_…` fields. `lockout_budget` is how many failed logins running we
    may cause (empty: what the connector says), `verify_every_hours` how often the stored password is checked (empty: as
    the workspace says, 0: never), `rotate_every_days` how old a password may become (empty: as the workspace says of
    privileged accounts, 0: as old as it likes).
    """

    name = models.CharField(max_length=120)
    username = models.CharField(max_length=254, blank=True)
    connector = models.CharField(max_length=40, default="by_hand")
    target = models.JSONField(default=dict, blank=True)
    is_privileged = models.BooleanField(
        "privileged", default=False, help_text="A departure changes the password of every privileged account."
    )
    pointed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    admin_account = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="administered"
    )
    password_length = models.PositiveSmallIntegerField(
        default=32, validators=[MinValueValidator(8), MaxValueValidator(128)]
    )
    password_classes = ArrayField(
        models.CharField(max_length=6, choices=CharacterClass.choices), default=default_classes
    )
    password_excluded = models.CharField(
        max_length=64, blank=True, help_text="Characters that the target does not accept."
    )
    password_rules = models.CharField(max_length=500, blank=True)
    lockout_budget = models.PositiveSmallIntegerField(null=True, blank=True)
    verify_every_hours = models.PositiveSmallIntegerField(null=True, blank=True)
    rotate_every_days = models.PositiveSmallIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                F("workspace"), Lower("name"), condition=Q(archived_at=None), name="account_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(password_length__gte=8, password_length__lte=128), name="account_password_length"
            ),
            models.CheckConstraint(condition=~Q(admin_account=F("id")), name="account_not_its_own_admin"),
        ]
        indexes = [
            models.Index(
                "workspace", condition=Q(rotate_every_days__isnull=False, archived_at=None), name="account_on_schedule"
            ),
            words.index("name", "username", name="account_words"),
        ]

    def __str__(self) -> str:
        return self.name


class SecretVersionQuerySet(TenantQuerySet["SecretVersion"]):
    """Versions by what people may see of them."""

    def current(self) -> "SecretVersionQuerySet":
        """Those people are shown now: at most one an account."""
        return self.filter(visible_from__isnull=False, visible_until__isnull=True)

    def candidates(self) -> "SecretVersionQuerySet":
        """Sealed and committed, perhaps set on the target already, shown to nobody yet."""
        return self.filter(visible_from__isnull=True)

    def possibly_alive(self) -> "SecretVersionQuerySet":
        return self.filter(proved_dead_at__isnull=True)


class SecretVersion(TenantModel):
    """A password an account has, had or may have had, sealed for exactly this row."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    sealed = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    visible_from = models.DateTimeField(null=True)
    visible_until = models.DateTimeField(null=True)
    proved_dead_at = models.DateTimeField(null=True)

    objects = SecretVersionQuerySet.as_manager()  # type: ignore[misc]  # narrows TenantModel's

    class Meta:
        constraints = [
            models.UniqueConstraint("account", "number", name="secret_version_number"),
            models.UniqueConstraint(
                "account",
                condition=Q(visible_from__isnull=False, visible_until=None),
                name="secret_version_one_current",
            ),
            models.CheckConstraint(
                condition=Q(visible_until=None) | Q(visible_from__isnull=False), name="secret_version_visibility"
            ),
        ]
        indexes = [models.Index(Substr("sealed", 2, 4), name="secret_version_key_id")]  # `workspace.key_ids`

    def __str__(self) -> str:
        return f"version {self.number} of {self.account}"

    @property
    def is_shown(self) -> bool:
        """Whether it is the one that people are shown."""
        return self.visible_from is not None and self.visible_until is None


class Authenticator(TenantModel):
    """What makes an account's one-time codes (RFC 6238), sealed for exactly this row.

    `last_step` is the time step of the last code that was handed out; none is handed out for it or an earlier one.
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="authenticator")
    sealed = models.BinaryField()
    digits = models.PositiveSmallIntegerField(default=6)
    period = models.PositiveSmallIntegerField(default=30)
    algorithm = models.CharField(max_length=6, default="SHA1")
    last_step = models.PositiveBigIntegerField(default=0)
    enrolled_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(period__gte=1, period__lte=300), name="authenticator_period"),
        ]
        indexes = [models.Index(Substr("sealed", 2, 4), name="authenticator_key_id")]  # `workspace.key_ids`

    def __str__(self) -> str:
        return f"authenticator of {self.account}"


class GrantRole(models.TextChoices):
    """What a grant lets its holder do with the account."""

    OWNER = "owner", "Owner"
    MANAGER = "manager", "Manager"
    COLLABORATOR = "collaborator", "Collaborator"


class Grant(TenantModel):
    """A person's or a team's use of an account. Grants end; they are never deleted.

    A guest's grant has an `expires_at`: from then on it lets nobody in, and the sweep writes its end down.
    """

    # A departure ends as many as it takes while Okta waits, and each index is written again for each of them. Composite
    # foreign keys hold the rows to their workspace; (workspace, id), which one refers to, begins with the workspace.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="grants", db_constraint=False)
    user = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="grants", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="grants", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    role = models.CharField(max_length=12, choices=GrantRole.choices, default=GrantRole.COLLABORATOR)
    granted_at = models.DateTimeField(default=timezone.now, editable=False)
    granted_by = models.JSONField(default=dict, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, editable=False)
    end_reason = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None, team__isnull=False) | Q(user__isnull=False, team=None),
                name="grant_names_one",
            ),
            models.UniqueConstraint(
                "account", "user", condition=Q(ended_at=None, user__isnull=False), name="grant_user_once"
            ),
            models.UniqueConstraint(
                "account", "team", condition=Q(ended_at=None, team__isnull=False), name="grant_team_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("granted_at")), name="grant_ends_after_start"
            ),
        ]
        indexes = [
            models.Index(
                "expires_at", condition=Q(ended_at=None, expires_at__isnull=False), name="grant_expiring"
            ),
            models.Index("ended_at", condition=Q(role=GrantRole.OWNER), name="grant_owner_ended"),
            models.Index("user", condition=Q(user__isnull=False), name="grant_of_user"),
            models.Index("team", condition=Q(team__isnull=False), name="grant_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.holder}: {self.get_role_display()} of {self.account}"

    @property
    def holder(self) -> Any:
        return self.user or self.team


class Reveal(TenantModel):
    """That a person knows a version of a password: they were shown it, or typed it in."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reveals")
    version = models.ForeignKey(SecretVersion, on_delete=models.PROTECT, related_name="reveals")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reveals")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index("user", "version", name="reveal_user_version")]

    def __str__(self) -> str:
        return f"{self.user} saw {self.version}"
