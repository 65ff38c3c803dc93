"""People, with their offboardings and the act of offboarding."""

from collections.abc import Sequence
from typing import Any

from django import forms as django_forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant

from rotation import offboarding
from rotation.admin.preview_page import in_words, sections_of
from rotation.models import Offboarding
from workspace.admin import forms
from workspace.admin.base import Act, actor, bound, button_for, visitor
from workspace.admin.parts import Section, link, url, when
from workspace.admin.people import PersonAdmin
from workspace.admin.person_page import last_owner_warning
from workspace.errors import Refused
from workspace.models import User


class ConfirmForm(forms.ActForm):
    """Asks for the userName to be typed, because this is done to people and not to rows."""

    user_name = forms.text("Type the userName to confirm")
    cause = forms.text("Cause", required=False, limit=160, help_text="Kept with the offboarding. Optional.")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected = user.user_name
        self.fields["user_name"].help_text = user.user_name
        self.fields["user_name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_user_name(self) -> str:
        typed: str = self.cleaned_data["user_name"].strip()
        if typed.lower() != self._expected.lower():
            raise django_forms.ValidationError("That is not this person's userName.")
        return typed


@admin.register(User)
class DepartingPersonAdmin(PersonAdmin):
    """The page of a person who may leave."""

    actions_detail = (*PersonAdmin.actions_detail, "offboard")

    def offered(self, request: HttpRequest, obj: User) -> Sequence[str]:
        acts = super().offered(request, obj)
        return (*acts, "offboard") if obj.is_active and obj != visitor(request) and obj.workspace_id else acts

    def sections(self, request: HttpRequest, user: User) -> list[Section]:
        accounts, reveals, teams, sessions, history = super().sections(request, user)
        return [accounts, reveals, teams, sessions, offboardings_of(user), history]

    @button_for("Offboard", url_path="offboard", icon="person_off", variant=ActionVariant.DANGER)
    def offboard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def make(user: User) -> Act:
            def leave(data: dict[str, Any]) -> str:
                cause = data["cause"] or "Offboarded by an Owner."
                done = offboarding.offboard(user, actor=actor(request), cause=cause)
                if done is None:
                    raise Refused(f"{user} had no access any more.")
                act.next = url(done)
                return f"{user} is out. What they could have known is being changed."

            act = Act(
                f"Offboard {user}", "Offboard", ConfirmForm(bound(request), user=user), leave, dangerous=True,
                text=WHAT_HAPPENS, refusal=refusal(user, visitor(request)), warning=last_owner_warning(user),
            )  # fmt: skip
            if not act.refusal:
                foreseen = offboarding.preview(user)
                act.text, act.sections = (*WHAT_HAPPENS, *in_words(foreseen)), sections_of(foreseen)
            return act

        return self.act_on(request, object_id, make)


WHAT_HAPPENS = (
    "Access ends at once: sign-in, open sessions, API keys, teams and grants.",
    "Then the passwords below are changed on their targets, and the old ones proved dead.",
)


def refusal(user: User, looking: User) -> str:
    if user == looking:
        return "You cannot offboard yourself. Ask another Owner."
    if user.workspace_id is None:
        return "Platform staff belong to no workspace."
    return "" if user.is_active else "This person is disabled already."


def offboardings_of(user: User) -> Section:
    rows = Offboarding.objects.filter(user=user).order_by("-started_at")
    return Section(
        "Offboardings",
        ("Started", "Cause", "Complete", ""),
        [[when(row.started_at), row.cause, when(row.completed_at), link(row, "Open")] for row in rows],
        "This person was never offboarded.",
    )
