"""The link with which a person sets their first password, or a new one: single use, 24 hours.

The token is Django's password-reset token: an HMAC over the person's state, so that it dies with the first use,
with a new sign-in and with the time; nothing of it is stored.
"""

from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import transaction

from workspace import audit, people
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, NotFound, Refused
from workspace.models import Session, User

_TOKENS = PasswordResetTokenGenerator()


def invite(user: User, *, actor: Actor) -> str:
    """The path of a person's link. Raises Refused for a person without access, and for one Owner who would thereby
    sign in as another."""
    if not user.is_active or user.workspace is None:
        raise Refused(f"{user} is disabled and cannot be invited.")
    takes_over = actor.kind == "person" and actor.id != user.id and user.is_owner and user.has_usable_password()
    if takes_over:
        raise Refused(f"{user} is an Owner with a password of their own. Support can send them a new link.")
    audit.record(user.workspace, "person.invited", user, actor=actor)
    return f"/invitation/{user.id}/{_TOKENS.make_token(user)}/"


def invited(user_id: UUID, token: str) -> User:
    """The person behind a link that still holds. Raises NotFound for any other."""
    user = User.objects.active().filter(pk=user_id).select_related("workspace").first()
    if user is None or not _TOKENS.check_token(user, token):
        raise NotFound("This link was used, is older than a day, or is not complete. Ask for a new one.")
    return user


@transaction.atomic
def accept(user_id: UUID, token: str, password: Secret) -> User:
    """Set the person's password. Raises NotFound for a dead link, Invalid for a password that is too weak."""
    User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    user = invited(user_id, token)
    set_password(user, password, actor=Actor.person(user))
    return user


@transaction.atomic
def set_password(user: User, password: Secret, *, actor: Actor) -> None:
    """Change a person's own password and end their other sessions. Raises Invalid for one that is too weak."""
    if not people.lock(user).is_active:
        raise Refused(f"{user} is disabled.")
    try:
        validate_password(password.reveal(), user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
    user.set_password(password.reveal())
    user.save(update_fields=["password"])
    Session.objects.filter(user=user).delete()
    audit.record(user.workspace, "person.password_set", user, actor=actor)
