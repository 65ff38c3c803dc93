"""Grants: who was given which account, and until when."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from workspace import access
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, actor, bound, button_for
from workspace.admin.parts import NOTHING, Detail, Fact, actor_of, badge, link, when
from workspace.models import Grant, GrantRole

ENDED_HERE = "Ended by an Owner."


class GrantStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"live": ("Live", Q(ended_at=None)), "ended": ("Ended", Q(ended_at__isnull=False))}


class HolderFilter(ChoiceFilter):
    title = "holder"
    parameter_name = "holder"
    conditions = {"person": ("A person", Q(team=None)), "team": ("A team", Q(user=None))}


class GrantRoleFilter(ChoiceFilter):
    title = "role"
    parameter_name = "role"
    conditions = {role.value: (role.label, Q(role=role)) for role in GrantRole}


class EndForm(forms.ActForm):
    reason = forms.text("Reason", required=False, limit=200, help_text="Kept with the grant.")


@admin.register(Grant)
class GrantAdmin(ConsoleAdmin):
    """Given on an account's page; ended here or there."""

    list_display = ("holder_name", "kind", "account", "role", "state", "granted", "ended", "end_reason")
    list_filter = (GrantStateFilter, HolderFilter, GrantRoleFilter)
    search_fields = ("account__name", "user__user_name", "user__email", "user__display_name", "team__display_name")
    search_help_text = "Account, person or team"
    ordering = ("-granted_at",)
    related = ("account", "user", "team")
    empty_icon = "key_off"
    empty_title = "No grants found"
    empty_text = "Open an account and choose “Grant access” to let a person or a team use it."
    actions_detail = ("end",)

    @admin.display(description="Given to")
    def holder_name(self, grant: Grant) -> str:
        return str(grant.holder)

    @admin.display(description="")
    def kind(self, grant: Grant) -> str:
        return "team" if grant.team_id else "person"

    @admin.display(description="State", ordering="ended_at")
    def state(self, grant: Grant) -> SafeString:
        return badge("Ended") if grant.ended_at else badge("Live", "success")

    @admin.display(description="Since", ordering="granted_at")
    def granted(self, grant: Grant) -> str:
        return when(grant.granted_at)

    @admin.display(description="Ended", ordering="ended_at")
    def ended(self, grant: Grant) -> str:
        return when(grant.ended_at)

    def detail(self, request: HttpRequest, obj: Grant) -> Detail:
        facts = [
            Fact("Account", link(obj.account)),
            Fact("Given to", link(obj.holder)),
            Fact("Role", obj.get_role_display()),
            Fact("Given", when(obj.granted_at)),
            Fact("Given by", actor_of(obj, "granted_by")),
            Fact("Ended", when(obj.ended_at)),
            Fact("Why it ended", obj.end_reason or NOTHING),
        ]
        return Detail(facts, badges=[self.state(obj)])

    def offered(self, request: HttpRequest, obj: Grant) -> Sequence[str]:
        return () if obj.ended_at else ("end",)

    @button_for("End", url_path="end", icon="key_off", variant=ActionVariant.DANGER)
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def make(grant: Grant) -> Act:
            def finish(data: dict[str, Any]) -> str:
                access.end(grant, actor=actor(request), reason=data["reason"] or ENDED_HERE)
                return f"{grant.holder} no longer has access to {grant.account} by this grant."

            return Act(
                f"End access of {grant.holder} to {grant.account}", "End access", EndForm(bound(request)), finish,
                text=(
                    "Access ends at once. The grant stays on record.",
                    "The password stays as it is: only an offboarding changes what somebody could have known.",
                ),
                refusal="This grant has ended already." if grant.ended_at else "", dangerous=True,
            )  # fmt: skip

        return self.act_on(request, object_id, make)
