"""Removals of many people: what was held back, and the Owner's answer to it."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from rotation.departures import returns, safeguard
from rotation.departures.guests import EXPIRED
from rotation.models import Decision, MassRemoval, Orphan, RotationJob
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound
from workspace.admin.history import history
from workspace.admin.parts import (
    NOTHING,
    Detail,
    Fact,
    Section,
    actor_of,
    actor_text,
    badge,
    link,
    moment,
    when,
    with_actor,
)

SHOWN: Final = 200


class RemovalStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "waiting": ("Waits for an answer", Q(decided_at=None)),
        **{decision.value: (decision.label, Q(decision=decision)) for decision in Decision},
    }


class PeopleForm(forms.TickForm):
    """Those who left with a removal and are still out, each to be ticked off. Whom somebody here meant to leave comes
    first, and is not ticked."""

    ticks = "people"

    def __init__(self, *args: Any, removal: MassRemoval, tick: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        out = removal.offboardings.filter(user__is_active=False, user__purged_at=None).select_related("user")
        rows = with_actor(out.order_by("user__user_name", "started_at"), "actor")
        latest = sorted({row.user_id: row for row in rows}.values(), key=lambda row: not _was_meant(row))
        choices = [(str(row.user_id), _label(row)) for row in latest]
        self.ticked("Let in again", choices, [str(row.user_id) for row in latest if not _was_meant(row)], tick)


def _was_meant(offboarding: Any) -> bool:
    """Whether somebody here decided on this one departure, or its day was set long before."""
    return offboarding.actor["kind"] in {"person", "command"} or offboarding.cause == EXPIRED


def _label(offboarding: Any) -> str:
    user = offboarding.user
    text = f"{user} ({user.user_name}), left {moment(offboarding.started_at)}: {offboarding.cause}"
    by = actor_text(offboarding.actor, offboarding.actor_name)
    return f"Not ticked, decided by {by}: {text}" if _was_meant(offboarding) else text


@admin.register(MassRemoval)
class MassRemovalAdmin(ConsoleAdmin):
    """Opened by the departure that made them too many; answered here, or by the time."""

    list_display = ("happened", "number", "state", "held", "by")
    list_filter = (RemovalStateFilter,)
    search_fields = ("offboardings__user__user_name", "offboardings__user__display_name")
    search_help_text = "Somebody who left with it"
    ordering = ("-opened_at",)
    empty_icon = "groups"
    empty_title = "No removals of many people"
    empty_text = (
        "When many people are deactivated at once, their access ends; what is hard to undo waits here for your answer."
    )
    actions_detail = ("confirm", "cancel", "let_in")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).annotate(people_count=Count("offboardings__user", distinct=True))
        return with_actor(rows, "decided_by")

    @admin.display(description="When", ordering="opened_at")
    def happened(self, removal: MassRemoval) -> str:
        return when(removal.opened_at)

    @admin.display(description="People")
    def number(self, removal: Any) -> int:
        return int(removal.people_count)

    @admin.display(description="State", ordering="decision")
    def state(self, removal: MassRemoval) -> SafeString:
        if removal.decision:
            return badge(removal.get_decision_display(), "success" if removal.decision == Decision.CONFIRMED else "")
        return badge("Waits for an answer", "danger") if waits(removal) else badge("Went on", "")

    @admin.display(description="Waits until", ordering="held_until")
    def held(self, removal: MassRemoval) -> str:
        return NOTHING if removal.decision else when(removal.held_until)

    @admin.display(description="Answered by")
    def by(self, removal: Any) -> str:
        return actor_text(removal.decided_by, removal.actor_name)

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        facts = [
            Fact("Noticed", when(obj.opened_at)),
            Fact("When it was noticed", f"{obj.removed} of {obj.people} people had left"),
            Fact("People by now", obj.people_count),
            Fact("Still out", _still_out(obj)),
            Fact("Rotations held back", RotationJob.objects.filter(hold=obj, held_until__isnull=False).count()),
            Fact("Accounts without an Owner", Orphan.objects.filter(offboarding__hold=obj, settled_at=None).count()),
            Fact("Goes on by itself", NOTHING if obj.decision else when(obj.held_until)),
        ]
        if obj.decision:
            facts += [Fact("Answered", when(obj.decided_at)), Fact("By", actor_of(obj, "decided_by"))]
        return Detail(facts, [_people(obj), history(obj)], [self.state(obj)], _notice(obj))

    def offered(self, request: HttpRequest, obj: MassRemoval) -> Sequence[str]:
        if waits(obj):
            return ("confirm", "cancel")
        return ("let_in", "confirm") if obj.decision == Decision.CANCELLED else ()

    @act("They were meant to leave", url_path="confirm", icon="check", variant=ActionVariant.DANGER)
    def confirm(self, request: HttpRequest, removal: MassRemoval) -> Act:
        def go_on(data: dict[str, Any]) -> str:
            number = safeguard.confirm(removal, actor=actor(request))
            return f"{number} rotation{'s begin' if number != 1 else ' begins'} now."

        return Act(
            "These people were meant to leave", "Rotate now", forms.ActForm(bound(request)), go_on,
            text=("The passwords they could have known are changed, and their accounts can be handed over.",
                  "Whoever was let in again meanwhile is left alone."),
            sections=[_people(removal)], dangerous=True,
            refusal="" if waits(removal) or removal.decision == Decision.CANCELLED else DECIDED,
        )  # fmt: skip

    @act("It was a mistake", url_path="cancel", icon="undo", variant=ActionVariant.PRIMARY)
    def cancel(self, request: HttpRequest, removal: MassRemoval) -> Act:
        def call_off(data: dict[str, Any]) -> str:
            number = safeguard.cancel(removal, actor=actor(request))
            return f"{number} rotation{'s were' if number != 1 else ' was'} called off. Let the people in again."

        return Act(
            "It was a mistake", "Call it off", forms.ActForm(bound(request)), call_off,
            text=(
                "Nothing is rotated and nothing handed over. Access stays ended until you let the people in again,"
                " which is the next step.",
                "What they could have known stays written down, and open, until they are in again.",
            ),
            sections=[_people(removal)], refusal="" if waits(removal) else DECIDED,
        )  # fmt: skip

    @act("Let them in again", url_path="let-in", icon="person_check", variant=ActionVariant.PRIMARY)
    def let_in(self, request: HttpRequest, removal: MassRemoval) -> Act:
        form = PeopleForm(bound(request), removal=removal, tick=request.GET.get("tick", ""))

        def admit(data: dict[str, Any]) -> str:
            number = returns.let_in_again(removal, data["people"], actor=actor(request))
            return f"{number} {'people are' if number != 1 else 'person is'} in again, with what they had."

        nobody = not form.fields["people"].choices  # type: ignore[attr-defined]  # a choice field
        return Act(
            "Let them in again", "Let in", form, admit,
            text=(
                "They can sign in again as members, and get back the grants that ended with this departure.",
                "Teams come back with the identity provider's next push; those made here, on the team's page."
                " Roles, API keys and passwords of their own do not come back.",
            ),
            warning="Untick who was meant to leave: who left shortly before is among them. Who was offboarded here by"
            " hand is not ticked. Mend the cause at the identity provider first, or it will disable them again.",
            refusal=("Call the removal off first." if removal.decision != Decision.CANCELLED else
                     "Everybody is in again." if nobody else ""),
        )  # fmt: skip


DECIDED: Final = "It is too late for that: the rotations are under way."


def waits(removal: MassRemoval) -> bool:
    return safeguard.still_held(removal.workspace).filter(pk=removal.pk).exists()


def _notice(removal: MassRemoval) -> str:
    if removal.decision == Decision.CANCELLED and (left := returns.left_open(removal)):
        return (
            f"{left} password(s) are known to people who have not got these accounts back. Let them in, and into their"
            " teams, or rotate after all."
        )
    if waits(removal):
        return "Access has ended. Rotations and hand-overs wait for your answer, or go on when the time is up."
    return ""


def _still_out(removal: MassRemoval) -> int:
    """How many can be let in again."""
    out = removal.offboardings.filter(user__is_active=False, user__purged_at=None)
    return out.values("user").distinct().count()


def _people(removal: MassRemoval) -> Section:
    rows = removal.offboardings.select_related("user").order_by("user__user_name")
    total = rows.count()
    return Section(
        "People",
        ("Person", "userName", "Left", "Cause", ""),
        [
            [link(row.user), row.user.user_name, when(row.started_at), row.cause,
             link(row, "in again" if row.user.is_active else "Offboarding")]
            for row in rows[:SHOWN]
        ],
        "Nobody.",
        note=f"The first {SHOWN} of {total} by userName." if total > SHOWN else "",
    )  # fmt: skip
