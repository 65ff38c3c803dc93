"""`manage.py scim_doctor`: why a customer's provisioning fails."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from scim import doctor
from scim.doctor import Level
from workspace.commands import REFUSED, WorkspaceCommand
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = (
        "Examine what stands between a workspace and its identity provider: address, TLS, clock, tokens, refused"
        " requests by cause, names, groups. Says what to do. Exit code 1 when something is wrong."
    )
    example = "acme"

    def arguments(self, parser: CommandParser) -> None:
        """None of its own."""

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        findings = doctor.examine(workspace)
        self.present(
            {
                "workspace": workspace.slug,
                "findings": [
                    {"level": item.level.value, "check": item.check, "found": item.found, "advice": item.advice}
                    for item in findings
                ],
            }
        )
        wrong = sum(item.level is Level.WRONG for item in findings)
        if wrong:
            raise CommandError(f"{wrong} thing(s) are wrong; the advice stands beside each.", returncode=REFUSED)
