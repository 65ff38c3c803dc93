"""The end of a person's access, as a part of their offboarding.

Only `rotation.departures.offboarding` imports this, which a contract of the import linter holds: whoever's access ends
has an offboarding, in which everything stands that they could have known.
"""

from django.utils import timezone
from psycopg.types.json import Jsonb

from workspace import audit, deactivation_sql, people, statements
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.models import Role, User


@atomic()
def deactivate(user: User, *, actor: Actor, reason: str) -> User | None:
    """End a person's access: password, second factor, sessions, API keys, memberships, grants, workspace role.

    Returns the fresh row, or None when the access had ended before.
    """
    user = people.lock(user)
    if not user.is_active:
        return None
    now = timezone.now()
    former_role = user.role
    user.is_active, user.deactivated_at, user.deactivated_by = False, now, actor.to_json()
    user.role, user.updated_at = Role.MEMBER, now
    user.password = people.no_password()  # ends links and sessions bound to it too: who comes back is invited anew
    # What the provider sent of the role that ends goes too.
    user.attributes = {name: value for name, value in user.attributes.items() if name != "roles"}
    ended = _end_access(user, reason)
    audit.record(
        user.workspace, Verb.PERSON_DEACTIVATED, user, actor=actor, former_role=former_role, reason=reason, **ended
    )
    return user


def _end_access(user: User, reason: str) -> dict[str, int]:
    """Save the disabled person and end whatever let them in; how many of each kind ended."""
    values = {
        "user": user.pk,
        "now": user.deactivated_at,
        "by": Jsonb(user.deactivated_by),
        "role": user.role,
        "password": user.password,
        "attributes": Jsonb(user.attributes),
        "reason": reason[:200],
    }
    ended = statements.rows(deactivation_sql.END_ACCESS, values)[0]
    return dict(zip(("sessions", "api_keys", "memberships", "grants", "second_factors"), ended, strict=True))
