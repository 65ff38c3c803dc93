"""Teams: who is in them, and which accounts they reach. Those that Okta pushes are read-only here."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from workspace import teams
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound, visitor
from workspace.admin.grants import what_follows
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, badge, button, link, when
from workspace.admin.person_page import account_link, provider_badge
from workspace.models import AuditEvent, Team, TeamMembership, User
from workspace.vault import ledger

MEMBERS_SHOWN = 200


class TeamStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "live": ("In use", Q(disbanded_at=None)),
        "disbanded": ("Disbanded", Q(disbanded_at__isnull=False)),
    }


class TeamManagedFilter(ChoiceFilter):
    title = "source"
    parameter_name = "managed"
    conditions = {
        "okta": ("Identity provider", Q(provisioned_at__isnull=False)),
        "local": ("This workspace", Q(provisioned_at=None)),
    }


class NameForm(forms.ActForm):
    display_name = forms.text("Name")


class NewTeamForm(forms.WorkspaceForm):
    display_name = forms.text("Name")


class MemberForm(forms.ActForm):
    """Offers active people of the team's own workspace."""

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.for_workspace(team.workspace).active()
        self.fields["members"] = forms.search("Person", people, through=TeamMembership, field="user")


class RemovalForm(forms.ActForm):
    """Offers the team's present members."""

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = User.objects.filter(memberships__team=team, memberships__left_at=None)
        self.fields["members"] = forms.choice("Person", members.order_by("user_name"))


@admin.register(Team)
class TeamAdmin(ConsoleAdmin):
    """A team's page: members, accounts, history."""

    list_display = ("display_name", "members", "accounts", "provider", "pushed", "state")
    list_filter = (TeamStateFilter, TeamManagedFilter)
    search_fields = ("display_name",)
    search_help_text = "Name"
    ordering = ("display_name",)
    can_add = True
    empty_icon = "groups"
    empty_title = "No teams found"
    empty_text = "Push a group from Okta, or make a team here, and give it access to accounts."
    actions_detail = ("rename", "add_member", "remove_member")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        told = AuditEvent.objects.filter(subject_id=OuterRef("pk"), actor_kind="token").values("subject_id")
        rows: QuerySet[Any] = super().get_queryset(request).annotate(
            pushed_at=Subquery(told.annotate(last=Max("at")).values("last")),
            member_count=Count("memberships", filter=Q(memberships__left_at=None), distinct=True),
            grant_count=Count("grants", filter=ledger.in_force("grants__"), distinct=True),
        )  # fmt: skip
        return rows

    @admin.display(description="Members", ordering="member_count")
    def members(self, team: Any) -> int:
        return int(team.member_count)

    @admin.display(description="Accounts", ordering="grant_count")
    def accounts(self, team: Any) -> int:
        return int(team.grant_count)

    @admin.display(description="Managed by", ordering="provisioned_at")
    def provider(self, team: Team) -> str:
        return provider_badge(team)

    @admin.display(description="Last change seen")
    def pushed(self, team: Any) -> str:
        """By the identity provider's push."""
        return when(team.pushed_at)

    @admin.display(description="State", ordering="disbanded_at")
    def state(self, team: Team) -> SafeString:
        return badge("Disbanded") if team.disbanded_at else badge("In use", "success")

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        facts = [
            Fact("Managed by", "Okta (SCIM)" if obj.provisioned_at else "This workspace"),
            Fact("externalId", obj.external_id or NOTHING),
            Fact("Created", when(obj.created_at)),
            Fact("Changed", when(obj.updated_at)),
        ]
        if obj.provisioned_at or obj.pushed_at:
            facts.append(Fact("Last change by push", when(obj.pushed_at) if obj.pushed_at else "none seen yet"))
        if obj.disbanded_at:
            facts.append(Fact("Disbanded", when(obj.disbanded_at)))
        managed = "Okta manages this team. Its name and members are changed there and arrive by group push."
        badges = [self.state(obj), *([badge("Okta", "info")] if obj.provisioned_at else [])]
        sections = [members_of(obj), accounts_of(obj), history(obj)]
        return Detail(facts, sections, badges, managed if obj.provisioned_at else "")

    def offered(self, request: HttpRequest, obj: Team) -> Sequence[str]:
        return () if read_only(obj) else self.actions_detail

    def adding(self, request: HttpRequest) -> Act:
        form = NewTeamForm(bound(request), workspace=visitor(request).workspace)

        def add(data: dict[str, Any]) -> str:
            team = teams.create(form.chosen_workspace, data["display_name"], actor=actor(request))
            return f"The team {team} was made. Add its members next."

        return Act("Add a team", "Add team", form, add, text=("Teams that Okta pushes appear by themselves.",))

    @act("Rename", url_path="rename", icon="edit")
    def rename(self, request: HttpRequest, team: Team) -> Act:
        def save(data: dict[str, Any]) -> str:
            teams.update(
                team, actor=actor(request), display_name=data["display_name"],
                external_id=team.external_id, attributes=team.attributes,
            )  # fmt: skip
            return "Renamed."

        form = NameForm(bound(request), initial={"display_name": team.display_name})
        return Act(f"Rename {team}", "Rename", form, save, refusal=read_only(team))

    @act("Add member", url_path="members/add", icon="person_add", variant=ActionVariant.PRIMARY)
    def add_member(self, request: HttpRequest, team: Team) -> Act:
        def add(data: dict[str, Any]) -> str:
            teams.add_members(team, [data["members"].pk], actor=actor(request))
            return f"{data['members']} is in {team} now."

        return Act(
            f"Add a member to {team}", "Add", MemberForm(bound(request), team=team), add, refusal=read_only(team),
            text=("Members use every account the team was given, from now on.",),
        )  # fmt: skip

    @act("Remove member", url_path="members/remove", icon="person_remove")
    def remove_member(self, request: HttpRequest, team: Team) -> Act:
        def remove(data: dict[str, Any]) -> str:
            teams.remove_members(team, [data["members"].pk], actor=actor(request))
            return f"{data['members']} is no longer in {team}."

        form = RemovalForm(bound(request), team=team, initial={"members": request.GET.get("person", "")})
        return Act(
            f"Remove a member from {team}", "Remove", form, remove, refusal=read_only(team), dangerous=True,
            text=(
                "The person keeps what they were given directly or through other teams.",
                what_follows(team.workspace),
            ),
        )  # fmt: skip


def read_only(team: Team) -> str:
    """Why a team is not changed here; empty when it is."""
    if team.disbanded_at is not None:
        return "This team was disbanded."
    return "Okta manages this team; change the group there." if team.provisioned_at else ""


def members_of(team: Team) -> Section:
    rows = TeamMembership.objects.filter(team=team, left_at=None).select_related("user").order_by("user__user_name")
    remove = reverse("admin:workspace_team_remove_member", args=[team.pk])
    local = not read_only(team)
    return Section(
        "Members",
        ("Person", "userName", "Managed by", "Since", ""),
        [
            [
                link(row.user), row.user.user_name, provider_badge(row.user), when(row.joined_at),
                button(f"{remove}?person={row.user_id}", "Remove") if local else "",
            ]
            for row in rows[:MEMBERS_SHOWN]
        ],
        "Nobody is in this team.",
        note=f"The first {MEMBERS_SHOWN} by userName." if rows.count() > MEMBERS_SHOWN else "",
    )  # fmt: skip


def accounts_of(team: Team) -> Section:
    grants = ledger.grants_of(team).select_related("account").order_by("account__name")
    return Section(
        "Accounts its members can use",
        ("Account", "As", "Since", "Until"),
        [
            [account_link(grant.account), grant.get_role_display(), when(grant.granted_at), when(grant.expires_at)]
            for grant in grants
        ],
        format_html(
            'This team was given no account. Open an <a class="console-link" href="{}">account</a> and choose “Grant'
            " access”.",
            reverse("admin:workspace_account_changelist"),
        ),
    )
