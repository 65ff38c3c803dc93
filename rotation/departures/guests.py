"""Access that ends by itself: a guest's grant and a guest's own time in the workspace. The sweep writes the end down.

What lies past its time lets nobody in even before that: the database's clock decides.
"""

from typing import Final
from uuid import UUID

from django.db.models.functions import Now

from rotation.departures import offboarding
from rotation.models import LossKind
from workspace import access, people
from workspace.audit import Actor
from workspace.db.unit_of_work import atomic
from workspace.models import Grant, User

EXPIRY: Final = Actor.system("guest expiry")
EXPIRED: Final = "Guest access expired."
AT_ONCE: Final = 200


def end_expired() -> int:
    """End what is past its time, some at a turn; how many."""
    grants = Grant.objects.filter(ended_at=None, expires_at__lte=Now()).order_by("expires_at")
    guests = User.objects.filter(is_active=True, workspace__isnull=False, expires_at__lte=Now()).order_by("expires_at")
    ended = [_end_grant(pk) for pk in grants.values_list("pk", flat=True)[:AT_ONCE]]
    left = [end_if_expired(user) for user in guests[:AT_ONCE]]
    return sum(ended) + sum(left)


@atomic()
def _end_grant(grant_id: UUID) -> bool:
    """Unless somebody gave it more time meanwhile."""
    rows = Grant.objects.select_for_update(of=("self",)).select_related("account", "workspace", "user", "team")
    grant = rows.filter(pk=grant_id, ended_at=None, expires_at__lte=Now()).first()
    if grant is None:
        return False
    access.end(grant, actor=EXPIRY, reason=EXPIRED, kind=LossKind.GRANT_EXPIRED)
    return True


@atomic()
def end_if_expired(user: User) -> bool:
    """Write down that somebody's time in the workspace is over, before anything else is done to them."""
    user = people.lock(user)
    if not user.is_active or user.has_access:
        return False
    return offboarding.offboard(user, actor=EXPIRY, cause=EXPIRED) is not None
