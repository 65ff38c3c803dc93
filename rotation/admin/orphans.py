"""The queue of orphans: accounts whose only Owner is gone, each with a suggested successor to confirm."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from rotation.admin.preview_page import WHYS, suggestion_text
from rotation.departures import orphans
from rotation.departures.orphans import Suggestion
from rotation.models import Orphan
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound, button_for, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, actor_of, badge, link, when
from workspace.admin.person_page import account_link
from workspace.models import User, Workspace

AT_ONCE: Final = 200


class OrphanStateFilter(ChoiceFilter):
    """What waits, unless asked for the rest."""

    title = "state"
    parameter_name = "state"
    conditions = {
        "waiting": ("Waiting for an Owner", Q(settled_at=None)),
        "settled": ("Settled", Q(settled_at__isnull=False)),
        "all": ("All", Q()),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return super().queryset(request, queryset) if self.value() else queryset.filter(settled_at=None)


class SuggestingList(ChangeList):  # type: ignore[misc]  # unfold is untyped
    """A page of the queue, with the suggestions for all its rows fetched at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        waiting = [orphan for orphan in self.result_list if orphan.settled_at is None]
        found = orphans.suggest([orphan.account_id for orphan in waiting])
        for orphan in waiting:
            orphan.suggestion = found.get(orphan.account_id)


class SuccessorForm(forms.ActForm):
    def __init__(self, *args: Any, orphan: Orphan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(workspace_id=orphan.workspace_id).active()
        self.fields["successor"] = forms.search("The next Owner", people, through=Orphan, field="successor")


class ConfirmForm(forms.ActForm):
    """The queue with its suggestions, each to be ticked off. A suggestion that changed meanwhile is no choice."""

    def __init__(self, *args: Any, queue: Sequence[Orphan], found: dict[UUID, Suggestion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [
            (f"{orphan.pk}:{found[orphan.account_id].user.pk}", _proposal(orphan, found[orphan.account_id]))
            for orphan in queue if orphan.account_id in found and not orphans.is_held(orphan)
        ]  # fmt: skip
        self.fields["orphans"] = forms.several(
            "These accounts get these Owners", choices, initial=[value for value, _ in choices]
        )

    def successors(self) -> dict[UUID, UUID]:
        pairs = (value.split(":") for value in self.cleaned_data["orphans"])
        return {UUID(orphan): UUID(user) for orphan, user in pairs}


@admin.register(Orphan)
class OrphanAdmin(ConsoleAdmin):
    """Filled by departures and lost access; emptied here, or by whatever gives an account an Owner."""

    list_display = ("account", "former", "opened", "suggested", "state")
    csv_columns = ("account", "former", "opened", "state")
    list_filter = (OrphanStateFilter,)
    search_fields = ("account__name", "former_owner__user_name", "former_owner__display_name")
    search_help_text = "Account or former Owner"
    ordering = ("-opened_at", "pk")
    related = ("account", "former_owner", "successor", "offboarding__hold")
    empty_icon = "family_restroom"
    empty_title = "No orphans found"
    empty_text = "When an account's only Owner leaves, it waits here for you to confirm who owns it next."
    actions_list = ("confirm_many",)
    actions_detail = ("confirm",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SuggestingList

    @admin.display(description="Former Owner", ordering="former_owner__user_name")
    def former(self, orphan: Orphan) -> str:
        return str(orphan.former_owner or NOTHING)

    @admin.display(description="Since", ordering="opened_at")
    def opened(self, orphan: Orphan) -> str:
        return when(orphan.opened_at)

    @admin.display(description="Suggested successor")
    def suggested(self, orphan: Any) -> str:
        return NOTHING if orphan.settled_at else suggestion_text(getattr(orphan, "suggestion", None))

    @admin.display(description="State", ordering="settled_at")
    def state(self, orphan: Orphan) -> SafeString:
        if orphan.settled_at:
            return badge(orphan.get_outcome_display(), "success")
        return badge("Waits for an answer", "warning") if orphans.is_held(orphan) else badge("No Owner", "danger")

    def detail(self, request: HttpRequest, obj: Orphan) -> Detail:
        facts = [
            Fact("Account", account_link(obj.account)),
            Fact("Former Owner", link(obj.former_owner)),
            Fact("Offboarding", link(obj.offboarding)),
            Fact("Since", when(obj.opened_at)),
        ]
        if obj.settled_at:
            facts += [
                Fact("Next Owner", link(obj.successor)),
                Fact("Settled", when(obj.settled_at)),
                Fact("By", actor_of(obj, "settled_by")),
            ]
        else:
            suggested = orphans.suggest([obj.account_id]).get(obj.account_id)
            facts.append(Fact("Suggested successor", suggestion_text(suggested)))
        return Detail(facts, [history(obj.account)], [self.state(obj)])

    def offered(self, request: HttpRequest, obj: Orphan) -> Sequence[str]:
        return () if obj.settled_at else self.actions_detail

    @act("Name an Owner", url_path="confirm", icon="how_to_reg", variant=ActionVariant.PRIMARY)
    def confirm(self, request: HttpRequest, orphan: Orphan) -> Act:
        found = orphans.suggest([orphan.account_id]).get(orphan.account_id)
        form = SuccessorForm(
            bound(request), orphan=orphan, initial={"successor": found.user.pk if found else None}
        )

        def hand_over(data: dict[str, Any]) -> str:
            orphans.confirm(orphan, data["successor"], actor=actor(request))
            return f"{data['successor']} owns {orphan.account} now."

        why = f"{found.user} is suggested, who {WHYS[found.why]}." if found else ""
        return Act(
            f"Name the next Owner of {orphan.account}", "Hand over", form, hand_over,
            text=tuple(filter(None, (why, "The Owner of an account may reveal its password and share it."))),
            refusal=_refusal(orphan),
        )  # fmt: skip

    @button_for("Confirm suggestions", url_path="confirm-suggestions", icon="done_all", variant=ActionVariant.PRIMARY)
    def confirm_many(self, request: HttpRequest) -> HttpResponse:
        waiting = orphans.open_orphans(visitor(request).workspace).select_related(
            "account", "workspace", "former_owner", "offboarding__hold"
        )
        queue = list(waiting.order_by("account__name", "pk")[:AT_ONCE])
        found = orphans.suggest([orphan.account_id for orphan in queue])
        form = ConfirmForm(bound(request), queue=queue, found=found)

        def hand_over(data: dict[str, Any]) -> str:
            done = _confirm({orphan.pk: orphan.workspace for orphan in queue}, form.successors(), request)
            return f"{done} account{'s have' if done != 1 else ' has'} an Owner again."

        offered = bool(form.fields["orphans"].choices)  # type: ignore[attr-defined]  # a choice field
        more = waiting.count() - len(queue)
        act = Act(
            "Confirm the suggested Owners", "Hand over", form, hand_over,
            text=(
                "Each account goes to the person beside it. Untick what you want to decide on the account's own page.",
                *((f"The first {AT_ONCE}; {more} more wait behind them.",) if more > 0 else ()),
            ),
            sections=[_left_out(queue, found)] if len(queue) > len(found) else [],
            refusal="" if offered else HELD if any(map(orphans.is_held, queue)) else NOTHING_WAITS,
        )  # fmt: skip
        return self.run(request, act)


NOTHING_WAITS: Final = "Nothing waits here that could be confirmed."
HELD: Final = "What waits here was left by a removal of many people that waits for an answer. Answer that first."


def _confirm(workspaces: dict[UUID, Workspace], successors: dict[UUID, UUID], request: HttpRequest) -> int:
    """Platform staff see several workspaces at once; each is a transaction of its own."""
    by_workspace: dict[Workspace, dict[UUID, UUID]] = {}
    for orphan, user in successors.items():
        by_workspace.setdefault(workspaces[orphan], {})[orphan] = user
    return sum(
        orphans.confirm_many(workspace, chosen, actor=actor(request)) for workspace, chosen in by_workspace.items()
    )


def _proposal(orphan: Orphan, suggestion: Suggestion) -> str:
    return f"{orphan.account} → {suggestion.user} ({suggestion.user.user_name}), who {WHYS[suggestion.why]}"


def _left_out(queue: Sequence[Orphan], found: dict[UUID, Suggestion]) -> Section:
    rows = [[account_link(orphan.account)] for orphan in queue if orphan.account_id not in found]
    return Section("Nobody can be suggested for", ("Account",), rows, "")


def _refusal(orphan: Orphan) -> str:
    if orphan.settled_at:
        return "This account has an Owner again."
    if orphans.is_held(orphan):
        return HELD
    return ""
