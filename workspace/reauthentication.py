"""A person proves anew that the open browser is theirs, before something that a borrowed browser must not do.

An act's form asks by itself, unless the proof (or the sign-in) is less than five minutes old:

    class IssueForm(forms.ConfirmedForm): ...          # in the console; `IssueForm(bound(request), request=request)`
    class CodesForm(ReauthenticationForm): ...         # in the web app
"""

import time
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.http import HttpRequest

from workspace.crypto import Secret
from workspace.errors import Refused
from workspace.models import User

VALID_FOR: Final = timedelta(minutes=5)
GUESSES: Final = 5
_AT: Final = "reauthenticated_at"
_WRONG: Final = "reauthentication_failures"


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person proved themselves within the last five minutes, in this session."""
    at = request.session.get(_AT, 0)
    return isinstance(at, (int, float)) and 0 <= time.time() - at < VALID_FOR.total_seconds()


def note(request: HttpRequest) -> None:
    """The person has just proved themselves: here, or by signing in."""
    request.session[_AT] = time.time()
    request.session.pop(_WRONG, None)


def confirm(request: HttpRequest, proof: Secret) -> None:
    """Take a password of the signed-in person as proof. Raises Refused for another, and after too many wrong ones."""
    wrong = int(request.session.get(_WRONG, 0))
    if wrong >= GUESSES:
        raise Refused("Too many wrong answers. Sign out and sign in again.")
    user = request.user
    if not isinstance(user, User) or not user.check_password(proof.reveal()):
        request.session[_WRONG] = wrong + 1
        raise Refused("This is not your password.")
    note(request)


class ReauthenticationForm(forms.Form):
    """Asks for the proof when the last one is too old; comes before other form classes in a list of bases."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        if not is_fresh(request):
            self.fields["proof"] = self.proof_field()

    def proof_field(self) -> forms.CharField:
        widget = forms.PasswordInput({"autocomplete": "current-password"})
        return forms.CharField(label="Your password", strip=False, max_length=512, widget=widget)

    def clean_proof(self) -> None:
        """The proof is used here and handed to nobody."""
        try:
            confirm(self._request, Secret(self.cleaned_data["proof"]))
        except Refused as error:
            raise forms.ValidationError(error.detail) from None
