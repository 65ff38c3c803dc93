"""People and teams that an identity provider managed and that are the workspace's own from now on.

Nothing of their access changes. Should provisioning come back, people are found by userName and adopted again.
"""

from django.db.models import QuerySet
from django.utils import timezone

from workspace import audit
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.models import Team, User, Workspace


def managed_people(workspace: Workspace) -> QuerySet[User]:
    return User.objects.filter(workspace=workspace, provisioned_at__isnull=False, purged_at=None)


def managed_teams(workspace: Workspace) -> QuerySet[Team]:
    return Team.objects.filter(workspace=workspace, provisioned_at__isnull=False, disbanded_at=None)


@atomic()
def take_people(workspace: Workspace, *, actor: Actor, limit: int) -> int:
    """Make some of the managed people the workspace's own, disabled ones too; how many."""
    found = list(managed_people(workspace).select_for_update().order_by("pk")[:limit])
    User.objects.filter(pk__in=[user.pk for user in found]).update(
        provisioned_at=None, adopted_at=None, updated_at=timezone.now()
    )
    audit.record_each(workspace, Verb.PERSON_MADE_LOCAL, found, actor=actor)
    return len(found)


@atomic()
def take_teams(workspace: Workspace, *, actor: Actor, limit: int) -> int:
    """Make some of the managed teams the workspace's own; how many."""
    found = list(managed_teams(workspace).select_for_update().order_by("pk")[:limit])
    Team.objects.filter(pk__in=[team.pk for team in found]).update(provisioned_at=None)
    audit.record_each(workspace, Verb.TEAM_MADE_LOCAL, found, actor=actor)
    return len(found)
