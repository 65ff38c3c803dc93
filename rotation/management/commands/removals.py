"""`manage.py removals`: the removals of many people that wait for an answer; answers one when told."""

from typing import Any

from django.core.management.base import CommandParser

from rotation.departures import safeguard
from rotation.models import MassRemoval
from workspace.commands import WorkspaceCommand, used_wrongly
from workspace.errors import NotFound
from workspace.models import Workspace

SHOWN = 20


class Command(WorkspaceCommand):
    help = (
        "List the removals of many people at once, newest first. --answer says whether they were meant to leave:"
        " “confirm” begins their rotations, “cancel” calls them off."
    )
    example = 'acme --answer cancel --reason "Ticket 4711: a wrong group rule in Okta"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--answer", choices=("confirm", "cancel"), help="Answer the one that waits.")
        parser.add_argument("--removal", help="Instead of the one that waits: another, by its id.")
        parser.add_argument("--dry-run", action="store_true", help="Show which; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        if options["removal"] and not options["answer"]:
            raise used_wrongly("--removal says which one to answer; give --answer as well.")
        dry_run, done = options["dry_run"] or not options["answer"], None
        found = safeguard.listed(workspace)
        if options["answer"]:
            removal = self._chosen(workspace, options["removal"])
            found = found.filter(pk=removal.pk)
            if not dry_run:
                done = safeguard.answer(removal, options["answer"], actor=self.actor)
        rows = [safeguard.record(row) for row in found[:SHOWN]]
        self.present({"dry_run": dry_run, "rotations": done, "removals": rows})
        if dry_run:
            self.note("Nothing was changed.")

    def _chosen(self, workspace: Workspace, removal_id: str | None) -> MassRemoval:
        if removal_id:
            return safeguard.find(workspace, removal_id)
        waiting = safeguard.still_held(workspace).first()
        if waiting is None:
            raise NotFound(f"No removal of many people waits for an answer in {workspace}.")
        return waiting
