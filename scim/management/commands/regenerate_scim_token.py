"""`manage.py regenerate_scim_token`: renew a customer's SCIM token once it is certain that an Owner asks for it."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from scim import claims, tokens
from scim.models import ScimToken
from workspace import people
from workspace.commands import WorkspaceCommand
from workspace.models import User, Workspace


class Command(WorkspaceCommand):
    help = (
        "Renew a SCIM token for an Owner who asks. Without --code the Owner is mailed a one-time code; with it (or with"
        " a code of their authenticator app) the Owner can take the new token in the admin for a day. It is made then"
        " and shown to them alone; no command prints it."
    )
    example = (
        'acme "Okta production" --owner ada@acme.example --code 12345678 --overlap-hours 24'
        ' --reason "Ticket 4711, Ada on the phone"'
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("token", help="The token, by its label or id. Never the token itself.")
        parser.add_argument("--owner", required=True, help="The Owner who asks, by e-mail, userName or id.")
        parser.add_argument("--code", help="The code that was mailed, or one of the Owner's authenticator app.")
        parser.add_argument(
            "--overlap-hours", type=int, default=24, help="How long the old token works once the new one is taken. (24)"
        )
        parser.add_argument("--dry-run", action="store_true", help="Show what would happen; mail and change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        token, owner = tokens.named(workspace, options["token"]), people.named(workspace, options["owner"])
        overlap = timedelta(hours=options["overlap_hours"])
        facts = {"token": token.label, "id": token.id, "owner": owner.user_name, "dry_run": options["dry_run"]}
        if options["dry_run"]:
            claims.check(token, owner, overlap)
            self.present({**facts, "would": "prepare the claim" if options["code"] else "mail a code"})
            self.note("Nothing was changed; a code was not looked at.")
        elif options["code"]:
            self.present({**facts, **self._prove(token, owner, options["code"], overlap)})
            self.note(f"{owner.user_name} takes the new token there, after signing in and proving who they are.")
        else:
            tokens.check_overlap(overlap)
            asked = claims.ask(token, owner, actor=self.actor)
            self.present({**facts, "done": "code mailed", "code_valid_until": asked.code_expires_at})
            self.note("Have the Owner tell you the code, and give it with --code. Never read a code out to anybody.")

    def _prove(self, token: ScimToken, owner: User, code: str, overlap: timedelta) -> dict[str, Any]:
        claim = claims.prove(token, owner, code, actor=self.actor, overlap=overlap)
        return {"done": "claim prepared", "claim_until": claim.expires_at, "claim_at": claims.address(token)}
