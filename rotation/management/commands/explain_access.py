"""`manage.py explain_access`: why a person can, or could, use an account, and what they saw of it."""

from typing import Any

from django.core.management.base import CommandParser

from rotation import explanation
from workspace import people
from workspace.commands import WorkspaceCommand
from workspace.errors import NotFound
from workspace.models import Account, Workspace


class Command(WorkspaceCommand):
    help = "Every grant and membership by which a person had an account, past and present, and what they revealed."
    example = 'acme ada@acme.example "Reporting database"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The person, by userName, e-mail or id.")
        parser.add_argument("account", help="The account, by its name.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        user = people.named(workspace, options["person"])
        named = Account.objects.for_workspace(workspace).filter(name__iexact=options["account"])
        account = named.order_by("-archived_at").first()
        if account is None:
            raise NotFound(f"{workspace} has no account called {options['account']}.")
        self.present(explanation.record(user, account))
