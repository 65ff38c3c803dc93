"""Deleting a person's data for good: what each floor of the house keeps of them."""

from django.db.models import Q

from rotation.departures import offboarding
from scim.models import ProvisioningEvent
from workspace import pseudonymisation
from workspace.audit import Actor
from workspace.db.unit_of_work import atomic
from workspace.models import User


@atomic()
def purge(user: User, *, actor: Actor, despite_exposures: bool = False) -> dict[str, int]:
    """Delete a disabled person's data, at the customer's request, and leave a pseudonym; what went, by name.

    Their name goes out of the provisioning log too. Raises Refused for a person who still has access, and while
    passwords that they could have known are not proved dead.
    """
    if not despite_exposures:
        offboarding.refuse_while_exposed(user)
    details = _forget_in_log(user)
    return {**pseudonymisation.pseudonymise(user, actor=actor), "log details": details}


def _forget_in_log(user: User) -> int:
    named = Q(resource_id=user.pk)
    for text in (user.user_name, user.email):
        named |= Q(detail__icontains=text) if text else Q()
    events = ProvisioningEvent.objects.filter(named, workspace=user.workspace).exclude(detail="")
    return events.update(detail="")
