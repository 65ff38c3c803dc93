"""`manage.py reset_second_factor`: for the Owner who lost phone and recovery codes, and has no colleague to ask."""

from typing import Any

from django.core.management.base import CommandParser

from workspace import people, second_factor
from workspace.commands import WorkspaceCommand
from workspace.db.unit_of_work import atomic, roll_back
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = (
        "Take away a person's second factor and end their sessions, once it is certain that it is they who ask."
        " The password stays; an Owner sets up a new second factor at the next sign-in."
    )
    example = 'acme ada@acme.example --dry-run --reason "ticket 4711, called back on the number in the contract"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The person, by e-mail, userName or id.")
        parser.add_argument("--dry-run", action="store_true", help="Show whose; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        user = people.named(workspace, options["person"])
        with atomic():
            second_factor.reset(user, actor=self.actor)
            if options["dry_run"]:
                roll_back()
        facts = {"id": user.pk, "user_name": user.user_name, "dry_run": options["dry_run"]}
        self.present({**facts, "second_factor": "would be taken away" if options["dry_run"] else "none"})
        if options["dry_run"]:
            self.note("Nothing was changed.")
