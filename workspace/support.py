"""Telling support by mail what an Owner asks of it. No mail names a person: data can be deleted, a mail cannot."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from workspace.models import User

logger = logging.getLogger(__name__)

_DELETION = """An Owner of the workspace {slug} asks for the deletion of a person's data.

Person   {person}
Console  {url}/admin/workspace/user/{person}/change/

See first what would go, then delete it for good:

  manage.py purge_user {slug} {person} --dry-run --reason "Asked for by an Owner"
"""


def tell_of_deletion(user: User) -> bool:
    """Whether support was told that a person's data is to be deleted. To be called outside a transaction."""
    if not settings.SUPPORT_EMAIL or not settings.SENDS_MAIL or user.workspace is None:
        return False
    slug = user.workspace.slug
    text = _DELETION.format(slug=slug, person=user.pk, url=settings.BASE_URL)
    try:
        EmailMessage(f"[Cerby] {slug}: deletion asked for", text, to=[settings.SUPPORT_EMAIL]).send()
    except (smtplib.SMTPException, OSError) as error:
        logger.error("Support was not told of a deletion: %s", type(error).__name__)  # noqa: TRY400  # the kind says it
        return False
    return True
