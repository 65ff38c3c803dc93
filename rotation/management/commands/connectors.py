"""`manage.py connectors`: what this installation can change passwords on, and what of it is broken."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from rotation.connectors import REGISTRY
from workspace.commands import REFUSED, SupportCommand


class Command(SupportCommand):
    help = "List the connectors, ours and those of other packages. Exit status 1 when one cannot be used."
    example = "--format json"
    requires_system_checks = []

    def arguments(self, parser: CommandParser) -> None:
        """None of its own."""

    def perform(self, options: dict[str, Any]) -> None:
        broken = REGISTRY.broken()
        usable = [
            {
                "key": key, "label": kind.label, "package": REGISTRY.package(key) or "Cerby",
                "changes_itself": kind.capabilities.self_change, "reset_by_admin": kind.capabilities.admin_reset,
                "closes_sessions": kind.capabilities.closes_sessions, "verifies": kind.capabilities.can_verify,
            }
            for key, kind in sorted(REGISTRY.items())
        ]  # fmt: skip
        left_out = [{"key": each.key, "package": each.package, "reason": each.reason} for each in broken]
        self.present({"connectors": usable, "broken": left_out})
        if broken:
            raise CommandError(f"{len(broken)} connector(s) cannot be used.", returncode=REFUSED)
