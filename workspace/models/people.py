"""People, the teams they are in, and what lets them in: sessions and API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import pgtrigger
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Lower, Now
from django.db.models.lookups import Exact
from django.utils import timezone
from uuid_utils.compat import uuid7

from workspace import statements
from workspace.models import directory, words
from workspace.models.tenancy import TenantModel, TenantQuerySet, Workspace

_APART: Final = ~Q(email="") & ~Q(Exact(Lower("user_name"), Lower("email")))
# People with access whom their identity provider calls by another name than their e-mail address. Nothing breaks by
# it, but an Owner should know: the product asks for one name everywhere.
NAMED_APART: Final = _APART & Q(is_active=True, provisioned_at__isnull=False)
HAS_ACCESS: Final = "(is_active AND (expires_at IS NULL OR expires_at > statement_timestamp()))"
"""SQL: whether somebody of `workspace_user` is let in now; as `with_access`."""


def with_access(person: str = "") -> Q:
    """That somebody (`person` is the path to them, such as "user__") is let in: active, and before the end of a guest's
    time, at which it is over. The database's clock decides, whatever the machine's own says."""
    before_their_end = Q(**{f"{person}expires_at": None}) | Q(**{f"{person}expires_at__gt": Now()})
    return Q(**{f"{person}is_active": True}) & before_their_end



class Role(models.TextChoices):
    """What a person may do in the workspace itself; what they may do with an account is a Grant."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"


# `owner_since` follows the role, whoever changes it and how.
OWNER_SINCE: Final = [
    pgtrigger.Trigger(
        name="begins_as_owner", when=pgtrigger.Before, operation=pgtrigger.Insert,
        condition=pgtrigger.Condition("NEW.role = 'owner'"), func="NEW.owner_since = now(); RETURN NEW;",
    ),
    pgtrigger.Trigger(
        name="owner_since", when=pgtrigger.Before, operation=pgtrigger.UpdateOf("role"),
        condition=pgtrigger.Condition("NEW.role = 'owner' OR OLD.role = 'owner'"),
        func="""
            NEW.owner_since = CASE WHEN NEW.role <> 'owner' THEN NULL WHEN OLD.role <> 'owner' THEN now()
                                   ELSE coalesce(NEW.owner_since, OLD.owner_since) END;
            RETURN NEW;
        """,
    ),
]  # fmt: skip


class UserQuerySet(TenantQuerySet["User"]):
    """People, in the terms the product speaks of them."""

    def present(self) -> "UserQuerySet":
        """All who exist for anybody: active and disabled, but not those whose data was purged."""
        return self.filter(purged_at__isnull=True)

    def listed(self) -> "UserQuerySet":
        """All whom the identity provider still sees: a SCIM DELETE delists, a new create brings back."""
        return self.filter(delisted_at__isnull=True, purged_at__isnull=True)

    def active(self) -> "UserQuerySet":
        """All who are let in now."""
        return self.filter(with_access())

    def named_apart(self) -> "UserQuerySet":
        """People with access whose userName, as the identity provider has it, is not their e-mail address."""
        return self.filter(NAMED_APART)

    def named(self, user_name: str) -> "UserQuerySet":
        """By userName in any letter case (RFC 7643 section 4.1.1: caseExact false), on the unique index."""
        return self.annotate(_user_name=Lower("user_name")).filter(_user_name=user_name.lower())

    def with_email(self, email: str) -> "UserQuerySet":
        return self.annotate(_email=Lower("email")).filter(_email=email.lower())


class User(AbstractBaseUser):
    """One person in one workspace. `id` is the SCIM id. Platform staff have no workspace.

    `attributes` keeps the SCIM attributes that have no column of their own, as the provider sent them.
    `provisioned_at` says since when an identity provider owns the profile; `adopted_at` the same of a person who
    was here before.
    A guest has an `expires_at`, when their access ends by itself.
    A purged person keeps the row as a pseudonym, so that history still points somewhere.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(  # found by the indexes that begin with it
        Workspace, on_delete=models.PROTECT, null=True, editable=False, related_name="+", db_index=False
    )
    user_name = models.CharField("userName", max_length=254)
    email = models.EmailField("e-mail", max_length=254, blank=True)
    given_name = models.CharField(max_length=254, blank=True)
    family_name = models.CharField(max_length=254, blank=True)
    display_name = models.CharField(max_length=254, blank=True)
    external_id = models.CharField("externalId", max_length=254, blank=True)
    attributes = models.JSONField(default=dict, blank=True, editable=False)
    role = models.CharField(max_length=6, choices=Role.choices, default=Role.MEMBER)
    owner_since = models.DateTimeField(null=True, editable=False)  # kept by a trigger, whoever changes the role
    is_active = models.BooleanField("active", default=True)
    provisioned_at = models.DateTimeField(null=True, editable=False)
    adopted_at = models.DateTimeField(null=True, editable=False)
    deactivated_at = models.DateTimeField(null=True, editable=False)
    deactivated_by = models.JSONField(null=True, editable=False)
    expires_at = models.DateTimeField(null=True, editable=False)
    delisted_at = models.DateTimeField(null=True, editable=False)
    purged_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "id"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    NAMES: ClassVar[tuple[str, ...]] = ("user_name", "email", "given_name", "family_name", "display_name")

    teams: Sequence[Sequence[str]] | None = None
    """Id and name of those the person is in, where they were read together with the person."""

    objects = UserQuerySet.as_manager()  # people come from workspace.people, so there is no create_user

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(F("workspace"), Lower("user_name"), name="user_name_unique"),
            models.UniqueConstraint(
                F("workspace"), Lower("email"), condition=~Q(email=""), name="user_email_unique"
            ),
            models.UniqueConstraint(
                Lower("user_name"), condition=Q(workspace=None), name="user_platform_name_unique"
            ),
            models.CheckConstraint(
                condition=Q(is_active=True) | Q(deactivated_at__isnull=False), name="user_inactive_since"
            ),
            models.CheckConstraint(
                condition=Q(delisted_at=None) | Q(is_active=False), name="user_delisted_is_inactive"
            ),
            models.CheckConstraint(
                condition=Q(purged_at=None) | Q(is_active=False, email="", external_id=""), name="user_purged_is_blank"
            ),
        ]
        indexes = [
            models.Index("workspace", "external_id", name="user_external_id"),
            models.Index("workspace", "id", condition=Q(delisted_at=None, purged_at=None), name="user_page"),
            models.Index("workspace", condition=_APART, name="user_named_apart"),
            words.index("user_name", "email", "given_name", "family_name", "display_name", name="user_words"),
            # Of every address that a provider sent, in lower case: what `emails.value eq "…"` is found by.
            GinIndex(
                OpClass(
                    Cast(Lower(Cast(KeyTransform("emails", "attributes"), models.TextField())), models.JSONField()),
                    name="jsonb_path_ops",
                ),
                name="user_emails",
            ),
            # Without is_active, which departures and returns change: no index has to follow them.
            models.Index("expires_at", condition=Q(expires_at__isnull=False), name="user_expiring"),
        ]
        triggers = [*directory.TRIGGERS, *OWNER_SINCE]

    def __str__(self) -> str:
        return self.get_full_name() or self.user_name

    @property
    def is_named_apart(self) -> bool:
        """As NAMED_APART."""
        differs = bool(self.email) and self.email.lower() != self.user_name.lower()
        return differs and self.is_active and self.provisioned_at is not None

    def get_username(self) -> str:
        return self.user_name

    def get_full_name(self) -> str:
        return self.display_name or f"{self.given_name} {self.family_name}".strip()

    @property
    def is_platform_staff(self) -> bool:
        return self.workspace_id is None

    @property
    def has_access(self) -> bool:
        """Whether the person is let in now, as `with_access`. Of a guest the database is asked; `is_active` says only
        that nothing has written the end down yet."""
        return self.pk in let_in([self])

    @property
    def is_owner(self) -> bool:
        return self.role == Role.OWNER and not self.is_platform_staff and self.has_access

    @property
    def is_staff(self) -> bool:
        """Who reaches the admin: Owners into their workspace, platform staff into all."""
        return self.has_access if self.is_platform_staff else self.is_owner

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """The admin's own classes decide what an Owner may do with a page (`workspace/admin.py`)."""
        return self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff


class Team(TenantModel):
    """A SCIM Group, or a team made here. A disbanded team stays for its history and frees its name."""

    display_name = models.CharField("displayName", max_length=254)
    external_id = models.CharField("externalId", max_length=254, blank=True)
    attributes = models.JSONField(default=dict, blank=True, editable=False)
    provisioned_at = models.DateTimeField(null=True, editable=False)
    disbanded_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                F("workspace"), Lower("display_name"), condition=Q(disbanded_at=None), name="team_name_unique"
            ),
        ]
        indexes = [
            models.Index("workspace", "external_id", name="team_external_id"),
            models.Index("workspace", "id", name="team_page"),
            words.index("display_name", name="team_words"),
        ]

    def __str__(self) -> str:
        return self.display_name


class TeamMembership(TenantModel):
    """A person in a team from `joined_at` until `left_at`. Ended rows are the ledger and are kept.

    The composite foreign keys (`workspace.composite_keys`) say all that plain ones would: with a thousand members
    joining at once, each that is checked beside them takes as long as the writing.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, editable=False, related_name="+", db_constraint=False, db_index=False
    )
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="memberships", db_constraint=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships", db_constraint=False)
    joined_at = models.DateTimeField(default=timezone.now)
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "user", condition=Q(left_at=None), name="membership_once"),
            models.CheckConstraint(
                condition=Q(left_at=None) | Q(left_at__gte=F("joined_at")), name="membership_ends_after_start"
            ),
        ]
        indexes = [models.Index("left_at", condition=Q(left_at__isnull=False), name="membership_left")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class ApiKey(TenantModel):
    """A person's key to the API. Only the SHA-256 digest is stored; it ends with the person's access."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(max_length=80)
    lookup = models.CharField(max_length=16, unique=True)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.label


class Session(AbstractBaseSession):
    """A browser session, with its person in a column so that a departure ends them all in one statement.

    The browser's cookie holds the key, the row its SHA-256 digest alone (`workspace.sessions.digest`). `began_at` is
    the sign-in, `seen_at` the latest request to within some minutes, with where it came from.
    """

    session_key = None  # type: ignore[assignment]  # Django's column would hold the key itself
    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    began_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta(AbstractBaseSession.Meta):
        constraints = [models.CheckConstraint(condition=Q(digest__regex="^[0-9a-f]{64}$"), name="session_is_digest")]

    def __str__(self) -> str:
        return self.digest

    @classmethod
    def get_session_store_class(cls) -> Any:
        from workspace.sessions import SessionStore  # the store needs this model

        return SessionStore


def let_in(users: Sequence[User]) -> set[UUID]:
    """Those of these people who are let in now, as `with_access`. The database's clock is asked if one is a guest."""
    active = [user for user in users if user.is_active]
    now = _database_time() if any(user.expires_at for user in active) else timezone.now()
    return {user.pk for user in active if user.expires_at is None or user.expires_at > now}


def _database_time() -> datetime:
    found: datetime = statements.rows("SELECT statement_timestamp()")[0][0]
    return found


def user_id_of(session: dict[str, Any]) -> UUID | None:
    """The signed-in person's id in a decoded session, as django.contrib.auth stores it."""
    value = session.get("_auth_user_id")
    return UUID(str(value)) if value else None
