"""What people type into the web app: signing in, choosing a password, naming an API key."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest

from workspace import throttle
from workspace.crypto import Secret


class SignInForm(AuthenticationForm):
    """E-mail, password, and the workspace for those who use one pair in several (`workspace.signin`)."""

    username = forms.CharField(label="E-mail", max_length=254, widget=forms.TextInput)
    workspace = forms.CharField(
        label="Workspace", required=False, max_length=60,
        help_text="Only if you use the same e-mail and password in several workspaces.",
    )  # fmt: skip
    error_messages = {
        "invalid_login": "This e-mail and password do not fit together. If you belong to several workspaces,"
        " name the one you mean.",
        "inactive": "This e-mail and password do not fit together.",
        "paused": f"This e-mail and password do not fit together. {throttle.PAUSED}",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].widget.attrs.update(
            maxlength=254, autofocus=True, autocomplete="username", autocapitalize="none", spellcheck="false"
        )
        self.fields["workspace"].widget.attrs.update(
            autocomplete="organization", autocapitalize="none", spellcheck="false"
        )

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("username") and data.get("password") and "workspace" in data:
            self.user_cache = authenticate(
                self.request, username=data["username"], password=data["password"],
                workspace=data.get("workspace", ""),
            )  # fmt: skip
            if self.user_cache is None:
                paused = getattr(self.request, "axes_locked_out", False)
                raise forms.ValidationError(self.error_messages["paused" if paused else "invalid_login"])
            self.confirm_login_allowed(self.user_cache)
        return data


class CodeForm(forms.Form):
    """The second step of signing in."""

    code = forms.CharField(
        label="Code", max_length=40,
        help_text="Six digits from your authenticator app, or one of your recovery codes.",
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True,
                                "autocapitalize": "none", "spellcheck": "false"}),
    )  # fmt: skip


class NewCodeForm(forms.Form):
    """The first code of an authenticator app that is set up."""

    code = forms.CharField(
        label="Code that the app shows", max_length=12,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )  # fmt: skip


def _password(label: str, autocomplete: str) -> forms.CharField:
    """A password as typed: never trimmed, never sent back to the page."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, strip=False, max_length=512, widget=widget)


class NewPasswordForm(forms.Form):
    """A new password, twice. How strong it must be is checked by the verb."""

    password = _password("New password", "new-password")
    password_again = _password("New password again", "new-password")

    def clean_password_again(self) -> str:
        again: str = self.cleaned_data["password_again"]
        if self.cleaned_data.get("password") != again:
            raise forms.ValidationError("The two passwords are not the same.")
        return again

    @property
    def secret(self) -> Secret:
        return Secret(self.cleaned_data["password"])


class ChangePasswordForm(NewPasswordForm):
    """The same, by somebody who proves with the present password that the open browser is theirs."""

    current = _password("Current password", "current-password")
    field_order = ("current", "password", "password_again")


class KeyForm(forms.Form):
    label = forms.CharField(
        label="What is the key for?", max_length=80,
        widget=forms.TextInput(attrs={"placeholder": "for example: backup script", "autocomplete": "off"}),
    )  # fmt: skip
