"""`manage.py settings`: everything the environment decides."""

import json
import types
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from django.core.management.base import BaseCommand, CommandParser
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cerby.environment import Environment, variable_of

TYPES: Final = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", SecretStr: "secret",
    type(None): "unset",
}  # fmt: skip


class Command(BaseCommand):
    """Reads no value of the environment: it works however broken that is, and has no secret to show."""

    help = "List every environment variable Cerby reads: its type, its default, and what it decides."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("table", "json"), default="table", help="How to print. (table)")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = [describe(name, field) for name, field in Environment.model_fields.items()]
        if options["format"] == "json":
            self.stdout.write(json.dumps(rows, indent=2))
            return
        self.stdout.write("\n".join(_lines(row) for row in rows))


def describe(name: str, field: FieldInfo) -> dict[str, str]:
    """One setting: {"variable", "type", "default", "description"}; an empty default means unset."""
    return {
        "variable": variable_of(name),
        "type": _type(field.annotation),
        "default": _default(field.default),
        "description": field.description or "",
    }


def _lines(row: dict[str, str]) -> str:
    default = f", default {row['default']}" if row["default"] else ""
    return f"{row['variable']}  ({row['type']}{default})\n    {row['description']}"


def _type(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"{_type(get_args(kind)[0])}s, comma separated"
    if get_origin(kind) is types.UnionType:
        return " or ".join(_type(part) for part in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " | ".join(kind)
    return TYPES[kind]


def _default(value: Any) -> str:
    """As the variable would be written. Secrets have no default."""
    if value is None or isinstance(value, (SecretStr, tuple)):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
