"""API keys: a person's own way into the API, ended with their access."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from workspace import audit, credentials
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, NotFound, Refused
from workspace.models import ApiKey, User
from workspace.models.people import with_access

KIND = "key"


@atomic()
def issue(user: User, label: str, *, actor: Actor) -> tuple[ApiKey, Secret]:
    """A new key and its text, which is shown this once. Raises Refused for a person without access."""
    label = label.strip()
    if not label or len(label) > 80 or "\x00" in label:
        raise Invalid("A key needs a label of at most 80 characters.", field="label")
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not user.has_access or user.workspace is None:
        raise Refused("Only a person with access to a workspace can have an API key.")
    issued = credentials.issue(KIND)
    key = ApiKey.objects.create(
        workspace=user.workspace, user=user, label=label, lookup=issued.lookup, digest=issued.digest
    )
    audit.record(user.workspace, Verb.API_KEY_ISSUED, key, actor=actor, person=str(user.id))
    return key, issued.token


def live(user: User) -> QuerySet[ApiKey]:
    """A person's keys that have not ended, newest first."""
    return ApiKey.objects.filter(user=user, revoked_at=None).order_by("-created_at", "-id")


def find(user: User, key_id: UUID) -> ApiKey:
    """A person's own key, ended or not. Raises NotFound."""
    key = ApiKey.objects.filter(user=user, pk=key_id).select_related("workspace").first()
    if key is None:
        raise NotFound("You have no such API key.")
    return key


@atomic()
def revoke(key: ApiKey, *, actor: Actor) -> None:
    """End a key; one that has ended stays as it is."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(key.workspace, Verb.API_KEY_REVOKED, key, actor=actor, person=str(key.user_id))


def authenticate(token: str) -> User | None:
    """The person with access behind a key, or None; whatever is wrong, the answer is the same."""
    lookup = credentials.lookup_of(token, KIND)
    if lookup is None:
        return None
    live_keys = ApiKey.objects.filter(with_access("user__"), lookup=lookup, revoked_at=None)
    key = live_keys.select_related("user__workspace").first()
    if key is None or not credentials.fits(token, bytes(key.digest)):
        return None
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now())
    return key.user
