"""Accounts: what they are, who may use them, and how their passwords fare. A password itself is on no page."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from rotation import connectors
from rotation.admin.account_form import PLAIN, AccountForm, as_text
from rotation.admin.account_keeping import DRIFTS, OWNED, KeptAdmin, check_facts, drift_text, why_not_checked
from rotation.admin.words import state_badge
from rotation.jobs import RISK_ACCEPTED
from rotation.models import RotationJob
from rotation.states import JobState
from workspace import access, accounts, authenticators
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, act, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, badge, button, clipped, link, url, when
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, Authenticator, CharacterClass, Grant, GrantRole, SecretVersion, Team, User
from workspace.vault import ledger

SHOWN = 20
SHORT = 120


class PrivilegeFilter(ChoiceFilter):
    title = "privilege"
    parameter_name = "privileged"
    conditions = {"yes": ("Privileged", Q(is_privileged=True)), "no": ("Ordinary", Q(is_privileged=False))}


class PasswordFilter(ChoiceFilter):
    title = "password"
    parameter_name = "password"
    conditions = {
        "stored": ("Stored", Q(password_set_at__isnull=False)),
        "missing": ("Not stored yet", Q(password_set_at=None)),
        "rotating": ("Being changed", Q(live_state__isnull=False)),
        "human": ("Needs a person", Q(live_state=JobState.NEEDS_HUMAN) & ~Q(live_code=RISK_ACCEPTED)),
        "drifted": ("Drifted: not the one on the target", Q(drifts=True)),
    }


class OwnerFilter(ChoiceFilter):
    title = "Owner"
    parameter_name = "owner"
    conditions = {"none": ("No Owner", Q(owned=False)), "some": ("Has an Owner", Q(owned=True))}


class PasswordForm(forms.ActForm):
    password = forms.password(
        "Password", help_text="The one in force on the target now. It is sealed at once and never shown on these pages."
    )


class AuthenticatorForm(forms.ActForm):
    key = forms.password(
        "Key",
        help_text="As the site shows it beside the QR code, or its otpauth:// address. It is sealed at once and never"
        " shown again: keep it where people who log in by hand need it.",
    )


class GrantForm(forms.ActForm):
    """A person or a team of the account's own workspace."""

    asked_as: ClassVar[dict[str, str]] = {"expires_at": "last_day"}

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.for_workspace(account.workspace).active()
        teams = Team.objects.for_workspace(account.workspace).filter(disbanded_at=None)
        self.fields["team"] = forms.search("Team", teams, through=Grant, field="team", required=False)
        self.fields["user"] = forms.search("Or a person", people, through=Grant, field="user", required=False)
        self.fields["role"] = forms.options("Role", GrantRole.choices, initial=GrantRole.COLLABORATOR)
        self.fields["last_day"] = forms.day(
            "Last day", required=False,
            help_text="For guests: after that day, in the workspace's time zone, this access ends by itself."
            " Empty: no end.",
        )  # fmt: skip

    def holder(self) -> User | Team:
        """Raises Invalid unless exactly one is named."""
        user, team = self.cleaned_data["user"], self.cleaned_data["team"]
        if (user is None) == (team is None):
            raise Invalid("Name a team or a person, not both.", field="team")
        chosen: User | Team = user or team
        return chosen


@admin.register(Account)
class AccountAdmin(KeptAdmin):
    """An account's page: its settings, its grants, its rotations. Versions are numbered, never shown."""

    list_display = (
        "name", "username", "connector_name", "privileged", "password_set", "rotation", "grant_count", "to_look_at",
    )  # fmt: skip
    list_filter = (PrivilegeFilter, PasswordFilter, OwnerFilter)
    search_fields = ("name", "username")
    search_help_text = "Name or user name"
    ordering = ("name",)
    can_add = True
    empty_icon = "key"
    empty_title = "No accounts found"
    empty_text = "Add a shared login, enter its password, and grant a team access to it."
    actions_detail = (
        "edit", "password", "authenticator", "forget_authenticator", "check_now", "adopt", "reset", "grant", "rotate",
    )  # fmt: skip
    related = ("admin_account",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        current = SecretVersion.objects.current().filter(account=OuterRef("pk"))
        live = RotationJob.objects.live().filter(account=OuterRef("pk"))
        rows: QuerySet[Any] = super().get_queryset(request).filter(archived_at=None).annotate(
            password_set_at=Subquery(current.values("visible_from")[:1]),
            live_state=Subquery(live.values("state")[:1]),
            live_code=Subquery(live.values("failure_code")[:1]),
            drifts=DRIFTS,
            owned=OWNED,
            live_job=Subquery(live.values("pk")[:1]),
            live_grants=Count("grants", filter=ledger.in_force("grants__")),
            codes_since=Subquery(Authenticator.objects.filter(account=OuterRef("pk")).values("enrolled_at")[:1]),
        )  # fmt: skip
        return rows

    @admin.display(description="Changed by", ordering="connector")
    def connector_name(self, account: Account) -> str:
        return connector_label(account)

    @admin.display(description="Privileged", ordering="is_privileged")
    def privileged(self, account: Account) -> str:
        return badge("Privileged", "warning") if account.is_privileged else ""

    @admin.display(description="Password set", ordering="password_set_at")
    def password_set(self, account: Any) -> str:
        return when(account.password_set_at) if account.password_set_at else "not stored yet"

    @admin.display(description="Rotation")
    def rotation(self, account: Any) -> str:
        return live_badge(account) if account.live_state else NOTHING

    @admin.display(description="To look at")
    def to_look_at(self, account: Any) -> str:
        return format_html_join(" ", "{}", ((each,) for each in warnings(account))) or NOTHING

    @admin.display(description="Grants", ordering="live_grants")
    def grant_count(self, account: Any) -> int:
        return int(account.live_grants)

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        badges: list[SafeString] = [badge("Privileged", "warning")] if obj.is_privileged else []
        if obj.live_state:
            badges.append(live_badge(obj))
        sections = [grants_of(obj), rotations_of(obj), versions_of(obj), history(obj)]
        return Detail(facts(obj), sections, [*badges, *warnings(obj)], drift_text(obj))

    def adding(self, request: HttpRequest) -> Act:
        form = AccountForm(bound(request), workspace=visitor(request).workspace)

        def add(data: dict[str, Any]) -> HttpResponse | str:
            values = form.values()
            account = accounts.create(form.chosen_workspace, values.pop("name"), actor=actor(request), **values)
            page.next = url(account, "password")
            return f"{account} was added. Now enter its password."

        page = Act("Add an account", "Add account", form, add)
        return page

    @act("Edit", url_path="edit", icon="edit")
    def edit(self, request: HttpRequest, account: Account) -> Act:
        initial = {name: getattr(account, name) for name in PLAIN}
        form = AccountForm(
            bound(request), workspace=account.workspace, account=account, initial=initial
        )  # fmt: skip

        def save(data: dict[str, Any]) -> str:
            accounts.update(account, actor=actor(request), **form.values())
            return "Saved."

        return Act(f"Edit {account}", "Save", form, save)

    @act("Enter password", url_path="password", icon="password")
    def password(self, request: HttpRequest, account: Any) -> Act:
        def store(data: dict[str, Any]) -> str:
            accounts.store_password(account, Secret(data["password"]), actor=actor(request))
            return "The password is sealed. People with access can use it now."

        waiting = account.live_state == JobState.NEEDS_HUMAN
        return Act(
            f"Enter the password of {account}", "Seal password", PasswordForm(bound(request)), store,
            text=("Nothing is changed on the target: enter the password that is in force there.",),
            warning="A rotation of this account waits for a person. Use “I changed it” there, so that it can go on."
            if waiting else "",
        )  # fmt: skip

    @act("Store authenticator", url_path="authenticator", icon="pin")
    def authenticator(self, request: HttpRequest, account: Any) -> Act:
        def store(data: dict[str, Any]) -> str:
            authenticators.enroll(account, Secret(data["key"]), actor=actor(request))
            return "The key is sealed. Where the target asks for a code, one is made from it."

        return Act(
            f"The authenticator of {account}", "Seal key", AuthenticatorForm(bound(request)), store,
            text=("For logins that ask for a one-time code beside the password (TOTP, RFC 6238).",),
            warning="A key is stored already; this one takes its place." if account.codes_since else "",
            refusal="" if takes_codes(account) else f"{connector_label(account)} never asks for one-time codes.",
        )  # fmt: skip

    @act("Forget authenticator", url_path="forget-authenticator", icon="backspace")
    def forget_authenticator(self, request: HttpRequest, account: Any) -> Act:
        def forget(data: dict[str, Any]) -> str:
            authenticators.remove(account, actor=actor(request))
            return "The key is gone. Where the target asks for a code, a person is asked for."

        return Act(
            f"Forget the authenticator of {account}", "Forget key", forms.ActForm(bound(request)), forget,
            refusal="" if account.codes_since else "No key is stored.", dangerous=True,
        )  # fmt: skip

    @act("Grant access", url_path="grant", icon="key", variant=ActionVariant.PRIMARY)
    def grant(self, request: HttpRequest, account: Account) -> Act:
        form = GrantForm(bound(request), account=account)

        def give(data: dict[str, Any]) -> str:
            until = forms.end_of(data["last_day"], account.workspace)
            given = access.grant(account, form.holder(), actor=actor(request), role=data["role"], expires_at=until)
            return f"{given.holder} can use {account} now{f', until {until:%Y-%m-%d %H:%M %Z}' if until else ''}."

        return Act(f"Grant access to {account}", "Grant access", form, give)

    def offered(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        able = {
            "authenticator": takes_codes(obj), "forget_authenticator": obj.codes_since is not None,
            "check_now": not why_not_checked(obj), "adopt": obj.drifts,
            "reset": obj.drifts and obj.admin_account_id is not None,
        }  # fmt: skip
        return [name for name in self.actions_detail if able.get(name, True)]


def live_badge(account: Any) -> SafeString:
    """Of the rotation that is not over; `live_state` and `live_code` are annotated."""
    if account.live_state == JobState.NEEDS_HUMAN and account.live_code == RISK_ACCEPTED:
        return badge("Risk accepted", "info")
    return state_badge(account.live_state)


def warnings(account: Any) -> list[SafeString]:
    found = [badge("Password drifted", "danger")] if account.drifts else []
    return found if account.owned else [*found, badge("No Owner", "warning")]


def takes_codes(account: Account) -> bool:
    kind = connectors.REGISTRY.get(account.connector)
    return kind is not None and kind.takes_codes


def connector_label(account: Account) -> str:
    kind = connectors.REGISTRY.get(account.connector)
    return kind.label if kind else account.connector


def facts(account: Any) -> list[Fact]:
    classes = dict(CharacterClass.choices)
    known = [
        Fact("User name", account.username or NOTHING),
        Fact("Password changed by", connector_label(account)),
        *(Fact(key.replace("_", " ").capitalize(), setting_text(value)) for key, value in account.target.items()),
        Fact("Admin account", link(account.admin_account)),
        Fact("Password set", when(account.password_set_at) if account.password_set_at else "not stored yet"),
        Fact("New passwords", f"{account.password_length} characters: "
             + ", ".join(classes.get(name, name).lower() for name in account.password_classes)),
    ]  # fmt: skip
    known += check_facts(account)
    if account.password_rules:
        known.append(Fact("Password rules", format_html("<code>{}</code>", account.password_rules)))
    if account.lockout_budget:
        known.append(Fact("Failed logins running", f"{account.lockout_budget} at most"))
    if account.codes_since:
        known.append(Fact("Authenticator", format_html("stored {}", when(account.codes_since))))
    if account.password_excluded:
        known.append(Fact("Excluded characters", format_html("<code>{}</code>", account.password_excluded)))
    return known


def setting_text(value: Any) -> Any:
    """A setting on one line, however long."""
    text = str(as_text(value))
    return clipped(text) if len(text) > SHORT else text


def grants_of(account: Account) -> Section:
    grants = ledger.grants_of(account).select_related("user", "team", "account").order_by("granted_at")
    return Section(
        "Who can use it",
        ("Given to", "", "Role", "Since", "Until", ""),
        [
            [
                link(grant.holder), "team" if grant.team_id else "person", grant.get_role_display(),
                when(grant.granted_at), when(grant.expires_at), button(url(grant, "end"), "End"),
            ]
            for grant in grants
        ],
        "Nobody. Grant a team or a person access to it.",
    )  # fmt: skip


def rotations_of(account: Account) -> Section:
    jobs = RotationJob.objects.filter(account=account).order_by("-requested_at")[:SHOWN]
    return Section(
        "Rotations",
        ("Wanted", "Cause", "State", "Finished"),
        [[when(job.requested_at), job.cause, link(job, state_badge(job.state)), when(job.finished_at)] for job in jobs],
        "Its password was never rotated here.",
    )


def versions_of(account: Account) -> Section:
    versions = account.versions.defer("sealed").order_by("-number")[:SHOWN]
    return Section(
        "Password versions",
        ("Version", "Stored", "In use from", "Until", "Proved dead"),
        [
            [
                row.number,
                when(row.created_at),
                when(row.visible_from),
                when(row.visible_until),
                when(row.proved_dead_at),
            ]
            for row in versions
        ],
        "No password is stored yet. Enter the one that is in force.",
    )
