"""People, with their offboardings and the act of offboarding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms as django_forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.enums import ActionVariant

from rotation.admin import departed
from rotation.admin.offboardings import outcome_badge
from rotation.admin.preview_page import in_words, sections_of
from rotation.admin.words import standing_badge
from rotation.departures import offboarding, returns
from rotation.departures.exposures import Also
from rotation.departures.previews import Consequence, Preview
from rotation.departures.returns import Offer
from rotation.departures.standing import Tally, tally_of, with_tally
from rotation.models import Exposure, Offboarding
from workspace import people, support
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, act, actor, bound, visitor
from workspace.admin.parts import Detail, Fact, Section, link, url, when
from workspace.admin.people import PersonAdmin
from workspace.admin.person_page import LATEST, account_link, last_owner_warning
from workspace.errors import Refused
from workspace.models import Account, GrantRole, User


class DeletionFilter(ChoiceFilter):
    title = "deletion"
    parameter_name = "deletion"
    conditions = {"asked": ("Asked for", Q(deletion_asked=True, purged_at=None))}


class GuestForm(forms.ActForm):
    last_day = forms.day("Last day", required=False, help_text="In the workspace's time zone. Empty: no guest.")
    asked_as: ClassVar[dict[str, str]] = {"expires_at": "last_day"}


class RestoreForm(forms.ActForm):
    """What can be given back, each to be ticked off."""

    def __init__(self, *args: Any, offers: Sequence[Offer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = returns.accounts_of(offers)
        choices = [(str(offer.account_id), _offer_text(accounts[offer.account_id], offer)) for offer in offers]
        self.fields["accounts"] = forms.several("Accounts", choices, initial=[value for value, _ in choices])


def _offer_text(account: Account, offer: Offer) -> str:
    privileged = ", privileged" if account.is_privileged else ""
    return f"{account}: {GrantRole(offer.role).label}{privileged}"


class ConfirmForm(forms.ActForm):
    """Asks for the userName to be typed, because this is done to people and not to rows."""

    user_name = forms.text("Type the userName to confirm")
    cause = forms.text("Cause", required=False, limit=160, help_text="Kept with the offboarding. Optional.")

    def __init__(self, *args: Any, user: User, foreseen: Preview | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(foreseen)
        self._expected = user.user_name
        self.fields["user_name"].help_text = user.user_name
        self.fields["user_name"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def offer(self, foreseen: Preview | None) -> None:
        """Ask what else shall be changed, where the policy would leave something as it is."""
        staying = len(foreseen.becoming(Consequence.STAYS)) if foreseen else 0
        looked_at = foreseen.staying_looked_at if foreseen else 0
        if not staying:
            return
        choices = [(Also.NOTHING.value, "Nothing: leave them as they are")]
        if looked_at:
            choices.append((Also.LOOKED_AT.value, f"Those they looked at ({looked_at})"))
        choices.append((Also.EVERYTHING.value, f"All of them ({staying})"))
        self.fields["also"] = forms.options(
            "Change these too", choices, help_text="Passwords that the workspace's policy would leave as they are."
        )
        self.fields["also"].required = False

    def clean_user_name(self) -> str:
        typed: str = self.cleaned_data["user_name"].strip()
        if typed.lower() != self._expected.lower():
            raise django_forms.ValidationError("That is not this person's userName.")
        return typed


@admin.register(User)
class DepartingPersonAdmin(PersonAdmin):
    """The page of a person who may leave."""

    actions_detail = (*PersonAdmin.actions_detail, "guest", "restore", "ask_deletion", "offboard")
    list_filter = (*PersonAdmin.list_filter, DeletionFilter)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return departed.with_departure(super().get_queryset(request))

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Of those who left, the list says what became of it."""
        shown = super().get_list_display(request)
        if request.GET.get("state") != "disabled":
            return shown
        return ("person", "disabled", "ended_grants", "rotations", "data", *shown[len(self.list_display):])

    @admin.display(description="Grants ended", ordering="ended_grants")
    def ended_grants(self, user: Any) -> int:
        return int(user.ended_grants)

    @admin.display(description="Passwords dealt with", ordering="still_open")
    def rotations(self, user: Any) -> str:
        return departed.rotations_text(user)

    @admin.display(description="Data", ordering="deletion_asked")
    def data(self, user: Any) -> str:
        return departed.data_text(user)

    def offered(self, request: HttpRequest, obj: User) -> Sequence[str]:
        acts = super().offered(request, obj)
        if obj.workspace_id is None or obj.purged_at is not None:
            return acts
        if not obj.is_active:
            return (*acts, "ask_deletion")
        back = ("restore",) if returns.offered(obj) else ()
        return (*back, *acts, "guest", *(("offboard",) if obj != visitor(request) else ()))

    def detail(self, request: HttpRequest, obj: User) -> Detail:
        shown = super().detail(request, obj)
        guest = [Fact("Guest until", when(obj.expires_at))] if obj.expires_at else []
        return replace(shown, facts=[*shown.facts, *guest, *departed.facts_of(obj)])

    def sections(self, request: HttpRequest, user: User) -> list[Section]:
        *former, history = super().sections(request, user)
        return [*former, offboardings_of(user), *losses_of(user), *departed.data_of(user), history]

    @act("Give access back", url_path="restore", icon="settings_backup_restore", variant=ActionVariant.PRIMARY)
    def restore(self, request: HttpRequest, user: User) -> Act:
        offers = returns.offered(user)
        form = RestoreForm(bound(request), offers=offers)

        def give_back(data: dict[str, Any]) -> str:
            number = returns.restore(user, [UUID(pk) for pk in data["accounts"]], actor=actor(request))
            return f"{user} has {number} of their accounts back."

        return Act(
            f"Give {user} access back", "Give back", form, give_back,
            text=(
                "These grants ended when the person left. Untick what they need no more.",
                "Teams are the identity provider's business: they come with its next group push. Teams made here"
                " get their member on the team's page.",
            ),
            refusal="" if user.is_active and offers else NOTHING_TO_GIVE if user.is_active else STILL_OUT,
        )  # fmt: skip

    @act("Guest", url_path="guest", icon="timer")
    def guest(self, request: HttpRequest, user: User) -> Act:
        initial = {"last_day": forms.last_day(user.expires_at, user.workspace)}
        form = GuestForm(bound(request), initial=initial)

        def decide(data: dict[str, Any]) -> str:
            until = forms.end_of(data["last_day"], user.workspace)
            people.set_expiry(user, until, actor=actor(request))
            return f"{user} leaves by themselves after that day." if until else f"{user} stays until somebody acts."

        return Act(
            f"How long {user} stays", "Save", form, decide,
            text=("After the last day they are offboarded by itself, and what they could have known is changed.",),
            refusal=refusal(user, visitor(request)),
        )  # fmt: skip

    @act("Ask for deletion", url_path="ask-deletion", icon="delete_forever")
    def ask_deletion(self, request: HttpRequest, user: User) -> Act:
        def ask(data: dict[str, Any]) -> str:
            people.ask_deletion(user, actor=actor(request))
            if support.tell_of_deletion(user):
                return f"{settings.SUPPORT_EMAIL} was told by mail, and your request is in the audit log."
            return "Your request is in the audit log. Support was not told by mail: write to them yourself."

        return Act(
            f"Have the data of {user} deleted", "Ask support", forms.ActForm(bound(request)), ask,
            text=(
                "Name, addresses, attributes, sessions and keys are deleted for good. A pseudonym remains in the"
                " history and in certificates.",
                "Support does it with `purge_user`, and not while a password that this person could have known"
                " may still be alive.",
                told_text(),
            ),
            sections=departed.data_of(user),
            refusal=refusal_to_ask(user),
        )  # fmt: skip

    @act("Offboard", url_path="offboard", icon="person_off", variant=ActionVariant.DANGER)
    def offboard(self, request: HttpRequest, user: User) -> Act:
        def leave(data: dict[str, Any]) -> str:
            cause = data["cause"] or "Offboarded by an Owner."
            also = Also(data.get("also", ""))
            done = offboarding.offboard(user, actor=actor(request), cause=cause, also=also)
            if done is None:
                raise Refused(f"{user} had no access any more.")
            page.next = url(done)
            return f"{user} is out. Passwords they could have known: {tally_of(done).words}."

        refused = refusal(user, visitor(request))
        foreseen = None if refused else offboarding.preview(user)
        warnings = (last_owner_warning(user), still_in_okta(user), foreseen.warning if foreseen else "")
        page = Act(
            f"Offboard {user}", "Offboard", ConfirmForm(bound(request), user=user, foreseen=foreseen), leave,
            dangerous=True, text=WHAT_HAPPENS, refusal=refused, warning=" ".join(filter(None, warnings)),
        )  # fmt: skip
        if foreseen:
            page.text, page.sections = (*WHAT_HAPPENS, *in_words(foreseen)), sections_of(foreseen)
        return page


def told_text() -> str:
    """What asking for a deletion does at once."""
    if settings.SUPPORT_EMAIL and settings.SENDS_MAIL:
        return (
            "Asking deletes nothing: it writes an event into the audit log, marks the person in the list, and sends"
            f" a mail with the person's id, and no name, to {settings.SUPPORT_EMAIL}."
        )
    return (
        "Asking deletes nothing: it writes an event into the audit log and marks the person in the list. This server"
        " mails nobody about it, so tell support yourself."
    )


STILL_OUT: Final = "This person is disabled. Reactivate them first."
NOTHING_TO_GIVE: Final = "There is nothing to give back: no grant ended with this person's last departure."
WHAT_HAPPENS = ("Access ends at once: sign-in, open sessions, API keys, teams and grants.",)


def refusal(user: User, looking: User) -> str:
    if user == looking:
        return "You cannot offboard yourself. Ask another Owner."
    if user.workspace_id is None:
        return "Platform staff belong to no workspace."
    return "" if user.is_active else "This person is disabled already."


def still_in_okta(user: User) -> str:
    """That the identity provider does not know of a departure which begins here; empty for local people."""
    if user.provisioned_at is None:
        return ""
    return "Okta manages this person. Take the app away there as well, or Okta may let them in again."


def refusal_to_ask(user: User) -> str:
    if user.purged_at is not None:
        return "The data of this person was deleted already."
    return "This person still has access. Offboard them first." if user.is_active else ""


def losses_of(user: User) -> list[Section]:
    """What they were to forget although they stayed; only where there is some."""
    found = Exposure.objects.filter(user=user, loss__isnull=False)
    rows = found.select_related("loss", "account").order_by("-opened_at")
    table = [
        [account_link(row.account), link(row.loss), when(row.opened_at), outcome_badge(row)] for row in rows[:LATEST]
    ]
    if not table:
        return []
    return [Section("Passwords changed although they stayed", ("Account", "Because", "Since", "State"), table, "")]


def offboardings_of(user: User) -> Section:
    rows = with_tally(Offboarding.objects.filter(user=user).order_by("-started_at"))
    return Section(
        "Offboardings",
        ("Started", "Cause", "State", "Passwords", "Closed", ""),
        [
            [when(row.started_at), row.cause, standing_badge(tally := Tally.read(row.tally)), tally.words,
             when(row.completed_at), link(row, "Look")]
            for row in rows
        ],
        "This person was never offboarded.",
    )
