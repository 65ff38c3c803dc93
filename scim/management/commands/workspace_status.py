"""`manage.py workspace_status`: how a customer is doing, on one screen."""

from typing import Any

from django.core.management.base import CommandParser

from scim import status
from workspace.commands import WorkspaceCommand
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = (
        "Show a workspace's people, tokens, requests of the last day, open exposures and rotations. Changes nothing;"
        " scim_doctor says what is wrong with provisioning and what to do."
    )
    example = "acme --format json"

    def arguments(self, parser: CommandParser) -> None:
        """None of its own."""

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        self.present(status.of(workspace))
