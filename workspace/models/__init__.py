"""The tables of the ground floor, one module per noun."""

from workspace.models.accounts import (
    Account,
    CharacterClass,
    Grant,
    GrantRole,
    Reveal,
    SecretVersion,
)
from workspace.models.audit import AuditEvent, AuditSeal
from workspace.models.notices import Notice, NoticeKind
from workspace.models.people import ApiKey, Role, Session, Team, TeamMembership, User
from workspace.models.signing import SigningKey
from workspace.models.tenancy import RotationPolicy, TenantModel, TenantQuerySet, Workspace

__all__ = [
    "Account",
    "ApiKey",
    "AuditEvent",
    "AuditSeal",
    "CharacterClass",
    "Grant",
    "GrantRole",
    "Notice",
    "NoticeKind",
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
    "User",
    "Workspace",
]
