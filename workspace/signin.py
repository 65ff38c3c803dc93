"""Signing in with e-mail and password, in a product where an e-mail names a person only within a workspace."""

from typing import Any
from uuid import UUID

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpRequest

from workspace.models import User


class WorkspaceBackend(BaseBackend):
    """Named by `AUTHENTICATION_BACKENDS`.

    Without a workspace the e-mail and password must fit exactly one person; the same pair in two workspaces is
    refused until the person names one. Unknown people cost one password hash as well, so that an answer's time
    tells nothing.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None,
        workspace: str = "", **kwargs: Any,
    ) -> User | None:  # fmt: skip
        if not username or not password:
            return None
        candidates = self._candidates(username, workspace)
        fitting = [user for user in candidates if user.check_password(password)]
        if not candidates:
            make_password(password)
        return fitting[0] if len(fitting) == 1 else None

    def get_user(self, user_id: UUID) -> User | None:
        """The signed-in person on each request; a disabled one is nobody."""
        return User.objects.select_related("workspace").filter(pk=user_id, is_active=True).first()

    def _candidates(self, username: str, workspace: str) -> list[User]:
        name = username.lower()
        people = User.objects.annotate(_email=Lower("email"), _name=Lower("user_name")).filter(
            Q(_email=name) | Q(_name=name), is_active=True
        )
        if workspace:
            people = people.filter(workspace__slug__iexact=workspace)
        return list(people.select_related("workspace")[:10])
