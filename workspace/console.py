"""The admin site: Owners into their workspace, platform staff into all; its home page.

Each floor of the house adds what it has to say on the home page with `home_card`, and pages of its own that list no
model with `console_page`, so that this one needs to know nothing of the floors above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from workspace.models import User


@dataclass(frozen=True)
class Figure:
    """A number on the home page, and the list that it counts. `tone` is one of unfold's label variants."""

    label: str
    count: int
    link: str
    tone: str = ""
    note: str = ""
    """A few words below the label."""


@dataclass(frozen=True)
class Card:
    """Figures that belong together."""

    title: str
    icon: str
    figures: list[Figure]
    note: str = ""
    """What should be done about it; empty when all is well."""
    chart: str = ""
    """Markup, made safe by whoever made it."""


@dataclass(frozen=True)
class Banner:
    """One sentence above the home page's cards that wants an answer, and where it is given."""

    text: str
    link: str
    link_text: str


BannerMaker = Callable[[HttpRequest], list[Banner]]
_BANNERS: Final[list[BannerMaker]] = []


def home_banners(make: BannerMaker) -> BannerMaker:
    """Show what `make` returns at the top of the home page; it is asked anew for each visitor."""
    _BANNERS.append(make)
    return make


CardMaker = Callable[[HttpRequest], Card]
_CARDS: Final[list[CardMaker]] = []


def home_card(make: CardMaker) -> CardMaker:
    """Show what `make` returns on the home page; it is asked anew for each visitor, and counts their rows only."""
    _CARDS.append(make)
    return make


Page = Callable[[HttpRequest], HttpResponseBase]
_PAGES: Final[dict[str, tuple[str, Page]]] = {}


def console_page(route: str, name: str) -> Callable[[Page], Page]:
    """Serve a view at `/admin/<route>` as `admin:<name>`, to those whom the console lets in."""

    def register(view: Page) -> Page:
        _PAGES[name] = (route, view)
        return view

    return register


def is_update(request: HttpRequest) -> bool:
    """Whether a page that is open already asks for what has changed on it."""
    return request.headers.get("HX-Request") == "true"


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
        kept = [pattern for pattern in super().get_urls() if getattr(pattern, "name", "") != "view_on_site"]
        return [*(path(route, self.admin_view(view), name=name) for name, (route, view) in _PAGES.items()), *kept]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Unfold's search, which no page shows: its answers are Python objects, and the cache takes JSON."""
        raise Http404

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """A page that updates itself has htmx ask; who was signed out meanwhile is sent to the door by a reload."""
        checked = super().admin_view(view, cacheable)

        @wraps(checked)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if is_update(request) and not self.has_permission(request):
                return HttpResponse(headers={"HX-Refresh": "true"})
            answer: HttpResponseBase = checked(request, *args, **kwargs)
            return answer

        return page

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        home = {
            **(extra_context or {}), "cards": [make(request) for make in _CARDS],
            "banners": [banner for make in _BANNERS for banner in make(request)], "refreshed": timezone.now(),
        }  # fmt: skip
        if is_update(request):
            return TemplateResponse(request, "admin/console/home_cards.html", home)
        response: HttpResponse = super().index(request, home)
        return response

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return NamedChoices.as_view(admin_site=self)(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One door for everybody: the web app's, which knows second factors and counts wrong tries."""
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One place to change one's password, which ends the other sessions and is audited: the web app's."""
        return redirect("/profile/")
