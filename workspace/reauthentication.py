"""A person proves anew that the open browser is theirs, before something that a borrowed browser must not do.

An act's form asks by itself, unless the proof (or the sign-in) is less than five minutes old:

    class IssueForm(forms.ConfirmedForm): ...          # in the console; `IssueForm(bound(request), request=request)`
    class CodesForm(ReauthenticationForm): ...         # in the web app
"""

import logging
import time
from datetime import timedelta
from typing import Any, Final

import redis
from django import forms
from django.http import HttpRequest

from workspace import audit, counters, second_factor, sessions
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.errors import Refused
from workspace.models import User

logger = logging.getLogger(__name__)

VALID_FOR: Final = timedelta(minutes=5)
GUESSES: Final = 5
_AT: Final = "reauthenticated_at"
GUESS_SECONDS: Final = 15 * 60
WRONG: Final = "This is not your password."


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person proved themselves within the last five minutes, in this session."""
    at = request.session.get(_AT, 0)
    return isinstance(at, (int, float)) and 0 <= time.time() - at < VALID_FOR.total_seconds()


def note(request: HttpRequest) -> None:
    """The person has just proved themselves: here, or by signing in."""
    request.session[_AT] = time.time()


def confirm(request: HttpRequest, proof: Secret) -> None:
    """Take the signed-in person's password, or a code of their second factor, as proof.

    Raises Refused for anything else, and after too many wrong ones in this session.
    """
    _confirm(request, proof, takes_code=True)


def confirm_password(request: HttpRequest, password: Secret) -> None:
    """The same for the password alone, before it is changed."""
    _confirm(request, password, takes_code=False)


def _confirm(request: HttpRequest, proof: Secret, *, takes_code: bool) -> None:
    user = request.user
    if not isinstance(user, User):
        raise Refused("Sign in first.")
    if _guesses(request) > GUESSES:
        raise Refused("Too many wrong answers. Sign out, or wait for a quarter of an hour.")
    takes_code = takes_code and _has_code(user)
    if not user.check_password(proof.reveal()) and not (takes_code and _is_code(user, proof.reveal())):
        audit.record(user.workspace, Verb.PERSON_PROOF_REFUSED, user, actor=Actor.person(user))
        raise Refused("This is neither your password nor a code of yours." if takes_code else WRONG)
    note(request)


def _guesses(request: HttpRequest) -> int:
    """How often somebody tried in this session lately, this try included; counted so that tries at once count, too."""
    try:
        return counters.count(f"proof:{sessions.digest_of(request)}", seconds=GUESS_SECONDS)
    except redis.RedisError as error:
        logger.warning("Proofs are not limited, Valkey did not answer: %s", type(error).__name__)
        return 0


def _has_code(user: User) -> bool:
    return second_factor.is_enrolled(user)


def _is_code(user: User, proof: str) -> bool:
    return second_factor.verify(user, proof) is not None


class ReauthenticationForm(forms.Form):
    """Asks for the proof when the last one is too old; comes before other form classes in a list of bases."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        if not is_fresh(request):
            self.fields["proof"] = field = self.proof_field()
            if isinstance(request.user, User) and _has_code(request.user):
                field.label = "Your password, or a code of your second factor"

    def proof_field(self) -> forms.CharField:
        widget = forms.PasswordInput({"autocomplete": "current-password"})
        return forms.CharField(label="Your password", strip=False, max_length=512, widget=widget)

    def clean_proof(self) -> None:
        """The proof is used here and handed to nobody."""
        try:
            confirm(self._request, Secret(self.cleaned_data["proof"]))
        except Refused as error:
            raise forms.ValidationError(error.detail) from None
