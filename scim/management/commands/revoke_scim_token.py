"""`manage.py revoke_scim_token`: shut the door on an identity provider."""

from typing import Any

from django.core.management.base import CommandParser

from scim import tokens
from workspace.commands import WorkspaceCommand
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = "Revoke a SCIM token. It is refused from now on; people and teams stay as they are."
    example = 'acme "Okta production" --dry-run --reason "Leaked, ticket 4711"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("token", help="The token, by its label or id. Never the token itself.")
        parser.add_argument("--dry-run", action="store_true", help="Show which; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        token = tokens.named(workspace, options["token"])
        was_valid = token.revoked_at is None
        if not options["dry_run"]:
            tokens.revoke(token, actor=self.actor)
            token.refresh_from_db()
        self.present(
            {
                "id": token.id, "label": token.label, "scope": token.scope, "expires_at": token.expires_at,
                "last_used_at": token.last_used_at, "last_used_from": token.last_used_from,
                "revoked_at": token.revoked_at, "dry_run": options["dry_run"],
            }
        )  # fmt: skip
        if not was_valid:
            self.note("The token had been revoked before; nothing was changed.")
        elif options["dry_run"]:
            self.note("Nothing was changed.")
