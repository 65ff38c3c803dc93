"""Grants: who was given which account, and until when."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from workspace import access
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound
from workspace.admin.parts import NOTHING, Detail, Fact, actor_of, badge, link, url, when
from workspace.models import Grant, GrantRole, RotationPolicy, Workspace
from workspace.vault import ledger

ENDED_HERE = "Ended by an Owner."


class GrantStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "live": ("Live", ledger.in_force()),
        "guest": ("Live, with a last day", ledger.in_force() & Q(expires_at__isnull=False)),
        "expired": ("Past its last day", Q(ended_at=None) & ~ledger.in_force()),
        "ended": ("Ended", Q(ended_at__isnull=False)),
    }


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


class RoleForm(forms.ActForm):
    role = forms.options("Role", GrantRole.choices)


class ExpiryForm(forms.ActForm):
    last_day = forms.day("Last day", required=False, help_text="In the workspace's time zone. Empty: no end.")
    asked_as: ClassVar[dict[str, str]] = {"expires_at": "last_day"}


@admin.register(Grant)
class GrantAdmin(ConsoleAdmin):
    """Given on an account's page; ended here or there."""

    list_display = ("holder_name", "kind", "account", "role", "state", "granted", "until", "ended", "end_reason")
    list_filter = (GrantStateFilter, HolderFilter, GrantRoleFilter)
    search_fields = ("account__name", "user__user_name", "user__email", "user__display_name", "team__display_name")
    search_help_text = "Account, person or team"
    ordering = ("-granted_at",)
    related = ("account", "user", "team")
    empty_icon = "key_off"
    empty_title = "No grants found"
    empty_text = "Open an account and choose “Grant access” to let a person or a team use it."
    actions_detail = ("role", "expiry", "end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        in_force = ExpressionWrapper(ledger.in_force(), output_field=BooleanField())
        rows: QuerySet[Any] = super().get_queryset(request).annotate(is_in_force=in_force)
        return rows

    @admin.display(description="Given to")
    def holder_name(self, grant: Grant) -> str:
        return str(grant.holder)

    @admin.display(description="")
    def kind(self, grant: Grant) -> str:
        return "team" if grant.team_id else "person"

    @admin.display(description="State", ordering="ended_at")
    def state(self, grant: Any) -> SafeString:
        if not grant.is_in_force:
            return badge("Ended" if grant.ended_at else "Expired")
        return badge("Guest", "info") if grant.expires_at else badge("Live", "success")

    @admin.display(description="Since", ordering="granted_at")
    def granted(self, grant: Grant) -> str:
        return when(grant.granted_at)

    @admin.display(description="Until", ordering="expires_at")
    def until(self, grant: Grant) -> str:
        return when(grant.expires_at)

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
            Fact("Ends by itself", when(obj.expires_at)),
            Fact("Ended", when(obj.ended_at)),
            Fact("Why it ended", obj.end_reason or NOTHING),
        ]
        return Detail(facts, badges=[self.state(obj)])

    def offered(self, request: HttpRequest, obj: Grant) -> Sequence[str]:
        return () if obj.ended_at else self.actions_detail

    @act("Change role", url_path="role", icon="shield_person")
    def role(self, request: HttpRequest, grant: Grant) -> Act:
        def change(data: dict[str, Any]) -> str:
            new = access.change_role(grant, GrantRole(data["role"]), actor=actor(request))
            page.next = url(new)
            return f"{new.holder} is {new.get_role_display()} of {new.account} now."

        page = Act(
            f"Change the role of {grant.holder} on {grant.account}", "Change role",
            RoleForm(bound(request), initial={"role": grant.role}), change,
            text=("The former grant ends and stays on record; another begins.",),
            refusal="This grant has ended already." if grant.ended_at else "",
        )  # fmt: skip
        return page

    @act("Guest", url_path="expiry", icon="timer")
    def expiry(self, request: HttpRequest, grant: Grant) -> Act:
        def decide(data: dict[str, Any]) -> str:
            access.set_expiry(grant, forms.end_of(data["last_day"], grant.workspace), actor=actor(request))
            return "Saved."

        initial = {"last_day": forms.last_day(grant.expires_at, grant.workspace)}
        return Act(
            f"How long {grant.holder} may use {grant.account}", "Save",
            ExpiryForm(bound(request), initial=initial), decide,
            text=("After its last day the grant ends by itself.", what_follows(grant.workspace)),
            refusal="This grant has ended already." if grant.ended_at else "",
        )  # fmt: skip

    @act("End", url_path="end", icon="key_off", variant=ActionVariant.DANGER)
    def end(self, request: HttpRequest, grant: Grant) -> Act:
        def finish(data: dict[str, Any]) -> str:
            access.end(grant, actor=actor(request), reason=data["reason"] or ENDED_HERE)
            return f"{grant.holder} no longer has access to {grant.account} by this grant."

        return Act(
            f"End access of {grant.holder} to {grant.account}", "End access", EndForm(bound(request)), finish,
            text=(
                "Access ends at once. The grant stays on record.",
                what_follows(grant.workspace),
            ),
            refusal="This grant has ended already." if grant.ended_at else "", dangerous=True,
        )  # fmt: skip


def what_follows(workspace: Workspace) -> str:
    """What becomes of passwords that somebody could have known and does not reach any more."""
    policy = RotationPolicy(workspace.rotate_on_access_loss)
    if policy is RotationPolicy.NONE:
        return "What they could have known stays as it is: this workspace changes it for those only who leave."
    return (
        "What they could have known and reach by no other way is changed soon after, as this workspace has it:"
        f" {policy.label.lower()}."
    )
