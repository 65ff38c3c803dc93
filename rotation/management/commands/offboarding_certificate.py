"""`manage.py offboarding_certificate`: the signed certificate of a departure, for an auditor."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from rotation.departures import certificate
from rotation.departures.standing import Standing
from rotation.models import Offboarding
from workspace import people
from workspace.commands import WorkspaceCommand
from workspace.errors import NotFound, Refused
from workspace.models import User, Workspace


class Command(WorkspaceCommand):
    help = "Print the signed certificate of a person's latest offboarding, or write it to a file. It holds no password."
    example = "acme ada@acme.example --output ada.certificate.json"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("person", help="The person, by userName, e-mail or id.")
        parser.add_argument("--output", type=Path, help="The file to write. Unset: standard output.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        issued = certificate.issue(_latest(people.named(workspace, options["person"])), actor=self.actor)
        if file := options["output"]:
            _write(file, json.dumps(issued, indent=2) + "\n")
            self.note(f"Written to {file}. Check it with: manage.py verify_certificate {file}")
        elif self.as_json:
            self.present(issued)
        else:
            self.present(_summary(issued["certificate"]))


def _latest(user: User) -> Offboarding:
    found = Offboarding.objects.filter(user=user).select_related("workspace", "user").order_by("-started_at").first()
    if found is None:
        raise NotFound(f"{user.user_name} was never offboarded.")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error


def _summary(document: dict[str, Any]) -> dict[str, Any]:
    accounts = [
        {
            "account": item["name"],
            "known_version": item["known"]["version"],
            "outcome": item["outcome"],
            "seconds": _seconds(item["exposure"]["seconds"]),
            "new_version": item["proof"]["new_version"] if item["proof"] else None,
        }
        for item in document["accounts"]
    ]
    times = {name: document[name] for name in ("access_ended_at", "completed_at")}
    figures = {f"exposure_{name}_s": _seconds(span) for name, span in document["figures"]["exposure_seconds"].items()}
    summary = document["summary"]
    return {
        "person": document["person"]["userName"], "state": Standing(summary["state"]).label, "result": summary["text"],
        **times, "measured": document["figures"]["measured"], **figures, "accounts": accounts,
    }  # fmt: skip


def _seconds(span: float | None) -> str:
    return "not measured" if span is None else f"{span:.1f}"
