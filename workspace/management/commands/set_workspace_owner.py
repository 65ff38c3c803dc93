"""`manage.py set_workspace_owner`: who may do everything in a workspace."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.core.validators import validate_email

from workspace import invitations, people
from workspace.commands import WorkspaceCommand, used_wrongly
from workspace.db.unit_of_work import atomic
from workspace.errors import NotFound
from workspace.models import Role, User, Workspace
from workspace.people import Profile


class Command(WorkspaceCommand):
    help = "Make a person an Owner of the workspace, beside those it has."
    example = "acme ada@acme.example --create --show-link"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="The person, by e-mail, userName or id.")
        parser.add_argument("--create", action="store_true", help="Add the person if the workspace has none like that.")
        parser.add_argument(
            "--show-link", action="store_true",
            help="Print a link with which the person sets a password: once, within 24 hours. Whoever has the link is"
            " the Owner; send it to them alone.",
        )  # fmt: skip

    def perform_in(self, workspace: Workspace, options: dict[str, Any]) -> None:
        with atomic():
            user, is_new = self._person(workspace, options["email"], create=options["create"])
            user = people.set_role(user, Role.OWNER, actor=self.actor)
            link = self._link(user) if options["show_link"] else {}
        facts = {"id": user.id, "user_name": user.user_name, "email": user.email, "role": user.role}
        self.present({**facts, "created": is_new, **link})
        if not link and not user.has_usable_password():
            self.note("The person has no password yet. Give --show-link, or invite them in the admin.")

    def _person(self, workspace: Workspace, email: str, *, create: bool) -> tuple[User, bool]:
        try:
            return people.named(workspace, email), False
        except NotFound as error:
            if not create:
                raise NotFound(f"{error.detail} With --create the person is added.") from error
        try:
            validate_email(email)
        except ValidationError as error:
            raise used_wrongly(f"{email} is not an e-mail address, so nobody can be added by it.") from error
        profile = Profile(email, email=email)
        return people.provision(workspace, profile, actor=self.actor, managed=False, role=Role.OWNER), True

    def _link(self, user: User) -> dict[str, str]:
        return {"invitation": settings.BASE_URL + invitations.invite(user, actor=self.actor)}
