"""`manage.py purge_user`: delete a person's data for good, at the customer's request."""

from typing import Any

from django.core.management.base import CommandParser

from scim import erasure
from workspace import people
from workspace.commands import WorkspaceCommand, confirm_deletion
from workspace.db.unit_of_work import atomic, roll_back
from workspace.models import User, Workspace

STAYS = "audit trail, grants, memberships and offboardings, under a pseudonym"


class Command(WorkspaceCommand):
    help = (
        "Delete a disabled person's data for good. What others need to account for the past stays, under a pseudonym."
        " Asks for the userName, or takes --yes."
    )
    example = 'acme ada@acme.example --dry-run --reason "Erasure request 4711"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The person, by userName, e-mail or id.")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--despite-exposures", action="store_true",
            help="Also while passwords the person could have known are not proved dead.",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="Show what would go; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        user, despite = people.named(workspace, options["person"]), options["despite_exposures"]
        name, gone = user.user_name, self._rehearse(user, despite_exposures=despite)
        if not options["dry_run"]:
            if not options["yes"]:
                confirm_deletion("userName", name, gone)
            gone = erasure.purge(user, actor=self.actor, despite_exposures=despite)
        self.present(
            {
                "person": name,
                "id": user.id,
                "dry_run": options["dry_run"],
                "stays": STAYS,
                "gone": [{"what": what, "how_many": number} for what, number in gone.items()],
            }
        )
        if options["dry_run"]:
            self.note("Nothing was changed.")

    def _rehearse(self, user: User, *, despite_exposures: bool) -> dict[str, int]:
        """What the very same verb would delete, or its refusal; taken back."""
        with atomic():
            gone = erasure.purge(user, actor=self.actor, despite_exposures=despite_exposures)
            roll_back()
        return gone
