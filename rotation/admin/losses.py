"""Losses of access: people who stay and must not know a password any more, and what has become of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import HttpRequest

from rotation.admin.offboardings import exposures_of, follow_ups_of, progress_text
from rotation.admin.words import passwords_of, standing_badge
from rotation.departures.standing import Tally, with_tally
from rotation.models import AccessLoss, Exposure
from workspace.admin.base import ChoiceFilter, ConsoleAdmin
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, actor_text, link, when, with_actor


class LossStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "open": ("Open", Exists(Exposure.objects.open().filter(loss=OuterRef("pk")))),
        "done": ("Closed", ~Exists(Exposure.objects.open().filter(loss=OuterRef("pk")))),
    }


@admin.register(AccessLoss)
class AccessLossAdmin(ConsoleAdmin):
    """Written by whatever took the access; only those from which something followed are kept."""

    list_display = ("what", "cause", "happened", "by", "people_count", "state", "passwords")
    list_filter = (LossStateFilter,)
    search_fields = ("cause", "team__display_name")
    search_help_text = "Cause or team"
    ordering = ("-at",)
    related = ("team", "grant__account")
    empty_icon = "key_off"
    empty_title = "No losses of access found"
    empty_text = "A minute after somebody who stays lost a team or a grant, the passwords to change for it stand here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).filter(settled_at__isnull=False).annotate(
            person_count=Count("exposures__user", distinct=True)
        )  # fmt: skip
        return with_actor(with_tally(rows, origin="loss"), "actor")

    @admin.display(description="What", ordering="kind")
    def what(self, loss: AccessLoss) -> str:
        return loss.get_kind_display()

    @admin.display(description="When", ordering="at")
    def happened(self, loss: AccessLoss) -> str:
        return when(loss.at)

    @admin.display(description="By")
    def by(self, loss: Any) -> str:
        return actor_text(loss.actor, loss.actor_name)

    @admin.display(description="People")
    def people_count(self, loss: Any) -> int:
        return int(loss.person_count)

    @admin.display(description="State")
    def state(self, loss: Any) -> str:
        return standing_badge(Tally.read(loss.tally))

    @admin.display(description="Passwords they could have known")
    def passwords(self, loss: Any) -> str:
        return Tally.read(loss.tally).words

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        tally = Tally.read(obj.tally)
        facts = [
            *passwords_of(tally),
            Fact("What", obj.get_kind_display()),
            Fact("Cause", obj.cause),
            Fact("By", actor_text(obj.actor, obj.actor_name)),
            Fact("When", when(obj.at)),
            Fact("Team", link(obj.team)),
            Fact("Grant", link(obj.grant) if obj.grant else NOTHING),
            Fact("People", obj.person_count),
        ]
        live = progress_text(tally) if tally.open else ""
        sections = [exposures_of(obj, tally.known), *follow_ups_of(obj), history(obj)]
        return Detail(facts, sections, [standing_badge(tally)], live=live)
