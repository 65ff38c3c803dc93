"""`manage.py offboard`: end a person's access, and have changed what they could have known."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from rotation.departures import certificate, offboarding
from rotation.departures.exposures import Also
from rotation.departures.standing import tally_of
from rotation.models import Exposure, Offboarding
from workspace import people
from workspace.commands import WorkspaceCommand
from workspace.models import User, Workspace


class Command(WorkspaceCommand):
    help = (
        "End a person's access at once and change the passwords they could have known: those that the workspace's"
        " policy names, and with --also the others."
    )
    example = 'acme ada@acme.example --cause "Left on Friday" --dry-run'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The person, by userName, e-mail or id.")
        parser.add_argument("--cause", required=True, help="Kept with the offboarding.")
        parser.add_argument(
            "--also", choices=[also.value for also in Also if also], default=Also.NOTHING.value,
            help="Change these too, though the policy would leave them: those they looked at, or all.",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="Show what would happen; change nothing.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        user, also = people.named(workspace, options["person"]), Also(options["also"])
        if options["dry_run"]:
            self.present({"dry_run": True, **offboarding.preview(user, also=also).record()})
            self.note("Nothing was changed.")
            return
        started = timezone.now()
        done = offboarding.offboard(user, actor=self.actor, cause=options["cause"], also=also)
        if done is None or done.started_at < started:
            self.note(f"The access of {user.user_name} had ended before; nothing was changed.")
        self.present({**_person(user), "dry_run": False, **_offboarding(done)})


def _person(user: User) -> dict[str, Any]:
    return {"person": user.user_name, "id": user.id}


def _offboarding(done: Offboarding | None) -> dict[str, Any]:
    if done is None:
        return {"offboarding": None, "passwords": []}
    tally = tally_of(done)
    found = Exposure.objects.filter(offboarding=done).select_related("account").order_by("account__name")
    passwords = [
        {
            "account": exposure.account.name,
            "known_since": exposure.known_since,
            "revealed_at": exposure.revealed_at,
            "closed_at": certificate.ended_at(exposure),
            "outcome": exposure.get_outcome_display() or "being changed",
        }
        for exposure in found
    ]
    facts = {
        "started_at": done.started_at, "completed_at": done.completed_at, "orphans": done.orphans.count(),
        "held_until": done.hold.held_until if done.hold and done.hold.decided_at is None else None,
    }  # fmt: skip
    stands = {"state": tally.standing.label, "result": tally.words}
    return {"offboarding": done.id, **stands, **facts, "passwords": passwords}
