"""What the ground floor keeps of a person, deleted for good, as a part of `scim.erasure.purge`.

Only that imports this, which a contract of the import linter holds: what the other floors keep goes with it, and who
may have left a password alive is asked about first.
"""

from django.utils import timezone

from workspace import audit, people
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Refused
from workspace.models import ApiKey, RecoveryCode, Session, TotpDevice, User


@atomic()
def pseudonymise(user: User, *, actor: Actor) -> dict[str, int]:
    """Delete a disabled person's data for good and leave a pseudonym, so that history still adds up.

    Returns what went, by name. Raises Refused for a person who still has access.
    """
    user = people.lock(user)
    if user.is_active:
        raise Refused(f"{user.user_name} still has access. Offboard the person first.")
    gone = {
        "API keys": ApiKey.objects.filter(user=user).delete()[0],
        "sessions": Session.objects.filter(user=user).delete()[0],
        "second factors": TotpDevice.objects.filter(user=user).delete()[0],
        "recovery codes": RecoveryCode.objects.filter(user=user).delete()[0],
        "profile attributes": sum(1 for name in people.COLUMNS if getattr(user, name)) + len(user.attributes),
    }
    for name in people.COLUMNS:
        setattr(user, name, "")
    user.user_name, user.attributes, user.provisioned_at, user.adopted_at = f"purged-{user.id}", {}, None, None
    user.password = people.no_password()
    user.purged_at = user.updated_at = timezone.now()
    user.save()
    audit.record(user.workspace, Verb.PERSON_PURGED, user, actor=actor)
    return gone
