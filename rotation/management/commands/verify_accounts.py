"""`manage.py verify_accounts`: ask every target whether the stored passwords are in force, as after a restore."""

from typing import Any

from django.core.management.base import CommandParser

from rotation import connectors, verification
from rotation.models import Verdict
from workspace.commands import WorkspaceCommand
from workspace.errors import NotFound
from workspace.models import Account, SecretVersion, Workspace


class Command(WorkspaceCommand):
    help = "Check now whether the stored passwords are in force on their targets. After a restore from a backup."
    example = "acme --drifted"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="Only this account, by its name.")
        parser.add_argument("--drifted", action="store_true", help="List only what is not in force.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        found = _checkable(workspace)
        if options["account"]:
            found = found.filter(name__iexact=options["account"])
            if not found.exists():
                raise NotFound(f"{workspace} has no account called {options['account']} that could be checked.")
        rows = [self._check(account) for account in found.iterator()]
        counts = {verdict.value: sum(row["verdict"] == verdict.label for row in rows) for verdict in Verdict}
        listed = [row for row in rows if row["verdict"] != Verdict.GOOD.label or not options["drifted"]]
        self.present({"checked": len(rows), **counts, "accounts": listed})
        if counts[Verdict.DRIFT]:
            self.note("Adopt or reset what is rejected: on the account's page, or with an admin account by a rotation.")

    def _check(self, account: Account) -> dict[str, Any]:
        row = verification.check(account)
        return {
            "account": account.name,
            "verdict": row.get_verdict_display(),
            "verified_at": row.verified_at,
            "drifted_at": row.drifted_at,
            "detail": row.detail,
        }


def _checkable(workspace: Workspace) -> Any:
    """The accounts on targets that can be asked, with a stored password."""
    askable = [key for key, kind in connectors.REGISTRY.items() if kind.capabilities.can_verify]
    stored = SecretVersion.objects.current().for_workspace(workspace).values("account")
    accounts = Account.objects.for_workspace(workspace).filter(archived_at=None, connector__in=askable, pk__in=stored)
    return accounts.select_related("workspace").order_by("name")
