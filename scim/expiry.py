"""SCIM tokens that end soon: told of in time, because provisioning stops with them."""

from datetime import timedelta
from typing import Final

from django.db.models import Exists, OuterRef
from django.utils import timezone

from rotation import errands
from scim.models import ScimToken
from workspace import notices
from workspace.models import Notice

WARNED_BEFORE: Final = timedelta(days=20)


@errands.errand
def tell_of_expiring_tokens() -> None:
    """One notice a token that is good today and not in 20 days; a week later again."""
    now = timezone.now()
    expiring = ScimToken.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + WARNED_BEFORE)
    told = Notice.objects.open().filter(
        workspace=OuterRef("workspace"), kind=Notice.Kind.TOKEN_EXPIRING, subject_id=OuterRef("pk"),
        told_at__gt=now - notices.AGAIN_AFTER[Notice.Kind.TOKEN_EXPIRING],
    )  # fmt: skip
    for token in expiring.filter(~Exists(told)).select_related("workspace"):
        notices.tell(
            token.workspace, Notice.Kind.TOKEN_EXPIRING, token, expires_at=token.expires_at,
            summary=f"The SCIM token “{token.label}” ends on {token.expires_at:%Y-%m-%d}. Issue a new one and give it"
            " to your identity provider before: without a token nobody is provisioned and nobody is disabled.",
        )  # fmt: skip


@errands.errand
def settle_expired_tokens() -> None:
    """A token that has ended is no longer about to."""
    now = timezone.now()
    good = ScimToken.objects.filter(pk=OuterRef("subject_id"), revoked_at=None, expires_at__gt=now)
    Notice.objects.open().filter(~Exists(good), kind=Notice.Kind.TOKEN_EXPIRING).update(resolved_at=now)
