"""Losses of access: people who stay and must not know a password any more, and what has become of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest

from rotation.admin.offboardings import exposures_of, follow_ups_of
from rotation.models import AccessLoss, Exposure
from workspace.admin.base import ChoiceFilter, ConsoleAdmin
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, actor_text, badge, bar, link, when, with_actor


class LossStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "open": ("Open", Exists(Exposure.objects.open().filter(loss=OuterRef("pk")))),
        "done": ("Dealt with", ~Exists(Exposure.objects.open().filter(loss=OuterRef("pk")))),
    }


@admin.register(AccessLoss)
class AccessLossAdmin(ConsoleAdmin):
    """Written by whatever took the access; only those from which something followed are kept."""

    list_display = ("what", "cause", "happened", "by", "people_count", "progress")
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
            exposure_count=Count("exposures"), open_count=Count("exposures", filter=Q(exposures__closed_at=None)),
            person_count=Count("exposures__user", distinct=True),
        )  # fmt: skip
        return with_actor(rows, "actor")

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

    @admin.display(description="Passwords dealt with")
    def progress(self, loss: Any) -> str:
        total, still = loss.exposure_count, loss.open_count
        return badge(f"{total - still} of {total}", "warning" if still else "success")

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        total, still = obj.exposure_count, obj.open_count
        facts = [
            Fact("What", obj.get_kind_display()),
            Fact("Cause", obj.cause),
            Fact("By", actor_text(obj.actor, obj.actor_name)),
            Fact("When", when(obj.at)),
            Fact("Team", link(obj.team)),
            Fact("Grant", link(obj.grant) if obj.grant else NOTHING),
            Fact("People", obj.person_count),
            Fact("Passwords dealt with", bar(total - still, total)),
        ]
        state = badge("Open", "warning") if still else badge("Dealt with", "success")
        live = f"{total - still} of {total} are dealt with." if still else ""
        return Detail(facts, [exposures_of(obj, total), *follow_ups_of(obj), history(obj)], [state], live=live)
