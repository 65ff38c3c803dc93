"""How long the provisioning log is kept."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from scim.models import ProvisioningEvent
from workspace.models import Workspace


def prune(workspace: Workspace, *, days: int | None = None) -> int:
    """Delete the workspace's provisioning events older than `days` (the configured time); how many went."""
    limit = timezone.now() - timedelta(days=settings.PROVISIONING_LOG_DAYS if days is None else days)
    return ProvisioningEvent.objects.for_workspace(workspace).filter(at__lt=limit).delete()[0]
