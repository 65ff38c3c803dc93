"""`manage.py purge_workspace`: delete a customer for good, with everything that is theirs."""

from typing import Any

from django.core.management.base import CommandParser

from workspace import erasure
from workspace.commands import WorkspaceCommand, confirm_deletion
from workspace.db.unit_of_work import atomic, roll_back
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = (
        "Delete a workspace for good: people, accounts, stored passwords, history, audit trail. Export the audit trail"
        " first (export_audit): nothing comes back. Asks for the slug, or takes --yes."
    )
    example = 'acme --dry-run --reason "Contract 4711 ended"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument("--despite-people", action="store_true", help="Also while people have access to it.")
        parser.add_argument("--dry-run", action="store_true", help="Show what would go; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        facts = {"workspace": workspace.slug, "id": workspace.id, "dry_run": options["dry_run"]}
        gone = self._rehearse(workspace, options)
        if not options["dry_run"]:
            if not options["yes"]:
                confirm_deletion("slug", workspace.slug, gone)
            gone = erasure.purge(workspace, actor=self.actor, despite_people=options["despite_people"])
        self.present({**facts, "gone": [{"what": what, "how_many": number} for what, number in gone.items()]})
        if options["dry_run"]:
            self.note("Nothing was changed.")

    def _rehearse(self, workspace: Workspace, options: dict[str, Any]) -> dict[str, int]:
        """What the very same verb would delete, or its refusal; taken back."""
        with atomic():
            gone = erasure.purge(workspace, actor=self.actor, despite_people=options["despite_people"])
            roll_back()
        return gone
