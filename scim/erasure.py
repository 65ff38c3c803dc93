"""Deleting a person's data for good, on every floor of the house."""

from django.db.models import Q

from rotation.departures import offboarding
from scim.models import ProvisioningEvent
from workspace.audit import Actor
from workspace.db.unit_of_work import atomic
from workspace.models import User


@atomic()
def purge(user: User, *, actor: Actor, despite_exposures: bool = False) -> dict[str, int]:
    """As `rotation.departures.offboarding.purge`, and the person's name out of the provisioning log. Raises Refused."""
    named = Q(resource_id=user.pk)
    for text in (user.user_name, user.email):
        named |= Q(detail__icontains=text) if text else Q()
    events = ProvisioningEvent.objects.filter(named, workspace=user.workspace).exclude(detail="")
    details = events.update(detail="")
    return {**offboarding.purge(user, actor=actor, despite_exposures=despite_exposures), "log details": details}
