"""`manage.py orphans`: the accounts without an Owner, and who is suggested; hands them over when told."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from rotation.departures import orphans
from rotation.models import Orphan
from workspace import people
from workspace.commands import WorkspaceCommand, used_wrongly
from workspace.errors import NotFound
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = "List the accounts whose only Owner is gone, each with a suggested successor; --confirm hands them over."
    example = 'acme --account "Router" --to mei@acme.example --confirm --reason "Asked by the Owner"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="Only this account's, by its name.")
        parser.add_argument("--to", help="Instead of who is suggested: a person by userName, e-mail or id.")
        parser.add_argument("--confirm", action="store_true", help="Hand over what is listed.")
        parser.add_argument("--dry-run", action="store_true", help="List only, whatever else is said.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        if options["to"] and not options["account"]:
            raise used_wrongly("--to needs --account: one person does not get everything by accident.")
        queue = self._queue(workspace, options["account"])
        found = orphans.suggest([orphan.account_id for orphan in queue])
        chosen = people.named(workspace, options["to"]) if options["to"] else None
        successors: dict[UUID, UUID] = {}
        rows = []
        for orphan in queue:
            suggestion = found.get(orphan.account_id)
            successor = chosen or (suggestion.user if suggestion else None)
            if successor is not None:
                successors[orphan.pk] = successor.pk
            rows.append({
                "account": orphan.account.name,
                "former_owner": orphan.former_owner.user_name if orphan.former_owner else None,
                "since": orphan.opened_at,
                "successor": successor.user_name if successor else None,
                "why": "chosen" if chosen else suggestion.why if suggestion else None,
                "held": orphans.is_held(orphan),
            })  # fmt: skip
        dry_run = options["dry_run"] or not options["confirm"]
        done = 0 if dry_run else orphans.confirm_many(workspace, successors, actor=self.actor)
        self.present({"dry_run": dry_run, "handed_over": done, "orphans": rows})
        if dry_run:
            self.note("Nothing was changed.")

    def _queue(self, workspace: Workspace, name: str | None) -> list[Orphan]:
        waiting = orphans.open_orphans(workspace).select_related("account", "former_owner", "offboarding__hold")
        if name:
            waiting = waiting.filter(account__name__iexact=name)
            if not waiting.exists():
                raise NotFound(f"No account called {name} waits for an Owner in {workspace}.")
        return list(waiting.order_by("account__name", "pk"))
