"""The tables of the ground floor, one module per noun."""

from workspace.models.accounts import (
    Account,
    Authenticator,
    CharacterClass,
    Grant,
    GrantRole,
    Reveal,
    SecretVersion,
)
from workspace.models.audit import AuditEvent, AuditSeal, AuditWalk
from workspace.models.directory import DirectoryChange, DirectoryMark
from workspace.models.holdings import Holding, HoldingQuerySet
from workspace.models.losses import AccessLoss, LossKind
from workspace.models.notices import (
    CHOSEN_KINDS,
    Delivery,
    DeliveryQuerySet,
    Notice,
    NoticeKind,
    NoticeSettings,
    WebhookEndpoint,
)
from workspace.models.people import ApiKey, Role, Session, Team, TeamMembership, User
from workspace.models.second_factor import RecoveryCode, TotpDevice
from workspace.models.signing import SigningKey
from workspace.models.tenancy import RotationPolicy, TenantModel, TenantQuerySet, Workspace

__all__ = [
    "CHOSEN_KINDS",
    "AccessLoss",
    "Account",
    "ApiKey",
    "AuditEvent",
    "AuditSeal",
    "AuditWalk",
    "Authenticator",
    "CharacterClass",
    "Delivery",
    "DeliveryQuerySet",
    "DirectoryChange",
    "DirectoryMark",
    "Grant",
    "GrantRole",
    "Holding",
    "HoldingQuerySet",
    "LossKind",
    "Notice",
    "NoticeKind",
    "NoticeSettings",
    "RecoveryCode",
    "Reveal",
    "Role",
    "RotationPolicy",
    "SecretVersion",
    "Session",
    "SigningKey",
    "Team",
    "TeamMembership",
    "TenantModel",
    "TenantQuerySet",
    "TotpDevice",
    "User",
    "WebhookEndpoint",
    "Workspace",
]
