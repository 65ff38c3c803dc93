"""The admin site: Owners into their workspace, platform staff into all; its log-in and its home page.

Each floor of the house adds what it has to say on the home page with `home_card`, so that this one needs to know
nothing of the floors above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth import authenticate
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite
from unfold.widgets import BASE_INPUT_CLASSES

from workspace.models import User


@dataclass(frozen=True)
class Figure:
    """A number on the home page, and the list that it counts. `tone` is one of unfold's label variants."""

    label: str
    count: int
    link: str
    tone: str = ""


@dataclass(frozen=True)
class Card:
    """Figures that belong together."""

    title: str
    icon: str
    figures: list[Figure]


CardMaker = Callable[[HttpRequest], Card]
_CARDS: Final[list[CardMaker]] = []


def home_card(make: CardMaker) -> CardMaker:
    """Show what `make` returns on the home page; it is asked anew for each visitor, and counts their rows only."""
    _CARDS.append(make)
    return make


class LoginForm(AuthenticationForm):  # type: ignore[misc]  # unfold is untyped
    """E-mail, password, and the workspace where both fit in two. Every refusal reads the same."""

    workspace = forms.CharField(
        required=False,
        max_length=60,
        help_text="Only needed if you use the same e-mail and password in two workspaces.",
        widget=forms.TextInput({"class": " ".join(BASE_INPUT_CLASSES), "autocomplete": "organization"}),
    )

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.username_field = User._meta.get_field("email")
        self.fields["username"].label = "E-mail"
        self.fields["username"].widget.attrs |= {"autocomplete": "username", "inputmode": "email", "maxlength": 254}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if "username" in data and "password" in data:
            self.user_cache = authenticate(
                self.request, username=data["username"], password=data["password"],
                workspace=data.get("workspace", "").strip(),
            )  # fmt: skip
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return data

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(
            self.error_messages["invalid_login"], code="invalid_login",
            params={"username": self.username_field.verbose_name},
        )  # fmt: skip


class NamedChoices(AutocompleteJsonView):
    """The choices of a select box, told apart by more than a display name."""

    def serialize_result(self, obj: models.Model, to_field_name: str) -> dict[str, str]:
        text = f"{obj} · {obj.user_name}" if isinstance(obj, User) else str(obj)
        return {"id": str(getattr(obj, to_field_name)), "text": text}


class Console(UnfoldAdminSite):  # type: ignore[misc]  # unfold is untyped
    """The one admin site of the product."""

    login_form = LoginForm
    login_template = "admin/console/login.html"
    index_template = "admin/console/home.html"
    index_title = "Home"
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without `r/<type>/<id>/`, which would answer for any row of any tenant."""
        return [pattern for pattern in super().get_urls() if getattr(pattern, "name", "") != "view_on_site"]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        cards = [make(request) for make in _CARDS]
        response: HttpResponse = super().index(request, {**(extra_context or {}), "cards": cards})
        return response

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return NamedChoices.as_view(admin_site=self)(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One place to change one's password, which ends the other sessions and is audited: the web app's."""
        return redirect("/profile/")
