"""What the support desk's commands share: who did it and why, one way to print, one set of exit codes.

Exit codes: 0 done, 1 refused or not found (the sentence is on standard error), 2 used wrongly.
"""

import json
import os
import pwd
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter

from workspace import tenancy
from workspace.audit import Actor
from workspace.errors import CerbyError, Refused
from workspace.models import Workspace

EXIT_CODES: Final = "exit codes:\n  0 done, 1 refused or not found (why is on standard error), 2 used wrongly"
REFUSED: Final = 1
USAGE: Final = 2

Record = Mapping[str, Any]


class SupportCommand(BaseCommand):
    """A command of the support desk. Subclasses say `example`, `arguments` and `perform`.

    `perform` calls verbs with `self.actor`, prints by `self.present`, tells by `self.note`, and lets our errors pass.
    """

    example: ClassVar[str]
    actor: Actor

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        epilog = f"example:\n  {prog_name} {subcommand} {self.example}\n\n{EXIT_CODES}"
        parser = super().create_parser(prog_name, subcommand, epilog=epilog, **kwargs)
        parser.formatter_class = _ExampleAsWritten
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("table", "json"), default="table", help="How to print. (table)")
        parser.add_argument("--reason", default="", help="Why, for the audit trail: a ticket, the customer's request.")
        self.arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        command = type(self).__module__.rpartition(".")[2]
        self.actor = Actor.command(command, operator=operator(), reason=options["reason"])
        self.as_json = options["format"] == "json"
        try:
            self.perform(options)
        except CerbyError as error:
            raise CommandError(error.detail, returncode=REFUSED) from error

    def arguments(self, parser: CommandParser) -> None:
        """The arguments beside `--format` and `--reason`."""
        raise NotImplementedError

    def perform(self, options: dict[str, Any]) -> None:
        raise NotImplementedError

    def present(self, record: Record) -> None:
        """Print one record; lists of records in it become tables of their own."""
        self.stdout.write(json.dumps(record, default=_plain, indent=2) if self.as_json else "\n".join(_lines(record)))

    def note(self, sentence: str) -> None:
        """Tell the person at the terminal; standard output stays for programs."""
        self.stderr.write(sentence, lambda text: text)


class WorkspaceCommand(SupportCommand):
    """A command on one workspace, named by its slug; nothing of another workspace is in its reach."""

    workspace: Workspace

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="The workspace, by its slug.")
        super().add_arguments(parser)

    def perform(self, options: dict[str, Any]) -> None:
        self.workspace = tenancy.find(options["slug"])
        self.perform_in(self.workspace, options)

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        raise NotImplementedError


def operator() -> str:
    """The operating system's user, and who logged in where that is somebody else ("ada as root").

    Asked from the system, not from the environment, which anybody could set.
    """
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # containers run under numbers without a name
        account = f"uid {os.getuid()}"
    try:
        login = os.getlogin()
    except OSError:  # no terminal: a scheduler, a container
        return account
    return account if login == account else f"{login} as {account}"


def used_wrongly(sentence: str) -> CommandError:
    """To raise for arguments that make no sense together."""
    return CommandError(sentence, returncode=USAGE)


def confirm_deletion(what: str, name: str, gone: Mapping[str, int]) -> None:
    """Have the name typed of what is deleted. Raises Refused for anything else, and where nobody could be asked."""
    if not sys.stdin.isatty():
        raise Refused("Nobody is here to confirm. Give --yes to delete without being asked.")
    listing = ", ".join(f"{number} {kind}" for kind, number in gone.items())
    typed = input(f"This deletes for good: {listing}.\nType the {what} {name} to confirm: ")
    if typed.strip().lower() != name.lower():
        raise Refused(f"That is not the {what}. Nothing was deleted.")


class _ExampleAsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's order of the arguments, with our example kept on its lines."""


def _lines(record: Record) -> list[str]:
    tables = {name: value for name, value in record.items() if isinstance(value, (list, tuple))}
    facts = {name: value for name, value in record.items() if name not in tables}
    width = max(map(len, facts), default=0)
    lines = [f"{name.replace('_', ' '):{width}}  {_text(value)}".rstrip() for name, value in facts.items()]
    for name, rows in tables.items():
        lines += ["", f"{name.replace('_', ' ')}: {len(rows) or 'none'}", *_table(rows)]
    return lines


def _table(rows: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    cells = [[name.replace("_", " ") for name in names], *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    padded = ([f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)] for line in cells)
    return ["  " + "  ".join(line).rstrip() for line in padded]


def _text(value: Any) -> str:
    """For a table. Control characters of names that people chose stay off the terminal."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _plain(value: Any) -> Any:
    """What JSON does not know. A Secret has no form, so that none is printed by accident."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")
