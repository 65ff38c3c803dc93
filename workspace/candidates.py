"""Whom a name at the door may mean: an e-mail or a userName names a person only within a workspace."""

from typing import Final

from django.db.models import Q
from django.db.models.functions import Lower

from workspace.models import User
from workspace.models.people import with_access

MOST: Final = 10


def of(name: str, workspace: str = "") -> list[User]:
    """The people with access of that e-mail or userName, in every workspace unless one is named."""
    name = name.lower()
    people = User.objects.annotate(_email=Lower("email"), _name=Lower("user_name")).filter(
        Q(_email=name) | Q(_name=name), with_access()
    )
    if workspace:
        people = people.filter(workspace__slug__iexact=workspace)
    return list(people.select_related("workspace")[:MOST])
