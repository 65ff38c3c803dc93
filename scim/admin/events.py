"""The provisioning log in the console: what Okta wrote, what was refused, why, and what to do about it."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.sections import BaseSection
from unfold.widgets import UnfoldAdminTextInputWidget

from scim import causes
from scim.models import Operation, ProvisioningEvent, ScimToken
from workspace.admin import search
from workspace.admin.base import ChoiceFilter, ConsoleAdmin, visitor
from workspace.admin.history import of_request
from workspace.admin.paging import Key, Keys, LogPaginator
from workspace.admin.parts import NOTHING, Detail, Fact, badge, clipped, when
from workspace.identifiers import parse_uuid
from workspace.models import Team, User, words


class ResultFilter(ChoiceFilter):
    title = "result"
    parameter_name = "result"
    conditions = {
        "done": ("Done", Q(status__lt=400)),
        "refused": ("Refused", Q(status__gte=400)),
        "token": ("Token refused", Q(status=401)),
        "conflict": ("Name taken", Q(status=409, scim_type="uniqueness")),
    }


class SinceFilter(ChoiceFilter):
    title = "since"
    parameter_name = "since"
    conditions = {f"{days}d": (f"The last {days} days", days) for days in (1, 7, 14)}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(at__gte=first_of(chosen[1])) if chosen else queryset


class DaysForm(forms.Form):
    """The browser's own choice of a day, twice."""

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for end, text in (("from", "From this day"), ("to", "To this day")):
            widget = UnfoldAdminTextInputWidget({"type": "date", "aria-label": text, "title": text})
            self.fields[f"{name}_{end}"] = forms.DateField(label="", required=False, widget=widget)


class DaysFilter(RangeDateFilter):  # type: ignore[misc]  # unfold is untyped
    """`?at_from=2026-01-31&at_to=2026-02-03`, both days included. What is no day finds nothing."""

    form_class = DaysForm
    parameters = ("at_from", "at_to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "days"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (self.used_parameters.get(name) for name in self.parameters)
        try:
            if first:
                queryset = queryset.filter(at__gte=_midnight(first))
            if last:
                queryset = queryset.filter(at__lt=_midnight(last) + timedelta(days=1))
        except (ValueError, OverflowError):
            return queryset.none()
        return queryset


class TokenFilter(DropdownFilter):  # type: ignore[misc]  # unfold is untyped
    """What one token did. Platform staff, who see the tokens of all, choose a workspace first."""

    title = "token"
    parameter_name = "token"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        workspace = visitor(request).workspace_id or parse_uuid(request.GET.get("workspace__id__exact", ""))
        chosen = parse_uuid(request.GET.get("token", ""))
        mine = Q(workspace=workspace) if workspace else Q(pk=chosen)
        tokens = ScimToken.objects.filter(mine).order_by("-created_at")
        return [(str(token.pk), f"{token}, issued {token.created_at:%Y-%m-%d}") for token in tokens]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(token=parse_uuid(self.value())) if self.value() else queryset


def _midnight(day: str) -> datetime:
    """When a day began that is written as 2026-01-31. Raises ValueError."""
    return timezone.make_aware(datetime.combine(date.fromisoformat(day), time.min))


def first_of(days: int) -> datetime:
    """When the first of so many days began, of which today is the last."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


class OperationFilter(ChoiceFilter):
    title = "operation"
    parameter_name = "operation"
    conditions = {operation.value: (operation.label, Q(operation=operation)) for operation in Operation}


class ResourceFilter(ChoiceFilter):
    title = "about"
    parameter_name = "about"
    conditions = {
        "people": ("People", Q(resource_type="User")),
        "teams": ("Teams", Q(resource_type="Group")),
        "other": ("Neither", Q(resource_type="")),
    }


class Explanation(BaseSection):  # type: ignore[misc]  # unfold is untyped
    """What a row folds out to: the cause in plain words, and what to do in Okta."""

    def render(self) -> SafeString:
        event: ProvisioningEvent = self.instance
        cause = causes.of(event)
        if cause is None:
            changed = ", ".join(event.attributes) or "nothing, it was so already"
            return format_html('<p class="console-explanation">Changed: {}.</p>', changed)
        return format_html(
            '<div class="console-explanation"><p>{} {}</p><p><strong>What to do:</strong> {}</p></div>',
            cause.words,
            event.detail,
            cause.remedy,
        )


@admin.register(ProvisioningEvent)
class ProvisioningEventAdmin(ConsoleAdmin):
    """Each write by the identity provider and each refusal. Names of attributes only, never their values."""

    list_display = ("at_", "result", "operation", "subject", "what", "token", "duration")
    list_filter = (SinceFilter, ("at", DaysFilter), TokenFilter, ResultFilter, OperationFilter, ResourceFilter)
    list_sections = (Explanation,)
    lookups = frozenset({"resource_id__exact", "at__lte", *DaysFilter.parameters})
    paginator = LogPaginator
    older_by = "at__lte"  # not less than: what happened at the very same time may stand there too
    related = ("token",)
    search_fields = ("request_id",)  # for the box; `search_keys` says what is searched
    search_help_text = "Person, team, token, words of a refusal, or any id"
    ordering = ("-at",)
    empty_icon = "sync"
    empty_title = "No requests yet"
    empty_text = "Everything that Okta writes, and everything that was refused, will stand here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the name of whom an event is about, within the event's own workspace."""
        person = User.objects.filter(pk=OuterRef("resource_id"), workspace=OuterRef("workspace"))
        team = Team.objects.filter(pk=OuterRef("resource_id"), workspace=OuterRef("workspace"))
        names = Coalesce(Subquery(person.values("user_name")[:1]), Subquery(team.values("display_name")[:1]))
        rows: QuerySet[Any] = super().get_queryset(request)
        named: QuerySet[Any] = rows.annotate(about=names)
        return named

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # by `search_keys`

    def search_keys(self, request: HttpRequest, text: str) -> Keys:
        """What was asked for somebody, what a token did, what a request asked, and refusals by their words."""
        known, said = search.ids_of(request, text), words.having(text, "detail")
        keys: list[Key | Q] = [Key("request_id", text)]
        keys += [Key(column, each) for each in known for column in ("resource_id", "token_id")]
        if one := parse_uuid(text):
            keys += [Key("id", one), Key("request_id", one.hex)]
        return keys if said is None else [*keys, Q(status__gte=400) & ~Q(detail="") & Q(said)]

    @admin.display(description="When", ordering="at")
    def at_(self, event: ProvisioningEvent) -> str:
        return when(event.at)

    @admin.display(description="Result", ordering="status")
    def result(self, event: ProvisioningEvent) -> SafeString:
        return _result(event)

    @admin.display(description="About")
    def subject(self, event: ProvisioningEvent) -> str:
        return self._about(event)

    @admin.display(description="What")
    def what(self, event: ProvisioningEvent) -> str:
        cause = causes.of(event)
        return clipped(cause.words if cause else ", ".join(event.attributes) or "unchanged")

    @admin.display(description="Took", ordering="duration_ms")
    def duration(self, event: ProvisioningEvent) -> str:
        return f"{event.duration_ms}\N{NO-BREAK SPACE}ms"

    def detail(self, request: HttpRequest, obj: ProvisioningEvent) -> Detail:
        cause = causes.of(obj)
        facts = [
            Fact("When", when(obj.at)),
            Fact("Operation", f"{obj.get_operation_display()} {obj.resource_type}".strip()),
            Fact("About", self._about(obj)),
            Fact("Changed", ", ".join(obj.attributes) or NOTHING),
            Fact("Token", str(obj.token)),
            Fact("HTTP status", f"{obj.status} {obj.scim_type}".strip()),
            Fact("What Okta was told", obj.detail or NOTHING),
            Fact("Took", f"{obj.duration_ms} ms"),
            Fact("Request id", of_request(obj.request_id)),
        ]
        if cause:
            facts += [Fact("What happened", cause.words), Fact("What to do", cause.remedy)]
        return Detail(facts, [], [_result(obj)])


    @staticmethod
    def _about(event: ProvisioningEvent) -> str:
        name = getattr(event, "about", None)
        if name is None or event.resource_id is None:
            return event.resource_type or NOTHING
        page = "workspace_user" if event.resource_type == "User" else "workspace_team"
        address = reverse(f"admin:{page}_change", args=[event.resource_id])
        return format_html('<a class="console-link" href="{}">{}</a>', address, name)


def _result(event: ProvisioningEvent) -> SafeString:
    return badge("Done", "success") if event.status < 400 else badge(f"Refused {event.status}", "danger")
