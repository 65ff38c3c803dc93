"""Workspaces: for platform staff the list of customers, for an Owner their own."""

from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from workspace import hosts, notices, tenancy
from workspace.admin import forms
from workspace.admin.base import Act, ConsoleAdmin, act, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.parts import Detail, Fact, when
from workspace.admin.webhooks import KIND_CHOICES
from workspace.models import NoticeSettings, RotationPolicy, Workspace


class SettingsForm(forms.ActForm):
    rotation_policy = forms.options(
        "A departure rotates", RotationPolicy.choices,
        help_text="Of the accounts whose password a leaver could have known, these get a new one at once. The others"
        " are written down as left alone.",
    )  # fmt: skip
    provider_assigns_owner = forms.switch(
        "The identity provider may make Owners",
        help_text="Roles sent over SCIM then make and unmake Owners. Off: that is done here.",
    )


class ScheduleForm(forms.ActForm):
    time_zone = forms.options(
        "Time zone", [(name, name) for name in sorted(tenancy.time_zones())],
        help_text="The hours below, and the last days of guests, are in this zone.",
    )  # fmt: skip
    rotation_window_from = forms.number(
        "Scheduled rotations begin from (hour)", least=0, most=23, initial=0,
        help_text="0 to 23. Departures are never kept waiting by these hours.",
    )  # fmt: skip
    rotation_window_until = forms.number(
        "and before (hour)", least=0, most=23, initial=0,
        help_text="A smaller hour than the first goes past midnight; the same hour twice: at any time.",
    )  # fmt: skip
    rotate_every_days = forms.number(
        "Rotate privileged accounts every (days)", least=1, most=tenancy.LONGEST_DAYS, required=False,
        help_text="Passwords of that age are changed by themselves, those changed by hand are asked for. An account's"
        " own number counts more. Empty: only when somebody leaves or asks.",
    )  # fmt: skip
    verify_every_hours = forms.number(
        "Check stored passwords every (hours)", least=0, most=tenancy.LONGEST_HOURS, initial=24,
        help_text="Each is tried on its target; you are told when somebody changed it there. 0: never.",
    )  # fmt: skip


class GuardForm(forms.ActForm):
    rotate_on_access_loss = forms.options(
        "Losing access rotates", RotationPolicy.choices,
        help_text="For people who stay and lose an account: of those accounts, these get a new password.",
    )  # fmt: skip
    mass_removal_people = forms.number(
        "A removal of many is at least (people)", least=1, most=10_000, initial=10,
        help_text="Fewer departures than this are never held back.",
    )  # fmt: skip
    mass_removal_percent = forms.number(
        "and more than (percent of the people)", least=0, most=100, initial=20,
        help_text="0: that many people are always held back; 100: never.",
    )  # fmt: skip
    mass_removal_window_minutes = forms.number(
        "within (minutes)", least=1, most=tenancy.LONGEST_MINUTES, initial=60,
        help_text="Departures that are further apart do not count together.",
    )  # fmt: skip
    mass_removal_hold_minutes = forms.number(
        "Then rotations wait for an answer for (minutes)", least=1, most=tenancy.LONGEST_MINUTES, initial=60,
        help_text="Access ends at once all the same. Nobody answers in that time: the rotations begin by themselves.",
    )  # fmt: skip


class HostsForm(forms.ActForm):
    hosts = forms.lines(
        "Hosts", required=False, limit=20_000,
        help_text="One a line: db.example.com, *.example.com for every name below one, or an address. Empty: any.",
    )  # fmt: skip


class NotificationsForm(forms.ActForm):
    mail_kinds = forms.several(
        "Tell the Owners by mail", KIND_CHOICES, help_text="What is not ticked still stands under Notices."
    )
    exposure_hours = forms.number(
        "An exposure is open for long after (hours)", least=1, most=notices.LONGEST, initial=24,
        help_text="A password that a leaver could have known and that is not proved dead by then is told of.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["mail_kinds"].required = False  # none: nothing is told by mail


@admin.register(Workspace)
class WorkspaceAdmin(ConsoleAdmin):
    """Made and named by support's commands; looked at and set here."""

    list_display = ("name", "slug", "rotation_policy", "created")
    search_fields = ("name", "slug")
    ordering = ("name",)
    actions_detail = ("configure", "schedule", "guard", "notifications", "limit_hosts")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = ModelAdmin.get_queryset(self, request)
        own = visitor(request).workspace_id
        return rows if own is None else rows.filter(pk=own)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return self.list_display

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return ()

    @admin.display(description="Since", ordering="created_at")
    def created(self, workspace: Workspace) -> str:
        return when(workspace.created_at)

    def detail(self, request: HttpRequest, obj: Workspace) -> Detail:
        facts = [
            Fact("Name", obj.name),
            Fact("Slug", obj.slug),
            Fact("A departure rotates", obj.get_rotation_policy_display()),
            Fact("Losing access rotates", obj.get_rotate_on_access_loss_display()),
            Fact(
                "A removal of many",
                f"at least {obj.mass_removal_people} and more than {obj.mass_removal_percent} % of the people within"
                f" {obj.mass_removal_window_minutes} min; rotations then wait {obj.mass_removal_hold_minutes} min",
            ),
            Fact("Scheduled rotations", schedule_text(obj)),
            Fact("Passwords are checked", f"every {obj.verify_every_hours} h" if obj.verify_every_hours else "never"),
            Fact("The identity provider may make Owners", "yes" if obj.provider_assigns_owner else "no"),
            Fact("Targets may be on", ", ".join(obj.target_hosts) or "any host"),
            Fact("Since", when(obj.created_at)),
        ]
        unknown = "" if obj.time_zone in tenancy.time_zones() else UNKNOWN_ZONE.format(obj.time_zone)
        return Detail(facts, [history(obj)], notice=unknown)

    @act("Settings", url_path="settings", icon="tune")
    def configure(self, request: HttpRequest, workspace: Workspace) -> Act:
        def decide(data: dict[str, Any]) -> str:
            tenancy.configure(
                workspace, actor=actor(request), rotation_policy=RotationPolicy(data["rotation_policy"]),
                provider_assigns_owner=data["provider_assigns_owner"],
            )  # fmt: skip
            return "The settings are in force from now on."

        form = SettingsForm(
            bound(request),
            initial={
                "rotation_policy": workspace.rotation_policy,
                "provider_assigns_owner": workspace.provider_assigns_owner,
            },
        )
        return Act(f"Settings of {workspace}", "Save", form, decide, text=(
            "What a departure rotates counts for departures from now on; rotations under way go on.",
        ))  # fmt: skip

    @act("Schedule", url_path="schedule", icon="schedule")
    def schedule(self, request: HttpRequest, workspace: Workspace) -> Act:
        def decide(data: dict[str, Any]) -> str:
            tenancy.schedule(workspace, actor=actor(request), **data)
            return "The schedule is in force from now on."

        initial = {name: getattr(workspace, name) for name in ScheduleForm.base_fields}
        if workspace.time_zone not in tenancy.time_zones():
            initial["time_zone"] = "UTC"
        return Act(
            f"When passwords of {workspace} are changed and checked", "Save",
            ScheduleForm(bound(request), initial=initial), decide,
            text=("What happens without anybody leaving. Departures and lost access rotate at once, at any hour.",),
        )  # fmt: skip

    @act("Allowed hosts", url_path="hosts", icon="dns")
    def limit_hosts(self, request: HttpRequest, workspace: Workspace) -> Act:
        def decide(data: dict[str, Any]) -> str:
            hosts.allow(workspace, data["hosts"].split(), actor=actor(request))
            return "The list is in force from now on."

        form = HostsForm(bound(request), initial={"hosts": "\n".join(workspace.target_hosts)})
        return Act(f"Hosts that targets of {workspace} may be on", "Save", form, decide, text=(
            "Passwords are tried and changed on these hosts alone. Accounts elsewhere are refused from now on, and"
            " their rotations wait for a person. Forbidden addresses stay forbidden, also for names in the list.",
        ))  # fmt: skip

    @act("Notifications", url_path="notifications", icon="notifications")
    def notifications(self, request: HttpRequest, workspace: Workspace) -> Act:
        def decide(data: dict[str, Any]) -> str:
            notices.configure(
                workspace, actor=actor(request), mail_kinds=data["mail_kinds"],
                exposure_hours=data["exposure_hours"],
            )  # fmt: skip
            return "What is told from now on is sent like this."

        present = NoticeSettings.of(workspace)
        initial = {"mail_kinds": present.mail_kinds, "exposure_hours": present.exposure_hours}
        form = NotificationsForm(bound(request), initial=initial)
        mail = () if settings.SENDS_MAIL else ("This server sends no mail: its operator has named no mail server.",)
        return Act(f"Notifications of {workspace}", "Save", form, decide, text=(
            "Every notice stands under Notices. Which of them webhook endpoints get is chosen at each endpoint.",
            *mail,
        ))  # fmt: skip

    @act("Lost access", url_path="guard", icon="gpp_maybe")
    def guard(self, request: HttpRequest, workspace: Workspace) -> Act:
        def decide(data: dict[str, Any]) -> str:
            chosen = RotationPolicy(data.pop("rotate_on_access_loss"))
            tenancy.guard(workspace, actor=actor(request), rotate_on_access_loss=chosen, **data)
            return "The settings are in force from now on."

        initial = {name: getattr(workspace, name) for name in GuardForm.base_fields}
        return Act(
            f"Lost access and removals of many people in {workspace}", "Save",
            GuardForm(bound(request), initial=initial), decide,
            text=(
                "Somebody who stays and loses access to an account still knows its password. These are changed,"
                " unless the person reaches the account by another way.",
                "When very many people are removed at once, it may be a mistake at the identity provider: their"
                " access ends all the same, and what is hard to undo waits for an Owner.",
            ),
        )  # fmt: skip


UNKNOWN_ZONE: Final = "The time zone “{}” is not known here, so UTC is used. Choose another under Schedule."


def schedule_text(workspace: Workspace) -> str:
    """How old privileged passwords become, and at which hours they are changed."""
    first, last = workspace.rotation_window_from, workspace.rotation_window_until
    hours = "at any hour" if first == last else f"from {first}:00 to {last}:00, {workspace.time_zone}"
    days = workspace.rotate_every_days
    return f"privileged accounts every {days} days, {hours}" if days else f"by each account's own interval, {hours}"
