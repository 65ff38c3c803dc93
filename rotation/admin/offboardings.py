"""Offboardings: who left, what they could have known, and what has become of it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from rotation.admin.certificate import CertifiedAdmin
from rotation.admin.words import state_badge
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from workspace.admin.base import ChoiceFilter
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, actor_text, badge, lasting, link, when, with_actor
from workspace.admin.person_page import account_link


class ProgressFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {"open": ("Open", Q(completed_at=None)), "complete": ("Complete", Q(completed_at__isnull=False))}


@admin.register(Offboarding)
class OffboardingAdmin(CertifiedAdmin):
    """Begun on a person's page, by SCIM or by support's command."""

    list_display = ("person", "cause", "started", "by", "progress", "completed")
    list_filter = (ProgressFilter,)
    search_fields = ("user__user_name", "user__display_name", "user__email", "cause")
    search_help_text = "Person or cause"
    ordering = ("-started_at",)
    related = ("user",)
    empty_icon = "person_off"
    empty_title = "No offboardings found"
    empty_text = "When Okta deactivates somebody, or you offboard a person yourself, it is written up here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).annotate(
            exposure_count=Count("exposures"), open_count=Count("exposures", filter=Q(exposures__closed_at=None))
        )  # fmt: skip
        return with_actor(rows, "actor")

    @admin.display(description="Person", ordering="user__user_name")
    def person(self, offboarding: Offboarding) -> str:
        return str(offboarding.user)

    @admin.display(description="Started", ordering="started_at")
    def started(self, offboarding: Offboarding) -> str:
        return when(offboarding.started_at)

    @admin.display(description="By")
    def by(self, offboarding: Any) -> str:
        return actor_text(offboarding.actor, offboarding.actor_name)

    @admin.display(description="Passwords dealt with")
    def progress(self, offboarding: Any) -> str:
        total, still = offboarding.exposure_count, offboarding.open_count
        if total == 0:
            return "none known"
        return badge(f"{total - still} of {total}", "warning" if still else "success")

    @admin.display(description="Complete", ordering="completed_at")
    def completed(self, offboarding: Offboarding) -> str:
        return when(offboarding.completed_at)

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        facts = [
            Fact("Person", link(obj.user)),
            Fact("userName", obj.user.user_name),
            Fact("Cause", obj.cause),
            Fact("By", actor_text(obj.actor, obj.actor_name)),
            Fact("Started", when(obj.started_at)),
            Fact("Complete", when(obj.completed_at)),
            Fact("Took", lasting(obj.completed_at - obj.started_at) if obj.completed_at else NOTHING),
            Fact("Passwords dealt with", self.progress(obj)),
        ]
        state = badge("Complete", "success") if obj.completed_at else badge("Open", "warning")
        return Detail(facts, [exposures_of(obj), history(obj)], [state])


def exposures_of(offboarding: Offboarding) -> Section:
    rows = list(
        offboarding.exposures.select_related("account", "version", "closed_by").order_by("closed_at", "account__name")
    )
    working = _working_on(rows)
    return Section(
        "Passwords they could have known",
        ("Account", "Version", "Known since", "Looked at it", "State", "Closed", "Time to dead", "Rotation"),
        [
            [
                account_link(row.account), row.version.number, when(row.known_since),
                when(row.revealed_at) if row.revealed_at else "never", outcome_badge(row), when(row.closed_at),
                time_to_dead(row), _job(row.closed_by if row.closed_at else working.get(row.account_id)),
            ]
            for row in rows
        ],
        "None: this person was in no position to learn a password that still worked.",
    )  # fmt: skip


def outcome_badge(exposure: Exposure) -> SafeString:
    if exposure.closed_at is None:
        return badge("Open", "warning")
    tone = {Outcome.PROVED_DEAD: "success", Outcome.CHANGED_BY_HAND: "info"}.get(Outcome(exposure.outcome), "")
    return badge(exposure.get_outcome_display(), tone)


def time_to_dead(exposure: Exposure) -> str:
    if exposure.closed_at is None or exposure.outcome == Outcome.LEFT_BY_POLICY:
        return NOTHING
    return lasting(exposure.closed_at - exposure.opened_at)


def _working_on(exposures: Iterable[Exposure]) -> dict[Any, RotationJob]:
    """By account, the live rotation that is to close what is still open."""
    open_accounts = [row.account_id for row in exposures if row.closed_at is None]
    return {job.account_id: job for job in RotationJob.objects.live().filter(account_id__in=open_accounts)}


def _job(job: RotationJob | None) -> SafeString | str:
    return link(job, state_badge(job.state)) if job else NOTHING
