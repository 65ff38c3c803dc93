"""`manage.py export_audit`: the audit trail as a file, each event with its place in the chain."""

import sys
from argparse import ArgumentTypeError
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandParser

from workspace import audit
from workspace.audit import Verb
from workspace.commands import WorkspaceCommand
from workspace.errors import Refused
from workspace.models import Workspace

PROGRESS_EVERY = 10_000


class Command(WorkspaceCommand):
    help = (
        "Write the workspace's audit trail as JSON lines, oldest first: each event as the chain hashes it, with its"
        " position and SHA-256, so that the file can be checked by itself (docs/security.md)."
    )
    example = "acme --since 2026-01-01 --until 2026-04-01 --output acme-q1.jsonl"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_moment, help="From this day or moment on (UTC).")
        parser.add_argument("--until", type=_moment, help="Before this day or moment (UTC).")
        parser.add_argument("--output", type=Path, help="The file to write. Unset: standard output.")

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        with _opened(options["output"], self.stdout) as out:
            number = 0
            for event in audit.export(workspace, since=options["since"], until=options["until"]):
                out.write(audit.line(event))
                number += 1
                if number % PROGRESS_EVERY == 0 and sys.stderr.isatty():
                    self.note(f"{number} events")
        audit.record(workspace, Verb.AUDIT_EXPORTED, workspace, actor=self.actor, events=number)
        self.note(f"{number} events written.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"{text} is no day and no moment. Write 2026-01-31 or 2026-01-31T12:00:00Z."
        raise ArgumentTypeError(sentence) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _opened(path: Path | None, otherwise: Any) -> Any:
    if path is None:
        return nullcontext(otherwise)
    try:
        file: TextIO = path.open("w", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    return file
