"""Helping somebody to sign in who has a password: whoever does could thereby sign in as them.

So the helper counts as knowing what the person reaches, and the person is told.
"""

import logging
import smtplib

from django.core.mail import EmailMessage

from workspace import access
from workspace.audit import Actor
from workspace.db import unit_of_work
from workspace.models import Reveal, SecretVersion, User

logger = logging.getLogger(__name__)


def note(user: User, *, actor: Actor, done: str) -> None:
    """Write down that the helper's departure must end what `user` could be shown now, and tell `user` what was done.

    Nothing for the person's own doing, and for who has no password that could be replaced.
    """
    if not user.has_usable_password() or (actor.kind == "person" and actor.id == user.pk):
        return
    workspace = user.workspace_id
    helper = User.objects.filter(pk=actor.id, workspace_id=workspace).first() if actor.id and workspace else None
    if helper is not None and actor.kind == "person":
        shown = SecretVersion.objects.current().filter(account__in=access.reachable_accounts(user).order_by())
        Reveal.objects.bulk_create(
            Reveal(workspace_id=version.workspace_id, account_id=version.account_id, version=version, user=helper)
            for version in shown
        )
    if user.email:
        unit_of_work.on_commit(lambda: _tell(user.email, done))


def _tell(address: str, done: str) -> None:
    text = f"{done}\n\nIf you did not ask for it, tell another Owner of your workspace at once.\n"
    try:
        EmailMessage("[Cerby] Your sign-in was changed", text, to=[address]).send()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        logger.warning("A person was not told that their sign-in was changed: %s", type(error).__name__)
