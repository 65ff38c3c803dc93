"""Exposures: who, having left or lost access, could have known which password, and whether it may still be alive."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from rotation.admin.offboardings import outcome_badge, time_to_dead
from rotation.admin.words import state_badge
from rotation.departures.certificate import ended_at
from rotation.models import Exposure, Outcome, RotationJob
from workspace.admin.base import ChoiceFilter, ConsoleAdmin
from workspace.admin.parts import NOTHING, Detail, Fact, actor_of, link, when
from workspace.admin.person_page import account_link


class ExposureStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "open": ("Open", Q(closed_at=None)),
        "closed": ("Closed", Q(closed_at__isnull=False)),
        **{outcome.value: (outcome.label, Q(outcome=outcome)) for outcome in Outcome},
    }


class LookedFilter(ChoiceFilter):
    title = "looked at it"
    parameter_name = "looked"
    conditions = {"yes": ("Yes", Q(revealed_at__isnull=False)), "no": ("Never", Q(revealed_at=None))}


class ExposedPrivilegeFilter(ChoiceFilter):
    title = "privilege"
    parameter_name = "privileged"
    conditions = {
        "yes": ("Privileged", Q(account__is_privileged=True)), "no": ("Ordinary", Q(account__is_privileged=False)),
    }  # fmt: skip


class OriginFilter(ChoiceFilter):
    title = "because"
    parameter_name = "because"
    conditions = {
        "left": ("They left", Q(offboarding__isnull=False)), "lost": ("They lost access", Q(loss__isnull=False)),
    }  # fmt: skip


@admin.register(Exposure)
class ExposureAdmin(ConsoleAdmin):
    """Opened by departures and lost access; closed by proof, or on somebody's word."""

    list_display = ("person", "account", "known", "looked", "since", "state", "closed", "rotation")
    csv_columns = (
        "person", "user_name", "account", "account_username", "known_since", "revealed_at", "opened_at", "state",
        "closed_at", "because", "rotation",
    )  # fmt: skip
    list_filter = (ExposureStateFilter, LookedFilter, ExposedPrivilegeFilter, OriginFilter)
    search_fields = ("user__user_name", "user__display_name", "user__email", "account__name")
    search_help_text = "Person or account"
    ordering = ("-opened_at", "pk")
    related = ("user", "account", "offboarding__user", "loss", "version", "closed_by")
    empty_icon = "visibility"
    empty_title = "No exposures found"
    empty_text = "When somebody leaves or loses access, each password they could have known stands here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = RotationJob.objects.live().filter(account=OuterRef("account"))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(live_state=Subquery(live.values("state")[:1]))
        return rows

    @admin.display(description="Person", ordering="user__user_name")
    def person(self, exposure: Exposure) -> str:
        return str(exposure.user)

    @admin.display(description="userName")
    def user_name(self, exposure: Exposure) -> str:
        return exposure.user.user_name

    @admin.display(description="User name on the target")
    def account_username(self, exposure: Exposure) -> str:
        return exposure.account.username

    @admin.display(description="Known since", ordering="known_since")
    def known(self, exposure: Exposure) -> str:
        return when(exposure.known_since)

    @admin.display(description="Looked at it", ordering="revealed_at")
    def looked(self, exposure: Exposure) -> str:
        return when(exposure.revealed_at) if exposure.revealed_at else "never"

    @admin.display(description="Access ended", ordering="opened_at")
    def since(self, exposure: Exposure) -> str:
        return when(exposure.opened_at)

    @admin.display(description="State", ordering="closed_at")
    def state(self, exposure: Exposure) -> str:
        return outcome_badge(exposure)

    @admin.display(description="Closed", ordering="closed_at")
    def closed(self, exposure: Exposure) -> str:
        return when(ended_at(exposure))

    @admin.display(description="Because")
    def because(self, exposure: Exposure) -> str:
        return "They left" if exposure.offboarding_id else "They lost access"

    @admin.display(description="Rotation")
    def rotation(self, exposure: Any) -> str:
        if exposure.closed_at is not None:
            return NOTHING
        return state_badge(exposure.live_state) if exposure.live_state else "none under way"

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        job = obj.closed_by or RotationJob.objects.live().filter(account=obj.account).first()
        facts = [
            Fact("Person", link(obj.user)),
            Fact("Account", account_link(obj.account)),
            Fact("Newest version they could have known", obj.version.number),
            Fact("Known since", when(obj.known_since)),
            Fact("Looked at it", when(obj.revealed_at) if obj.revealed_at else "never"),
            Fact("Because", link(obj.offboarding or obj.loss)),
            Fact("Access ended", when(obj.opened_at)),
            Fact("Closed", when(ended_at(obj))),
            Fact("Time to dead", time_to_dead(obj)),
            Fact("Rotation", link(job)),
        ]
        if obj.closed_at and obj.accepted_by and obj.outcome in {Outcome.RISK_ACCEPTED, Outcome.TARGETS_WORD}:
            facts += [Fact("Accepted by", actor_of(obj, "accepted_by")), Fact("Reason", obj.accepted_reason)]
        return Detail(facts, badges=[outcome_badge(obj)])
