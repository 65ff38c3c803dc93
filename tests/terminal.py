"""A support person at a terminal: runs management commands and reads what they answer."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import BaseCommand, CommandError, call_command, get_commands, load_command_class

from workspace.commands import SupportCommand


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, what it printed, what it said beside that."""

    code: int
    out: str
    said: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def run(command: str, *arguments: object, json: bool = True) -> Answer:
    """Run `manage.py command arguments…`, with `--format json` unless told otherwise."""
    out, said = io.StringIO(), io.StringIO()
    chosen = [*map(str, arguments), *(["--format", "json"] if json else [])]
    try:
        call_command(command, *chosen, stdout=out, stderr=said)
    except CommandError as error:
        return Answer(error.returncode, out.getvalue(), said.getvalue() + str(error))
    return Answer(0, out.getvalue(), said.getvalue())


def our_commands() -> dict[str, BaseCommand]:
    """All commands of our applications, by name."""
    ours = {name: app for name, app in get_commands().items() if app in {"workspace", "rotation", "scim", "cerby"}}
    return {name: load_command_class(str(app), name) for name, app in ours.items()}


def support_commands() -> dict[str, SupportCommand]:
    """All commands of the support desk, by name."""
    return {name: command for name, command in our_commands().items() if isinstance(command, SupportCommand)}
