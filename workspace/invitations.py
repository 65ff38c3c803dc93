"""The link with which a person sets their first password, or a new one: single use, 24 hours.

The token is Django's password-reset token: an HMAC over the person's state, so that it dies with the first use,
with a new sign-in and with the time; nothing of it is stored. A link that a person made carries who did, and their
state is part of the HMAC, too: it dies with their access, with their role and with their password.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError

from workspace import audit, people, takeovers
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import Invalid, NotFound, Refused
from workspace.identifiers import parse_uuid
from workspace.models import Session, User


class _Tokens(PasswordResetTokenGenerator):
    """Tokens that an inviter made, or support."""

    key_salt = "workspace.invitations"

    def __init__(self, inviter: User | None) -> None:
        super().__init__()
        self._inviter = inviter

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        by = f"{self._inviter.pk}{self._inviter.password}" if self._inviter else ""
        return f"{super()._make_hash_value(user, timestamp)}{by}"


@atomic()
def invite(user: User, *, actor: Actor) -> str:
    """The path of a person's link. Raises Refused for a person without access, and for one Owner who would thereby
    sign in as another."""
    if not user.has_access or user.workspace is None:
        raise Refused(f"{user} has no access and cannot be invited.")
    takes_over = actor.kind == "person" and actor.id != user.id and user.is_owner and user.has_usable_password()
    if takes_over:
        raise Refused(f"{user} is an Owner with a password of their own. Support can send them a new link.")
    inviter = _inviter(user, actor.id) if actor.kind == "person" else None
    if actor.kind == "person" and inviter is None:
        raise Refused("Only an Owner invites people.")
    audit.record(user.workspace, Verb.PERSON_INVITED, user, actor=actor)
    takeovers.note(user, actor=actor, done="Somebody made a link with which your password in Cerby can be replaced.")
    by = f".{inviter.pk.hex}" if inviter else ""
    return f"/invitation/{user.id}/{_Tokens(inviter).make_token(user)}{by}/"


def invited(user_id: UUID, token: str) -> User:
    """The person behind a link that still holds. Raises NotFound for any other."""
    user = User.objects.active().filter(pk=user_id).select_related("workspace").first()
    if user is None or not _holds(user, token):
        raise NotFound("This link was used, is older than a day, or is not complete. Ask for a new one.")
    return user


@atomic()
def accept(user_id: UUID, token: str, password: Secret) -> User:
    """Set the person's password. Raises NotFound for a dead link, Invalid for a password that is too weak."""
    User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    user = invited(user_id, token)
    set_password(user, password, actor=Actor.person(user))
    return user


@atomic()
def set_password(user: User, password: Secret, *, actor: Actor) -> None:
    """Change a person's own password and end their other sessions. Raises Invalid for one that is too weak."""
    if not people.lock(user).has_access:
        raise Refused(f"{user} has no access.")
    try:
        validate_password(password.reveal(), user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages), field="password") from error
    user.set_password(password.reveal())
    user.save(update_fields=["password"])
    Session.objects.filter(user=user).delete()
    audit.record(user.workspace, Verb.PERSON_PASSWORD_SET, user, actor=actor)


def _holds(user: User, token: str) -> bool:
    text, _, by = token.partition(".")
    inviter = _inviter(user, parse_uuid(by)) if by else None
    return (inviter is not None or not by) and _Tokens(inviter).check_token(user, text)


def _inviter(user: User, inviter_id: UUID | None) -> User | None:
    """Who made a link, if they may still make one: an Owner of the person's workspace, or platform staff."""
    found = User.objects.active().filter(pk=inviter_id).first() if inviter_id else None
    if found is None or not found.is_staff or found.workspace_id not in {None, user.workspace_id}:
        return None
    return found
