"""`manage.py revoke_scim_token`: shut the door on an identity provider."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from workspace.commands import WorkspaceCommand
from workspace.errors import Conflict, NotFound
from workspace.models import Workspace


class Command(WorkspaceCommand):
    help = "Revoke a SCIM token. It is refused from now on; people and teams stay as they are."
    example = 'acme "Okta production"'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("token", help="The token, by its label or id. Never the token itself.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        token = _find(workspace, options["token"])
        was_valid = token.revoked_at is None
        tokens.revoke(token, actor=self.actor)
        token.refresh_from_db()
        self.present({"id": token.id, "label": token.label, "revoked_at": token.revoked_at})
        if not was_valid:
            self.note("The token had been revoked before; nothing was changed.")


def _find(workspace: Workspace, text: str) -> ScimToken:
    """By id, or by the label among the tokens that work, else not revoked, else all. Raises NotFound, Conflict."""
    every = ScimToken.objects.for_workspace(workspace)
    try:
        found = list(every.filter(pk=UUID(text)))
    except ValueError:
        labelled = every.filter(label=text)
        unrevoked = labelled.filter(revoked_at=None)
        working = unrevoked.filter(expires_at__gt=timezone.now())
        found = list(working) or list(unrevoked) or list(labelled.order_by("-revoked_at")[:1])
    if not found:
        raise NotFound(f"{workspace} has no SCIM token with that label or id.")
    if len(found) > 1:
        ids = ", ".join(str(token.id) for token in found)
        raise Conflict(f"{len(found)} tokens have this label. Give the id: {ids}.")
    return found[0]
