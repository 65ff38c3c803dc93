"""Verbs on the tenant itself."""

from django.core.exceptions import ValidationError
from django.db import transaction

from workspace import audit
from workspace.audit import Actor
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import Workspace


@transaction.atomic
def create(name: str, slug: str, *, actor: Actor) -> Workspace:
    """A new, empty workspace. Raises Conflict when the slug is taken, Invalid when it is no slug."""
    workspace = Workspace(name=name.strip(), slug=slug.strip())
    if not workspace.name:
        raise Invalid("A workspace needs a name.", field="name")
    try:
        Workspace._meta.get_field("slug").run_validators(workspace.slug)
    except ValidationError as error:
        raise Invalid("A slug is made of lower-case letters, digits and hyphens.", field="slug") from error
    if Workspace.objects.filter(slug__iexact=workspace.slug).exists():
        raise Conflict(f"There is a workspace {workspace.slug} already.")
    workspace.save(force_insert=True)
    audit.record(workspace, "workspace.created", workspace, actor=actor)
    return workspace


def find(slug: str) -> Workspace:
    """The workspace of that slug, in any letter case. Raises NotFound."""
    workspace = Workspace.objects.filter(slug__iexact=slug).first()
    if workspace is None:
        raise NotFound(f"There is no workspace {slug}.")
    return workspace
