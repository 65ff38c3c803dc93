"""SCIM tokens that end soon: told of in time, because provisioning stops with them."""

from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from rotation import errands
from scim import scopes
from scim.models import ScimToken
from workspace import notices
from workspace.models import Notice

WARNED_BEFORE: Final = timedelta(days=20)
# A token whose end nobody needs to be told of has a successor that still works, or may.
NOT_REPLACED: Final = Q(replaced_by=None) | Q(replaced_by__revoked_at__isnull=False)


@errands.errand
def tell_of_expiring_tokens() -> None:
    """One notice a token that is good today and not in 20 days; a week later again."""
    now = timezone.now()
    expiring = ScimToken.objects.valid().filter(NOT_REPLACED, expires_at__lte=now + WARNED_BEFORE)
    told = Notice.objects.open().filter(
        workspace=OuterRef("workspace"), kind=Notice.Kind.TOKEN_EXPIRING, subject_id=OuterRef("pk"),
        told_at__gt=now - notices.AGAIN_AFTER[Notice.Kind.TOKEN_EXPIRING],
    )  # fmt: skip
    for token in expiring.filter(~Exists(told)).select_related("workspace"):
        notices.tell(
            token.workspace, Notice.Kind.TOKEN_EXPIRING, token, expires_at=token.expires_at,
            summary=f"The SCIM token “{token.label}” ends on {token.expires_at:%Y-%m-%d}. Regenerate it and give the"
            f" new one to your identity provider before: without it {scopes.without(token)}.",
        )  # fmt: skip


@errands.errand
def settle_expired_tokens() -> None:
    """A token that has ended is no longer about to, and one that was replaced concerns nobody."""
    now = timezone.now()
    good = ScimToken.objects.valid().filter(NOT_REPLACED, pk=OuterRef("subject_id"))
    Notice.objects.open().filter(~Exists(good), kind=Notice.Kind.TOKEN_EXPIRING).update(resolved_at=now)
