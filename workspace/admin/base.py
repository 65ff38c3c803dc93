"""What every page of the console is made of.

A ConsoleAdmin only reads. It shows the visitor's own rows: an Owner's workspace, everything to platform staff, and
another tenant's id is an id that does not exist. Whatever changes something is an `Act`: a page of its own that says
what will happen, asks for what it needs, and on POST calls one verb. Nothing is ever saved or deleted past the verbs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from workspace import audit
from workspace.admin import files
from workspace.admin.forms import ActForm
from workspace.admin.paging import BoundedPaginator, ConsoleList, Keys
from workspace.admin.parts import Detail, Section, url
from workspace.audit import Actor, Verb
from workspace.errors import CerbyError
from workspace.models import User

Done = str | HttpResponseBase
View = TypeVar("View", bound=Callable[..., HttpResponse])


@dataclass
class Act:
    """One thing a person may do, as a page: `perform` calls the verb and returns what to say (or a whole answer)."""

    title: str
    submit: str
    form: ActForm
    perform: Callable[[dict[str, Any]], Done]
    text: Sequence[str] = ()
    warning: str = ""
    refusal: str = ""
    """Why it cannot be done now; the page then has no button."""
    sections: list[Section] = field(default_factory=list)
    dangerous: bool = False
    next: str = ""
    """Where to go afterwards; the object's page if empty."""


class ChoiceFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """A filter of named conditions, each a QuerySet filter: `conditions` maps a URL value to (label, condition)."""

    conditions: ClassVar[dict[str, tuple[str, Any]]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


class ConsoleAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is untyped
    """Base of all pages. Subclasses say what a list shows, what a page says (`detail`) and which acts it offers."""

    actions = None
    list_filter_submit = True
    list_per_page = 50
    view_on_site = False
    related: ClassVar[tuple[str, ...]] = ()
    """Foreign keys that a list shows, fetched with it."""
    lookups: ClassVar[frozenset[str]] = frozenset()
    """Lookups that a URL may filter by beside the declared filters."""
    actions_detail: Sequence[str] = ()
    csv_columns: ClassVar[tuple[str, ...]] = ()
    """What the list's file has, named as in `list_display`; the list's own columns if empty."""
    change_list_template = "admin/console/change_list.html"
    paginator = BoundedPaginator
    older_by = ""
    """The lookup that a list goes on by behind its last page, of a column that it is ordered by."""
    can_add = False
    tools: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    """Pages that a list leads to: their names as addresses, icons, titles."""
    empty_icon = "inbox"
    empty_title = "Nothing here yet"
    empty_text = ""

    # Whose rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).select_related("workspace", *self.related)
        workspace = visitor(request).workspace
        return rows if workspace is None else rows.filter(workspace=workspace)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what is declared. Django lets a URL filter by any local field, which would tell a digest or a
        password hash letter by letter."""
        declared = {getattr(one, "parameter_name", None) for one in self.list_filter} | self.lookups
        return lookup in declared or (lookup in PLATFORM_LOOKUPS and request is not None and is_platform(request))

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*self.list_display, "workspace") if is_platform(request) else tuple(self.list_display)

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        everyone = tuple(self.list_filter)
        return (*everyone, ("workspace", RelatedDropdownFilter)) if is_platform(request) else everyone

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ConsoleList]:
        return ConsoleList

    def search_keys(self, request: HttpRequest, text: str) -> Keys | None:
        """By what a list is searched, each with an index; None: by `search_fields`, as Django does it."""
        return None

    # Who may

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_authenticated and request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    # Pages

    def get_urls(self) -> list[URLPattern]:
        """Django's pages without the one for deleting, and the list as a file."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        kept = [pattern for pattern in super().get_urls() if pattern.name != f"{name}_delete"]
        return [path("csv/", self.admin_site.admin_view(self.csv_view), name=f"{name}_csv"), *kept]

    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """The list as a file, by the same address: `?` holds its search and filters. That it was taken is recorded."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return redirect(f"{self._list_url()}?{ERROR_FLAG}=1")
        more = [column for column in self.get_list_display(request) if column not in self.list_display]
        workspace, what = visitor(request).workspace, self.opts.model_name
        audit.record(workspace, Verb.LIST_EXPORTED, actor=actor(request), list=what, narrowed=bool(request.GET))
        owner = workspace.slug if workspace else "all"
        columns = (*(self.csv_columns or self.list_display), *more)
        return files.answer(found.queryset, columns, self, name=f"{owner}.{what}")

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        raise NotImplementedError

    def offered(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        """The names of the acts that make sense for the object as it is now."""
        return self.actions_detail

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """An object's page. It has no form: what can be done stands as buttons on it. One that moves by itself asks
        for its middle again and again (console/live.js)."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self.missing(request, object_id)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        detail = self.detail(request, obj)
        return self._page(
            request, "detail_body" if "X-Live" in request.headers else "detail", obj,
            title=str(obj), detail=detail, acts=self._buttons(request, obj),
        )  # fmt: skip

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.run(request, self.adding(request))

    def adding(self, request: HttpRequest) -> Act:
        """The act behind “add”."""
        raise PermissionDenied

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit log is the history; Django's own is not written."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self.missing(request, object_id)
        return redirect(f"{reverse('admin:workspace_auditevent_changelist')}?subject_id__exact={obj.pk}")

    def log_addition(self, *args: Any, **kwargs: Any) -> None:
        """Not written: Django's log knows no tenants and repeats names."""

    log_change = log_deletions = log_addition

    def run(self, request: HttpRequest, act: Act, obj: Model | None = None) -> HttpResponse:
        """Show an act's page; on POST do it. What the verb refuses is said beside the form."""
        if request.method == "POST" and not act.refusal and act.form.is_valid():
            try:
                done = act.perform(act.form.cleaned_data)
            except CerbyError as error:
                act.form.refuse(error)
            else:
                if not isinstance(done, str):
                    return cast("HttpResponse", done)
                messages.success(request, done)
                return redirect(act.next or (url(obj) if obj else self._list_url()))
        return self._page(request, "act", obj, title=act.title, act=act, form=act.form, media=act.form.media)

    def shown_once(
        self, request: HttpRequest, obj: Model, *, title: str, label: str, secret: str, text: Sequence[str],
        more: Sequence[tuple[str, str]] = (),
    ) -> HttpResponse:  # fmt: skip
        """A page with something that is never shown again. Not to be kept by a browser or anything between."""
        response = self._page(request, "shown_once", obj, title=title, label=label, secret=secret, text=text, more=more)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    # Parts

    def _page(self, request: HttpRequest, template: str, obj: Model | None, **context: Any) -> TemplateResponse:
        request.current_app = self.admin_site.name  # read by Django's admin templates
        base = {
            **self.admin_site.each_context(request), "opts": self.opts, "original": obj, "subtitle": None,
            "object_url": url(obj) if obj else "", "back": url(obj) if obj else self._list_url(),
        }  # fmt: skip
        return TemplateResponse(request, f"admin/console/{template}.html", {**base, **context})

    def _buttons(self, request: HttpRequest, obj: Model) -> list[dict[str, Any]]:
        found = [self.get_unfold_action(name) for name in self.offered(request, obj)]
        return [
            {
                "title": action.description, "icon": action.icon, "variant": action.variant, "attrs": {},
                "dialog": None, "path": reverse(f"{self.admin_site.name}:{action.action_name}", args=[obj.pk]),
            }
            for action in found
        ]  # fmt: skip

    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def missing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        response: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        return response


def button_for(
    description: str, *, url_path: str, icon: str, variant: ActionVariant = ActionVariant.DEFAULT
) -> Callable[[View], View]:
    """Mark a method as an act with a page at `url_path`, in unfold's terms, which makes the address from them."""

    def mark(view: View) -> View:
        facts = {"short_description": description, "url_path": url_path, "icon": icon, "variant": variant, "attrs": {}}
        vars(view).update(facts)
        return view

    return mark


def act(
    description: str, *, url_path: str, icon: str, variant: ActionVariant = ActionVariant.DEFAULT
) -> Callable[[Callable[..., Act]], Callable[..., HttpResponse]]:
    """Mark a method that makes an act on a row as that act's page: it is asked only about the visitor's own rows."""

    def mark(make: Callable[..., Act]) -> Callable[..., HttpResponse]:
        @wraps(make)
        def view(page: ConsoleAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = page.get_object(request, unquote(object_id))
            return page.missing(request, object_id) if obj is None else page.run(request, make(page, request, obj), obj)

        return button_for(description, url_path=url_path, icon=icon, variant=variant)(view)

    return mark


PLATFORM_LOOKUPS = frozenset({"workspace__id__exact", "workspace__exact"})


def visitor(request: HttpRequest) -> User:
    """Who is looking. The admin site lets nobody in who is not signed in and staff."""
    if not isinstance(request.user, User) or not request.user.is_staff:
        raise PermissionDenied
    return request.user


def is_platform(request: HttpRequest) -> bool:
    return visitor(request).is_platform_staff


def actor(request: HttpRequest) -> Actor:
    return Actor.person(visitor(request))


def bound(request: HttpRequest) -> QueryDict | None:
    """What a form is made from: the posted data, or None when the page is only looked at."""
    return request.POST if request.method == "POST" else None
