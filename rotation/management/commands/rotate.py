"""`manage.py rotate`: have the passwords of accounts changed now."""

from typing import Any

from django.core.management.base import CommandParser

from rotation import jobs
from rotation.models import RotationJob
from workspace.commands import WorkspaceCommand
from workspace.errors import NotFound, Refused
from workspace.models import Account, Workspace


class Command(WorkspaceCommand):
    help = "Rotate accounts of the workspace now, by their names. What is under way already is left as it is."
    example = 'acme "Reporting database" Cache --reason "Ticket 4711: seen in a screenshot"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="+", help="An account, by its name.")
        parser.add_argument("--dry-run", action="store_true", help="Show which; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        found = [_account(workspace, name) for name in options["account"]]
        accounts = {account.pk: account for account in found}.values()
        cause = f"On demand: {options['reason']}" if options["reason"] else "On demand"
        rows = [self._rotate(account, cause, dry_run=options["dry_run"]) for account in accounts]
        self.present({"dry_run": options["dry_run"], "rotations": rows})
        if options["dry_run"]:
            self.note("Nothing was changed.")
        elif not any(row["id"] for row in rows):
            raise Refused("Nothing was begun.")

    def _rotate(self, account: Account, cause: str, *, dry_run: bool) -> dict[str, Any]:
        job, result = RotationJob.objects.live().filter(account=account).first(), "would be rotated"
        if not dry_run:
            try:
                job, result = jobs.on_demand(account, actor=self.actor, cause=cause), "is being rotated"
            except Refused as error:
                job, result = None, error.detail
        return {
            "account": account.name, "privileged": account.is_privileged, "id": job.pk if job else None,
            "state": job.state if job else None, "result": result,
        }  # fmt: skip


def _account(workspace: Workspace, name: str) -> Account:
    account = Account.objects.for_workspace(workspace).filter(name__iexact=name, archived_at=None).first()
    if account is None:
        raise NotFound(f"{workspace} has no account called {name}.")
    return account
