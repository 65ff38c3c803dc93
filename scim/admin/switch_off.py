"""Switching provisioning off: an Owner says what becomes of the people, and watches it happen."""

from typing import Any, Final

from django import forms as django_forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from scim import switch_off
from scim.models import People, SwitchOff
from scim.switch_off import Affected
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, actor_of, badge, bar, link, url, when
from workspace.models import User, Workspace

OWNERS_ONLY: Final = "An Owner of the workspace switches provisioning off; they keep their own access."
MEANING: Final = {
    People.KEEP: "People and teams stay as they are and still marked as Okta's, for a pause: a new token goes on where"
    " this one stopped. Their profiles are not edited here.",
    People.CONVERT: "People and teams are your workspace's own from then on: nobody loses access, and profiles and"
    " members are edited here. People without a password are to be invited before they can sign in.",
    People.DISABLE: "Everybody whom Okta manages is offboarded, one by one: access ends, and what they could have known"
    " is changed. Teams stay, empty of them, and are edited here.",
}


class SwitchOffForm(forms.ConfirmedForm):
    """Asks for the workspace's name to be typed, because it is done to everybody in it."""

    people = forms.options("What becomes of the people and teams it manages", [("", "Select…"), *People.choices])
    workspace_name = forms.text("Type the workspace's name to confirm")

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = workspace.name
        self.fields["workspace_name"].help_text = workspace.name
        self.fields["workspace_name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_workspace_name(self) -> str:
        typed: str = self.cleaned_data["workspace_name"].strip()
        if typed.lower() != self._expected.strip().lower():
            raise django_forms.ValidationError("That is not this workspace's name.")
        return typed


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "running": ("Under way", {"finished_at": None}), "done": ("Done", {"finished_at__isnull": False})
    }  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


@admin.register(SwitchOff)
class SwitchOffAdmin(ConsoleAdmin):
    """Each time that provisioning was switched off; “add” is doing so."""

    list_display = ("started", "people", "state", "tokens")
    list_filter = (StateFilter,)
    search_fields = ("people",)
    search_help_text = "keep, convert or disable"
    ordering = ("-started_at",)
    can_add = True
    empty_icon = "power_settings_new"
    empty_title = "Provisioning was never switched off"
    empty_text = "To end it, and decide what becomes of the people that Okta manages, press the button above."

    @admin.display(description="Started", ordering="started_at")
    def started(self, obj: SwitchOff) -> str:
        return when(obj.started_at)

    @admin.display(description="State", ordering="finished_at")
    def state(self, obj: SwitchOff) -> SafeString:
        return badge("Done", "success") if obj.finished_at else badge("Under way", "warning")

    def detail(self, request: HttpRequest, obj: SwitchOff) -> Detail:
        under_way = obj.finished_at is None
        facts = [
            Fact("People and teams", obj.get_people_display()),
            Fact("Started", when(obj.started_at)),
            Fact("By", actor_of(obj, "actor")),
            Fact("Tokens revoked", obj.tokens),
            Fact("Done so far" if under_way else "Done", bar(obj.done, max(obj.total, obj.done)) if obj.total else "–"),
            Fact("Finished", when(obj.finished_at) if obj.finished_at else NOTHING),
        ]
        if not under_way:
            return Detail(facts, [history(obj)], [self.state(obj)], notice=STILL_IN_OKTA)
        live = f"{obj.done} of {max(obj.total, obj.done)} steps done. It goes on whether or not you look."
        return Detail(facts, [history(obj)], [self.state(obj)], live=live)

    def adding(self, request: HttpRequest) -> Act:
        who = visitor(request)
        if who.workspace is None:
            return Act(TITLE, "Switch off", forms.ActForm(bound(request)), lambda data: "", refusal=OWNERS_ONLY)
        return _act(request, who, who.workspace)


def _act(request: HttpRequest, who: User, workspace: Workspace) -> Act:
    found = switch_off.affected(workspace, who)

    def begin(data: dict[str, Any]) -> str:
        started = switch_off.start(workspace, people=data["people"], actor=actor(request))
        act.next = url(started)
        return "Provisioning is off: the tokens are refused from now on."

    act = Act(
        TITLE, "Switch provisioning off", SwitchOffForm(bound(request), workspace=workspace, request=request), begin,
        dangerous=True, sections=[_concerned(found), _stays(found, who)], warning=_warning(found),
        text=(
            "Every SCIM token ends at once, and Okta's requests are refused. What becomes of the people and teams"
            " is done beside that; you can watch it, and leave the page.",
            *(f"{choice.label}: {MEANING[choice]}" for choice in People),
        ),
    )  # fmt: skip
    return act


def _concerned(found: Affected) -> Section:
    active = found.people - found.disabled
    rows: list[list[Any]] = [
        ["Valid tokens that end", found.tokens],
        ["People whom Okta manages, with access", active],
        ["of them disabled, if you choose so", found.leave],
        ["People whom Okta manages, disabled already", found.disabled],
        ["Teams that Okta manages", found.teams],
    ]
    return Section("Whom it concerns", ("", "How many"), rows, "")


def _stays(found: Affected, who: User) -> Section:
    rows = [[link(owner), "you" if owner == who else "not managed by Okta"] for owner in found.stay]
    note = f"{found.local} {'people are' if found.local != 1 else 'person is'} not managed by Okta and not concerned."
    return Section("Owners who stay, whatever you choose", ("Owner", "Why"), rows, "", note=note)


def _warning(found: Affected) -> str:
    """When the safeguard for removals of many people is likely to hold what a disabling sets off."""
    if found.leave < 2:
        return ""
    return (
        "Disabling many people at once: their access ends in any case, and rotations wait in “Removals of many” until"
        " an Owner confirms or the time is up, as your workspace's settings say."
    )


TITLE: Final = "Switch provisioning off"
STILL_IN_OKTA: Final = (
    "In Okta, untick Enable under Provisioning → To App and Enable API integration under Integration, so that it does"
    " not go on asking with a token that has ended."
)
