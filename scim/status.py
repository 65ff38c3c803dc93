"""How a workspace is doing, in figures: what support looks at first."""

from datetime import timedelta
from typing import Any, Final

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import JobState
from scim.models import ProvisioningEvent, ScimToken
from workspace.models import Account, AuditEvent, AuditSeal, Role, Team, User, Workspace

LATELY: Final = timedelta(days=1)


def of(workspace: Workspace) -> dict[str, Any]:
    """People, accounts, provisioning, departures, rotations by state, tokens, the audit trail."""
    return {
        "workspace": workspace.slug,
        "name": workspace.name,
        "created_at": workspace.created_at,
        "rotation_policy": workspace.get_rotation_policy_display(),
        **_people(workspace),
        "accounts": Account.objects.for_workspace(workspace).filter(archived_at=None).count(),
        "teams": Team.objects.for_workspace(workspace).filter(disbanded_at=None).count(),
        **_provisioning(workspace),
        **_departures(workspace),
        **_trail(workspace),
        "rotations": _rotations(workspace),
        "tokens": _tokens(workspace),
    }


def _people(workspace: Workspace) -> dict[str, Any]:
    active = Q(is_active=True)
    return User.objects.for_workspace(workspace).filter(purged_at=None).aggregate(
        people_active=Count("pk", filter=active),
        people_disabled=Count("pk", filter=~active),
        people_from_the_provider=Count("pk", filter=active & Q(provisioned_at__isnull=False)),
        owners=Count("pk", filter=active & Q(role=Role.OWNER)),
    )  # fmt: skip


def _provisioning(workspace: Workspace) -> dict[str, Any]:
    lately = ProvisioningEvent.objects.for_workspace(workspace).filter(at__gte=timezone.now() - LATELY)
    counted = lately.aggregate(
        writes_of_the_last_day=Count("pk", filter=Q(status__lt=400)),
        refusals_of_the_last_day=Count("pk", filter=Q(status__gte=400)),
    )
    last = ScimToken.objects.for_workspace(workspace).aggregate(last=Max("last_used_at"))["last"]
    return {"last_scim_request_at": last, **counted}


def _departures(workspace: Workspace) -> dict[str, Any]:
    exposures = Exposure.objects.for_workspace(workspace).open()
    return {
        "offboardings_open": Offboarding.objects.for_workspace(workspace).filter(completed_at=None).count(),
        **exposures.aggregate(exposures_open=Count("pk"), oldest_exposure_at=Min("opened_at")),
    }


def _trail(workspace: Workspace) -> dict[str, Any]:
    return {
        "audit_events": AuditEvent.objects.for_workspace(workspace).count(),
        "audit_events_chained": AuditSeal.objects.for_workspace(workspace).count(),
    }


def _rotations(workspace: Workspace) -> list[dict[str, Any]]:
    counted = RotationJob.objects.for_workspace(workspace).values("state").annotate(number=Count("pk"))
    numbers = {row["state"]: row["number"] for row in counted}
    return [{"state": state.label, "how_many": numbers[state]} for state in JobState if state in numbers]


def _tokens(workspace: Workspace) -> list[dict[str, Any]]:
    tokens = ScimToken.objects.for_workspace(workspace).unrevoked().order_by("expires_at")
    return [
        {
            "label": token.label, "scope": token.scope, "valid": token.is_valid, "expires_at": token.expires_at,
            "last_used_at": token.last_used_at, "last_used_from": token.last_used_from,
        }
        for token in tokens
    ]  # fmt: skip
