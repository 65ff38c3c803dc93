"""`manage.py verify_audit`: whether the audit trail is as it was written."""

from typing import Any

from django.core.management.base import CommandParser

from workspace import audit
from workspace.commands import WorkspaceCommand
from workspace.errors import Refused
from workspace.models import AuditEvent, AuditSeal, Workspace


class Command(WorkspaceCommand):
    help = "Chain the newest events and check every link of the workspace's audit trail. Exit code 1 when it is broken."
    example = "acme --format json"

    def arguments(self, parser: CommandParser) -> None:
        pass

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        while audit.seal(workspace):
            pass
        broken = audit.verify(workspace)
        self.present(
            {
                "intact": broken is None,
                "links": AuditSeal.objects.for_workspace(workspace).count(),
                "not_chained_yet": AuditEvent.objects.for_workspace(workspace).filter(seal=None).count(),
                "broken_at_event": broken.event if broken else None,
                "why": broken.why if broken else "",
            }
        )
        if broken:
            raise Refused(f"The audit trail of {workspace} is broken at event {broken.event}: {broken.why}.")
