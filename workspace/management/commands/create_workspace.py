"""`manage.py create_workspace`: a new customer."""

from typing import Any

from django.core.management.base import CommandParser

from workspace import tenancy
from workspace.commands import SupportCommand


class Command(SupportCommand):
    help = "Create an empty workspace. Give it an Owner with set_workspace_owner."
    example = '"Acme Ltd." --slug acme'

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The customer's name, as people read it.")
        parser.add_argument("--slug", required=True, help="Its short name: lower-case letters, digits, hyphens.")

    def perform(self, options: dict[str, Any]) -> None:
        workspace = tenancy.create(options["name"], options["slug"], actor=self.actor)
        self.present({"id": workspace.id, "slug": workspace.slug, "name": workspace.name})
