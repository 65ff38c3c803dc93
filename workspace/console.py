"""The admin site: Owners into their workspace, platform staff into all; its home page.

Each floor of the house adds what it has to say on the home page with `home_card`, so that this one needs to know
nothing of the floors above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, reverse
from unfold.sites import UnfoldAdminSite

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
    note: str = ""
    """What should be done about it; empty when all is well."""


CardMaker = Callable[[HttpRequest], Card]
_CARDS: Final[list[CardMaker]] = []


def home_card(make: CardMaker) -> CardMaker:
    """Show what `make` returns on the home page; it is asked anew for each visitor, and counts their rows only."""
    _CARDS.append(make)
    return make


class NamedChoices(AutocompleteJsonView):
    """The choices of a select box, told apart by more than a display name."""

    def serialize_result(self, obj: models.Model, to_field_name: str) -> dict[str, str]:
        text = f"{obj} · {obj.user_name}" if isinstance(obj, User) else str(obj)
        return {"id": str(getattr(obj, to_field_name)), "text": text}


class Console(UnfoldAdminSite):  # type: ignore[misc]  # unfold is untyped
    """The one admin site of the product."""

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

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One door for everybody: the web app's, which knows second factors and counts wrong tries."""
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One place to change one's password, which ends the other sessions and is audited: the web app's."""
        return redirect("/profile/")
