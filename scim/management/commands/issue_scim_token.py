"""`manage.py issue_scim_token`: what an identity provider comes in with."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from scim import tokens
from scim.models import Scope
from workspace.commands import WorkspaceCommand, used_wrongly
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = "Issue a SCIM token for the workspace's identity provider."
    example = 'acme --label "Okta production" --scope all --days 365 --show-token'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--label", required=True, help="What people will recognise the token by.")
        parser.add_argument(
            "--days", type=int, default=None, help=f"How long it lasts, in days. ({settings.SCIM_TOKEN_DAYS})"
        )
        parser.add_argument("--scope", choices=Scope.values, default=Scope.ALL, help="What it is for. (all)")
        parser.add_argument("--show-token", action="store_true", help="Print the token, once. Required.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        if not options["show_token"]:
            raise used_wrongly(
                "A token is shown once, when it is issued, so one that is not shown is of no use to anybody."
                " Give --show-token where nobody looks over your shoulder, or let an Owner issue it in the admin."
            )
        token, text = tokens.issue(
            workspace, options["label"], actor=self.actor, days=options["days"], scope=options["scope"]
        )
        self.present(
            {
                "id": token.id,
                "label": token.label,
                "scope": token.scope,
                "expires_at": token.expires_at,
                "scim_base_url": f"{settings.BASE_URL}/scim/v2/",
                "token": text.reveal(),
            }
        )
