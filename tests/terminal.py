"""A support person at a terminal: runs management commands and reads what they answer."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command, get_commands, load_command_class

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


def support_commands() -> dict[str, SupportCommand]:
    """All commands of the support desk, by name."""
    ours = {name: app for name, app in get_commands().items() if app in {"workspace", "rotation", "scim"}}
    loaded = {name: load_command_class(str(app), name) for name, app in ours.items()}
    return {name: command for name, command in loaded.items() if isinstance(command, SupportCommand)}
