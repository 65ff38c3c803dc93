"""Offboardings: who left, what they could have known, and what has become of it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Exists, F, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rotation.admin.certificate import CertifiedAdmin
from rotation.admin.words import job_badge, passwords_of, standing_badge
from rotation.departures.certificate import ended_at
from rotation.departures.standing import Standing, Tally, exceptions, known, with_tally
from rotation.models import AccessLoss, Decision, Exposure, Offboarding, Outcome, RotationJob
from workspace.admin.base import ChoiceFilter
from workspace.admin.history import history
from workspace.admin.parts import (
    NOTHING,
    Detail,
    Fact,
    Section,
    actor_text,
    badge,
    lasting,
    link,
    url,
    when,
    with_actor,
)
from workspace.admin.person_page import account_link

SHOWN: Final = 200


WITH_EXCEPTIONS: Final = Q(completed_at__isnull=False) & Exists(exceptions())
RECENT_EXCEPTIONS: Final = Q(started_at__gte=Now() - timedelta(days=30)) & WITH_EXCEPTIONS


class ProgressFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "open": ("Open", Q(completed_at=None)),
        "complete": ("Closed", Q(completed_at__isnull=False)),
        "proved": ("Proved", Q(completed_at__isnull=False) & Exists(known()) & ~Exists(exceptions())),
        "exceptions": ("Closed with exceptions", WITH_EXCEPTIONS),
        "recent_exceptions": ("Closed with exceptions in 30 days", RECENT_EXCEPTIONS),
        "held": ("Waits for an answer", Q(completed_at=None, hold__isnull=False, hold__decided_at=None)),
    }


@admin.register(Offboarding)
class OffboardingAdmin(CertifiedAdmin):
    """Begun on a person's page, by SCIM or by support's command."""

    list_display = ("person", "cause", "started", "by", "state", "passwords", "completed")
    list_filter = (ProgressFilter,)
    search_fields = ("user__user_name", "user__display_name", "user__email", "cause")
    search_help_text = "Person or cause"
    ordering = ("-started_at",)
    related = ("user", "hold")
    empty_icon = "person_off"
    empty_title = "No offboardings found"
    empty_text = "When Okta deactivates somebody, or you offboard a person yourself, it is written up here."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_actor(with_tally(super().get_queryset(request)), "actor")

    @admin.display(description="Person", ordering="user__user_name")
    def person(self, offboarding: Offboarding) -> str:
        return str(offboarding.user)

    @admin.display(description="Started", ordering="started_at")
    def started(self, offboarding: Offboarding) -> str:
        return when(offboarding.started_at)

    @admin.display(description="By")
    def by(self, offboarding: Any) -> str:
        return actor_text(offboarding.actor, offboarding.actor_name)

    @admin.display(description="State")
    def state(self, offboarding: Any) -> str:
        return standing_badge(Tally.read(offboarding.tally))

    @admin.display(description="Passwords they could have known")
    def passwords(self, offboarding: Any) -> str:
        return Tally.read(offboarding.tally).words

    @admin.display(description="Closed", ordering="completed_at")
    def completed(self, offboarding: Offboarding) -> str:
        return when(offboarding.completed_at)

    def detail(self, request: HttpRequest, obj: Any) -> Detail:
        tally = Tally.read(obj.tally)
        facts = [
            *passwords_of(tally),
            Fact("Person", link(obj.user)),
            Fact("userName", obj.user.user_name),
            Fact("Cause", obj.cause),
            Fact("By", actor_text(obj.actor, obj.actor_name)),
            Fact("Access ended", when(obj.started_at)),
            Fact("Closed", when(obj.completed_at)),
            Fact("All proved after", _proved_after(obj, tally)),
        ]
        if obj.completed_at:
            certificate = format_html(
                '<a class="console-link" href="{}">Open</a> · <a class="console-link" href="{}">Download</a>',
                url(obj, "certificate"), url(obj, "certificate_file"),
            )  # fmt: skip
            facts.append(Fact("Certificate", certificate))
        live = "" if obj.completed_at else progress_text(tally)
        sections = [exposures_of(obj, tally.known), *follow_ups_of(obj), *orphans_of(obj), history(obj)]
        return Detail(facts, sections, [standing_badge(tally)], held_text(obj), live)


def progress_text(tally: Tally) -> str:
    return f"{tally.known - tally.open} of {tally.known} passwords are dealt with."


def _proved_after(offboarding: Offboarding, tally: Tally) -> str:
    """Only where everything was: a departure that leaves something has not lasted so long, it goes on."""
    if tally.standing is not Standing.PROVED or offboarding.completed_at is None:
        return NOTHING
    return lasting(offboarding.completed_at - offboarding.started_at)


def held_text(offboarding: Offboarding) -> str:
    """That the rotations wait, and for what; empty for an ordinary departure."""
    removal = offboarding.hold
    if removal is None or removal.decision not in {"", Decision.CANCELLED}:
        return ""
    where = link(removal, "removal of many people")
    if removal.decision:
        return format_html("This departure was called off with a {}. What could be known stays written down.", where)
    return format_html("The rotations wait: this departure is part of a {} that an Owner has to answer.", where)


def exposures_of(of: Offboarding | AccessLoss, total: int) -> Section:
    """What is still open first. A person's name stands in a loss of access, which may concern many."""
    related = ("account", "version", "closed_by", "user")
    newest = (F("closed_at").desc(nulls_first=True), "account__name")
    rows = list(of.exposures.select_related(*related).order_by(*newest)[:SHOWN])
    working = _working_on(rows)
    many = isinstance(of, AccessLoss)
    return Section(
        "Passwords they could have known",
        (*(["Person"] if many else []), "Account", "Version", "Known since", "Looked at it", "State", "Closed",
         "Took", "Rotation"),
        [
            [
                *([link(row.user)] if many else []),
                account_link(row.account), row.version.number, when(row.known_since),
                when(row.revealed_at) if row.revealed_at else "never", outcome_badge(row), when(ended_at(row)),
                time_to_dead(row), _job(row.closed_by if row.closed_at else working.get(row.account_id)),
            ]
            for row in rows
        ],
        "None: this person was in no position to learn a password that still worked.",
        note=f"{SHOWN} of {total}, those that are open first." if total > SHOWN else "",
    )  # fmt: skip


def follow_ups_of(of: Offboarding | AccessLoss) -> list[Section]:
    """What the rotations could not close or change themselves."""
    jobs = RotationJob.objects.filter(closed_exposures__in=of.exposures.all()).exclude(follow_ups=[]).distinct()
    rows = [[link(job.account), text] for job in jobs.select_related("account")[:SHOWN] for text in job.follow_ups]
    if not rows:
        return []
    return [Section("Left for a person to see to", ("Account", "What"), rows, "")]


def orphans_of(offboarding: Offboarding) -> list[Section]:
    rows = offboarding.orphans.select_related("account", "successor").order_by("account__name")[:SHOWN]
    table = [
        [account_link(row.account), link(row.successor), badge(row.get_outcome_display(), "success")
         if row.settled_at else link(row, "Name an Owner")]
        for row in rows
    ]  # fmt: skip
    if not table:
        return []
    return [
        Section(
            "Accounts nobody else owned", ("Account", "Next Owner", ""), table, "",
            link=reverse("admin:rotation_orphan_changelist"), link_text="The queue of orphans",
        )
    ]  # fmt: skip


def outcome_badge(exposure: Exposure) -> SafeString:
    if exposure.closed_at is None:
        return badge("Open", "warning")
    outcome = Outcome(exposure.outcome)
    if outcome is Outcome.RISK_ACCEPTED:
        return format_html("{} until {}", badge("Risk accepted", "info"), when(exposure.accepted_until))
    return badge(outcome.label, TONES.get(outcome, ""))


TONES: Final = {
    Outcome.PROVED_DEAD: "success", Outcome.CHANGED_BY_HAND: "info", Outcome.TARGETS_WORD: "info",
    Outcome.LEFT_BY_POLICY: "warning",
}  # fmt: skip


def time_to_dead(exposure: Exposure) -> str:
    """How long the exposure lasted; nothing where it has not ended, or nobody changed anything."""
    ended = ended_at(exposure)
    return lasting(ended - exposure.opened_at) if ended else NOTHING


def _working_on(exposures: Iterable[Exposure]) -> dict[Any, RotationJob]:
    """By account, the live rotation that is to close what is still open."""
    open_accounts = [row.account_id for row in exposures if row.closed_at is None]
    return {job.account_id: job for job in RotationJob.objects.live().filter(account_id__in=open_accounts)}


def _job(job: RotationJob | None) -> SafeString | str:
    return link(job, job_badge(job)) if job else NOTHING
