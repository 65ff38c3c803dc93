"""The audit log: read, searched, and its chain verified."""

from datetime import UTC, date, datetime
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from workspace import audit
from workspace.admin import forms, search
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, actor, bound, button_for, visitor
from workspace.admin.history import SUBJECT_PAGES, detail_text, of_request, who
from workspace.admin.paging import Key, Keys, LogPaginator
from workspace.admin.parts import NOTHING, Detail, Fact, clipped, names_of, when
from workspace.audit import Subject, Verb, verbs
from workspace.errors import Conflict
from workspace.models import AuditEvent, AuditSeal, User, words
from workspace.models.audit import MENTIONED

SUBJECTS = {
    "user": "person", "scimtoken": "SCIM token", "apikey": "API key", "rotationjob": "rotation",
    "webhookendpoint": "webhook endpoint",
}  # fmt: skip


class SubjectFilter(ChoiceFilter):
    """Each event is reached by one of these: those of earlier versions, whose verbs are gone, by the last."""

    title = "subject"
    parameter_name = "about"
    conditions = {
        **{subject.value: (subject.label, Q(verb__in=[verb.value for verb in subject.verbs])) for subject in Subject},
        "other": ("Events of earlier versions", ~Q(verb__in=[verb.value for verb in Verb])),
    }

    def keys(self, request: HttpRequest) -> Keys | None:
        chosen, workspace = self.value(), visitor(request).workspace
        if chosen == "other":
            return None if workspace is None else [Key("verb", verb) for verb in audit.unknown_verbs(workspace)]
        subject = next((each for each in Subject if each.value == chosen), None)
        return [Key("verb", verb.value) for verb in subject.verbs] if subject else None


class ActorFilter(ChoiceFilter):
    title = "actor"
    parameter_name = "by"
    conditions = {
        "person": ("A person", Q(actor_kind="person")),
        "token": ("The identity provider", Q(actor_kind="token")),
        "system": ("Cerby itself", Q(actor_kind="system")),
        "command": ("Cerby support", Q(actor_kind="command")),
    }

    def keys(self, request: HttpRequest) -> Keys | None:
        return [Key("actor_kind", self.value())] if self.value() in self.conditions else None


class PeriodForm(forms.WorkspaceForm):
    since = forms.day("From", required=False, help_text="The first day (UTC). Empty: from the start.")
    until = forms.day("Before", required=False, help_text="The first day that is left out (UTC). Empty: until now.")


@admin.register(AuditEvent)
class AuditEventAdmin(ConsoleAdmin):
    """Rows that the database refuses to change."""

    list_display = ("happened", "what", "subject", "done_by", "said")
    csv_columns = ("happened", "verb", "what", "subject", "done_by", "said")
    list_filter = (SubjectFilter, ActorFilter)
    lookups = frozenset({"subject_id__exact", "id__lt"})
    paginator = LogPaginator
    older_by = "id__lt"
    search_fields = ("request_id",)  # for the box; `search_keys` says what is searched
    search_help_text = "Person, team, account, token, what happened, or any id"
    ordering = ("-id",)
    empty_icon = "history"
    empty_title = "No events found"
    empty_text = "Everything that is done in this workspace is written down here."
    actions_list = ("verify", "export")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        people = User.objects.filter(workspace=OuterRef("workspace"))
        names = people.filter(pk=OuterRef("actor_id")).values("user_name")[:1]
        subjects = people.filter(pk=OuterRef("subject_id")).values("user_name")[:1]
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(actor_name=Subquery(names), subject_name=Subquery(subjects))
        )
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset, False  # by `search_keys`

    def search_keys(self, request: HttpRequest, text: str) -> Keys:
        """What somebody did, what was done to them, what mentions them; what was done in a request, or by support."""
        about, said = search.ids_of(request, text), words.having(text, "actor_label")
        keys: list[Key | Q] = [Key("request_id", text), *(Key("verb", verb) for verb in _happened(text))]
        for known in about:
            keys += [Key("subject_id", known), Key("actor_id", known), Key(MENTIONED, str(known))]
        if text.isascii() and text.isdigit() and len(text) < 19:
            keys.append(Key("id", int(text)))
        return keys if said is None else [*keys, Q(actor_kind="command") & Q(said)]

    @admin.display(description="When", ordering="id")
    def happened(self, event: AuditEvent) -> str:
        return when(event.at)

    @admin.display(description="What")
    def what(self, event: AuditEvent) -> str:
        return format_html('<span title="{}">{}</span>', event.verb, verbs.describe(event.verb))

    @admin.display(description="About")
    def subject(self, event: Any) -> str:
        text = event.subject_name or SUBJECTS.get(event.subject_kind, event.subject_kind) or NOTHING
        try:
            page = reverse(SUBJECT_PAGES[event.subject_kind], args=[event.subject_id])
        except (KeyError, NoReverseMatch):
            return str(text)
        return format_html('<a class="console-link" href="{}">{}</a>', page, text)

    @admin.display(description="By")
    def done_by(self, event: Any) -> str:
        return who(event, {event.actor_id: event.actor_name})

    @admin.display(description="Detail")
    def said(self, event: AuditEvent) -> str:
        return clipped(detail_text(event.detail, {}))

    def detail(self, request: HttpRequest, obj: AuditEvent) -> Detail:
        seal = AuditSeal.objects.filter(event=obj).first()
        names = names_of([obj.actor_id], obj.workspace_id)
        facts = [
            Fact("When", when(obj.at)),
            Fact("What", verbs.describe(obj.verb)),
            Fact("Verb", format_html("<code>{}</code>", obj.verb)),
            Fact("About", self.subject(obj)),
            Fact("By", who(obj, names)),
            Fact("Request id", of_request(obj.request_id)),
            *(Fact(key.replace("_", " ").capitalize(), value) for key, value in obj.detail.items()),
            Fact("Place in the chain", seal.position if seal else "not chained yet; that follows within seconds"),
            Fact("SHA-256", format_html("<code>{}</code>", bytes(seal.hash).hex()) if seal else NOTHING),
        ]
        return Detail(facts, notice="Kept for good: the database refuses to change it.")

    @button_for("Verify chain", url_path="verify", icon="verified")
    def verify(self, request: HttpRequest) -> HttpResponse:
        form = forms.WorkspaceForm(bound(request), workspace=visitor(request).workspace)

        def check(data: dict[str, Any]) -> str:
            workspace = form.chosen_workspace
            while audit.seal(workspace):
                pass
            broken = audit.verify(workspace)
            if broken:
                raise Conflict(f"The chain is broken at event {broken.event}: {broken.why}. Call support.")
            return "The chain holds: no event was changed, removed or put in between."

        return self.run(request, Act(
            "Verify the audit chain", "Verify", form, check,
            text=("Walks the hash chain from its first event and compares every link.",),
        ))  # fmt: skip

    @button_for("Export chain", url_path="export", icon="download")
    def export(self, request: HttpRequest) -> HttpResponse:
        form = PeriodForm(bound(request), workspace=visitor(request).workspace)

        def download(data: dict[str, Any]) -> StreamingHttpResponse:
            workspace = form.chosen_workspace
            audit.record(workspace, Verb.AUDIT_EXPORTED, workspace, actor=actor(request))
            lines = audit.export(workspace, since=_start_of(data["since"]), until=_start_of(data["until"]))
            answer = StreamingHttpResponse(map(audit.line, lines), content_type="application/jsonl")
            answer["Content-Disposition"] = f'attachment; filename="{workspace.slug}.audit.jsonl"'
            answer["Cache-Control"] = "no-store"
            return answer

        return self.run(request, Act(
            "Export the audit trail", "Download", form, download,
            text=("Each event with its place in the chain, as JSON lines, so that the file can be checked by itself.",),
        ))  # fmt: skip


def _start_of(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _happened(text: str) -> list[str]:
    """The verbs that a text is a part of, in string or sentence; a string of an earlier version as it is."""
    found = [verb.value for verb in Verb if text.lower() in f"{verb.value}\n{verb.sentence.lower()}"]
    return found if found and len(text) > 2 else [text]
