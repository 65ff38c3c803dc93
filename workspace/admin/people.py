"""People: the list, a person's page, and what an Owner does with one.

Registered in `rotation/admin`, which adds the offboarding.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.enums import ActionVariant

from workspace import invitations, people, second_factor, sessions
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Section, actor_text, badge, when, with_actor
from workspace.admin.person_page import (
    accounts_of,
    facts,
    last_owner_warning,
    name_badge,
    notice,
    origin_badges,
    provider_badge,
    reveals_of,
    session_text,
    sessions_of,
    state_badge,
    teams_of,
)
from workspace.audit import Verb
from workspace.models import AuditEvent, Role, TotpDevice, User
from workspace.models.people import NAMED_APART, with_access
from workspace.people import Profile

_INVITED = with_access() & Q(last_login=None, invited=True)


class StateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "active": ("Active", with_access()),
        "expired": ("Past their last day", Q(is_active=True) & ~with_access()),
        "disabled": ("Disabled", Q(is_active=False, purged_at=None)),
        "invited": ("Invited, never signed in", _INVITED),
        "deleted": ("Data deleted", Q(purged_at__isnull=False)),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Pseudonyms of deleted people are shown only when asked for."""
        return super().queryset(request, queryset) if self.value() else queryset.filter(purged_at=None)


class RoleFilter(ChoiceFilter):
    title = "role"
    parameter_name = "role"
    conditions = {role.value: (role.label, Q(role=role)) for role in Role}


class ManagedFilter(ChoiceFilter):
    title = "source"
    parameter_name = "managed"
    conditions = {
        "okta": ("Identity provider", Q(provisioned_at__isnull=False)),
        "adopted": ("Identity provider, was here before", Q(adopted_at__isnull=False)),
        "local": ("This workspace", Q(provisioned_at=None)),
    }


class NameFilter(ChoiceFilter):
    title = "userName"
    parameter_name = "name"
    conditions = {"apart": ("Differs from the e-mail", NAMED_APART)}


class SecondFactorFilter(ChoiceFilter):
    title = "second factor"
    parameter_name = "second_factor"
    conditions = {
        "set": ("Set up", Q(Exists(TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)))),
        "none": ("None", ~Q(Exists(TotpDevice.objects.filter(user=OuterRef("pk"), confirmed=True)))),
    }


class ProfileForm(forms.WorkspaceForm):
    """A local person. What an identity provider manages is changed there, and has no form here."""

    user_name = forms.text("userName", help_text="How the person is called in Cerby and in Okta; usually the e-mail.")
    email = forms.email("E-mail", required=False)
    given_name = forms.text("Given name", required=False)
    family_name = forms.text("Family name", required=False)
    display_name = forms.text("Display name", required=False)


class RoleForm(forms.ActForm):
    role = forms.options("Role", Role.choices)


class SessionsForm(forms.ActForm):
    """One session, or all of them."""

    def __init__(self, *args: Any, known: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["session"] = field = forms.options("Session", [("", "All sessions"), *known])
        field.required = False


class PersonAdmin(ConsoleAdmin):
    """A person's page says what they may use, what they saw, and what happened to them."""

    list_display = ("person", "email_shown", "role_badge", "state", "provider", "signed_in", "disabled")
    list_display_links = ("person",)
    csv_columns = (
        "__str__", "user_name", "email", "role", "state", "provider", "last_login", "deactivated_at", "disabled_by",
    )  # fmt: skip
    list_filter: Sequence[type[ChoiceFilter]] = (StateFilter, RoleFilter, ManagedFilter, NameFilter, SecondFactorFilter)
    search_fields = ("user_name", "email", "display_name", "given_name", "family_name")
    search_help_text = "Name, userName or e-mail"
    ordering = ("user_name",)
    can_add = True
    empty_icon = "group"
    empty_title = "No people found"
    empty_text = "People appear here as soon as Okta assigns them to the app, or when you add one yourself."
    actions_detail: Sequence[str] = ("edit", "role", "invite", "reactivate", "end_sessions", "reset_second_factor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        invited = AuditEvent.objects.filter(subject_id=OuterRef("pk"), verb=Verb.PERSON_INVITED)
        let_in = ExpressionWrapper(with_access(), output_field=BooleanField())
        people = super().get_queryset(request).annotate(invited=Exists(invited), let_in=let_in)
        return with_actor(people, "deactivated_by")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Select boxes offer those only who can be given something."""
        if request.path == reverse("admin:autocomplete"):
            queryset = queryset.filter(with_access())
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found

    # The list

    @admin.display(description="Name", ordering="display_name")
    def person(self, user: User) -> str:
        apart = name_badge(user)
        return format_html("{}<br><span class='console-subtle'>{}</span> {}", user, user.user_name, apart)

    @admin.display(description="E-mail", ordering="email")
    def email_shown(self, user: User) -> str:
        return user.email or NOTHING

    @admin.display(description="Role", ordering="role")
    def role_badge(self, user: User) -> str:
        return badge(user.get_role_display(), "primary") if user.role != Role.MEMBER else user.get_role_display()

    @admin.display(description="State", ordering="is_active")
    def state(self, user: User) -> str:
        return state_badge(user)

    @admin.display(description="Managed by", ordering="provisioned_at")
    def provider(self, user: User) -> str:
        return provider_badge(user)

    @admin.display(description="Last sign-in", ordering="last_login")
    def signed_in(self, user: User) -> str:
        return when(user.last_login) if user.last_login else "never"

    @admin.display(description="Disabled", ordering="deactivated_at")
    def disabled(self, user: Any) -> str:
        if user.deactivated_at is None:
            return NOTHING
        return format_html(
            "{}<br><span class='console-subtle'>by {}</span>",
            when(user.deactivated_at), actor_text(user.deactivated_by, user.actor_name),
        )  # fmt: skip

    @admin.display(description="Disabled by")
    def disabled_by(self, user: Any) -> str:
        return actor_text(user.deactivated_by, user.actor_name)

    # The page

    def detail(self, request: HttpRequest, obj: User) -> Detail:
        badges = [state_badge(obj), badge(obj.get_role_display(), "primary"), *origin_badges(obj)]
        return Detail(facts(obj), self.sections(request, obj), badges, notice(obj))

    def sections(self, request: HttpRequest, user: User) -> list[Section]:
        return [accounts_of(user), reveals_of(user), teams_of(user), sessions_of(user), history(user)]

    def offered(self, request: HttpRequest, obj: User) -> Sequence[str]:
        if obj.purged_at is not None or obj.workspace_id is None:
            return ()
        if not obj.is_active:
            return ("reactivate",)
        edit = () if obj.provisioned_at else ("edit",)
        codes = ("reset_second_factor",) if second_factor.is_enrolled(obj) else ()
        return (*edit, "role", "invite", *(("end_sessions",) if sessions.open_of(obj) else ()), *codes)

    # What is done

    def adding(self, request: HttpRequest) -> Act:
        form = ProfileForm(bound(request), workspace=visitor(request).workspace)

        def add(data: dict[str, Any]) -> str:
            user = people.provision(form.chosen_workspace, profile(data), actor=actor(request), managed=False)
            return f"{user} was added. Send an invitation link so that they can set a password."

        return Act("Add a person", "Add person", form, add, text=(
            "For people whom no identity provider manages. Okta adds its people by itself.",
        ))  # fmt: skip

    @act("Edit", url_path="edit", icon="edit")
    def edit(self, request: HttpRequest, user: User) -> Act:
        form = ProfileForm(
            bound(request), workspace=user.workspace, initial={name: getattr(user, name) for name in EDITABLE}
        )

        def save(data: dict[str, Any]) -> str:
            people.update_profile(user, profile(data, kept=user), actor=actor(request))
            return "Saved."

        managed = "Okta manages this profile; change it there." if user.provisioned_at else ""
        return Act(f"Edit {user}", "Save", form, save, refusal=managed)

    @act("Change role", url_path="role", icon="shield_person")
    def role(self, request: HttpRequest, user: User) -> Act:
        form = RoleForm(bound(request), initial={"role": user.role})

        def change(data: dict[str, Any]) -> str:
            people.set_role(user, Role(data["role"]), actor=actor(request))
            return f"{user} is now {Role(data['role']).label}."

        return Act(
            f"Change the role of {user}", "Change role", form, change,
            text=("Owners reach this console and everything in it. Members use the accounts they were given.",),
            warning=last_owner_warning(user),
            refusal="You cannot change your own role; another Owner can." if user == visitor(request) else "",
        )  # fmt: skip

    @act("Invitation link", url_path="invite", icon="mail")
    def invite(self, request: HttpRequest, user: User) -> Act:
        def issue(data: dict[str, Any]) -> HttpResponse:
            address = settings.BASE_URL + invitations.invite(user, actor=actor(request))
            return self.shown_once(
                request, user, title=f"Invitation for {user}", label="Invitation link", secret=address,
                text=(
                    f"Send this link to {user} over a channel only they read.",
                    "It works once, for 24 hours, and is not shown again.",
                ),
            )  # fmt: skip

        return Act(
            f"Invite {user}", "Create link", forms.ConfirmedForm(bound(request), request=request), issue,
            text=(
                "Creates a link with which this person sets their password. Whoever has the link can do it.",
                "It works once and for 24 hours. A person who has a password already can set a new one with it.",
            ),
        )  # fmt: skip

    @act("Reactivate", url_path="reactivate", icon="person_check", variant=ActionVariant.PRIMARY)
    def reactivate(self, request: HttpRequest, user: User) -> Act:
        def back(data: dict[str, Any]) -> str:
            people.reactivate(user, actor=actor(request))
            return f"{user} can sign in again. Give them access to what they need."

        return Act(
            f"Reactivate {user}", "Reactivate", forms.ActForm(bound(request)), back,
            text=(
                "The person can sign in again, as a member.",
                "Nothing they had comes back: no access to accounts, no teams, no API keys, no role.",
            ),
            warning="Okta manages this person. Assign the app there as well, or Okta may disable them again."
            if user.provisioned_at else "",
            refusal="This person is active." if user.is_active else "",
        )  # fmt: skip

    @act("End sessions", url_path="sessions", icon="logout")
    def end_sessions(self, request: HttpRequest, user: User) -> Act:
        known = [(each.digest, session_text(each)) for each in sessions.open_of(user)]
        form = SessionsForm(bound(request), known=known, initial={"session": request.GET.get("session", "")})

        def end(data: dict[str, Any]) -> str:
            if data["session"]:
                sessions.end(user, data["session"], actor=actor(request))
                return "That session has ended."
            ended = sessions.end_all(user, actor=actor(request))
            return "1 session has ended." if ended == 1 else f"{ended} sessions have ended."

        return Act(
            f"End sessions of {user}", "End", form, end, dangerous=True,
            text=("The person is signed out there at once, and can sign in again.",),
            refusal="" if known else f"{user} is signed in nowhere.",
        )  # fmt: skip

    @act("Reset second factor", url_path="second-factor", icon="phonelink_erase")
    def reset_second_factor(self, request: HttpRequest, user: User) -> Act:
        def reset(data: dict[str, Any]) -> str:
            second_factor.reset(user, actor=actor(request))
            return f"{user} signs in with the password alone until a new second factor is set up."

        return Act(
            f"Reset the second factor of {user}", "Reset", forms.ConfirmedForm(bound(request), request=request),
            reset, dangerous=True,
            text=(
                "For somebody who lost their phone and their recovery codes. Make sure that it is they who ask:"
                " call them on a number you know.",
                "Their sessions end. Owners set up a new second factor before anything else.",
            ),
            refusal="" if second_factor.is_enrolled(user) else f"{user} has no second factor.",
        )  # fmt: skip


EDITABLE = ("user_name", "email", "given_name", "family_name", "display_name")


def profile(data: dict[str, Any], *, kept: User | None = None) -> Profile:
    """The form as a profile, with what the form does not show taken over from `kept`."""
    shown = {name: data[name] for name in EDITABLE}
    if kept is None:
        return Profile(**shown)
    return Profile(**shown, external_id=kept.external_id, attributes=kept.attributes)
