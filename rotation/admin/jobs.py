"""Rotations: how far each has come, why it waits, and what a person can do about it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant

from rotation import jobs, resolution
from rotation.admin.words import failure_text, state_badge
from rotation.models import RotationJob
from rotation.states import FINISHED, JobState
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, actor, bound, button_for
from workspace.admin.parts import NOTHING, Detail, Fact, Section, clipped, lasting, link, when
from workspace.crypto import Secret

STOPPED = (JobState.WAITING, JobState.NEEDS_HUMAN)


class JobStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {
        "live": ("Not finished", ~Q(state__in=FINISHED)),
        "running": ("Under way", ~Q(state__in=(*FINISHED, *STOPPED))),
        **{state.value: (state.label, Q(state=state)) for state in JobState},
    }


class NewPasswordForm(forms.ActForm):
    password = forms.password("The password that is in force now", help_text="Never shown again on any page.")


@admin.register(RotationJob)
class RotationJobAdmin(ConsoleAdmin):
    """Wanted by an offboarding, done by the workers."""

    list_display = ("account", "state_name", "cause_clipped", "requested", "why", "finished")
    list_filter = (JobStateFilter,)
    search_fields = ("account__name", "cause")
    search_help_text = "Account or cause"
    ordering = ("-requested_at",)
    related = ("account", "candidate")
    empty_icon = "autorenew"
    empty_title = "No rotations found"
    empty_text = "When somebody leaves, the passwords they could have known are changed here."
    actions_detail = ("changed_by_hand", "retry")

    @admin.display(description="State", ordering="state")
    def state_name(self, job: RotationJob) -> str:
        return state_badge(job.state)

    @admin.display(description="Wanted", ordering="requested_at")
    def requested(self, job: RotationJob) -> str:
        return when(job.requested_at)

    @admin.display(description="Why it waits")
    def why(self, job: RotationJob) -> str:
        return clipped(failure_text(job) or NOTHING)

    @admin.display(description="Cause", ordering="cause")
    def cause_clipped(self, job: RotationJob) -> str:
        return clipped(job.cause)

    @admin.display(description="Finished", ordering="finished_at")
    def finished(self, job: RotationJob) -> str:
        return when(job.finished_at)

    def detail(self, request: HttpRequest, obj: RotationJob) -> Detail:
        return Detail(facts(obj), [*follow_ups_of(obj), steps_of(obj)], [state_badge(obj.state)], failure_text(obj))

    def offered(self, request: HttpRequest, obj: RotationJob) -> Sequence[str]:
        return self.actions_detail if obj.state in STOPPED else ()

    @button_for("Try again", url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def make(job: RotationJob) -> Act:
            def again(data: dict[str, Any]) -> str:
                jobs.retry(job, actor=actor(request))
                return "The next attempt begins now."

            return Act(
                f"Try {job.account} again", "Try again", forms.ActForm(bound(request)), again,
                text=("Goes on where it stopped. The target is asked which password is in force; nothing is guessed.",),
                refusal=not_stopped(job),
            )  # fmt: skip

        return self.act_on(request, object_id, make)

    @button_for("I changed it", url_path="changed-by-hand", icon="front_hand")
    def changed_by_hand(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def make(job: RotationJob) -> Act:
            def take(data: dict[str, Any]) -> str:
                done = resolution.changed_by_hand(job, Secret(data["password"]), actor=actor(request))
                return BY_WORD if done.state == JobState.DONE else TO_BE_PROVED

            form = NewPasswordForm(bound(request))
            return Act(
                f"You changed the password of {job.account}", "Use this password", form, take,
                text=(
                    "Change the password on the target first, then enter the new one here.",
                    "Where Cerby can log in by itself it verifies the new password and proves the old one dead.",
                ),
                refusal=not_stopped(job),
            )  # fmt: skip

        return self.act_on(request, object_id, make)


BY_WORD = "Taken down on your word: the new password is in use and the exposures are closed."
TO_BE_PROVED = "The new password is being verified on the target."


def not_stopped(job: RotationJob) -> str:
    """Why nothing can be done by a person now; empty when something can."""
    return "" if job.state in STOPPED else "This rotation does not wait for anybody."


def facts(job: RotationJob) -> list[Fact]:
    known = [
        Fact("Account", link(job.account)),
        Fact("Cause", job.cause),
        Fact("Wanted", when(job.requested_at)),
        Fact("New password", f"version {job.candidate.number}" if job.candidate else "not made yet"),
        Fact("Failed attempts", job.failures),
    ]
    if job.state == JobState.WAITING:
        known.append(Fact("Next attempt", when(job.next_attempt_at)))
    if job.failure_detail and job.state in STOPPED:
        known.append(Fact("What the target said", job.failure_detail))
    if job.finished_at:
        known += [
            Fact("Finished", when(job.finished_at)),
            Fact("Took", lasting(job.finished_at - job.requested_at)),
            Fact("Sessions closed", job.sessions_closed),
        ]
    return known


def steps_of(job: RotationJob) -> Section:
    return Section(
        "Steps",
        ("When", "From", "To", "Note", "Lease"),
        [
            [when(step.at), step.get_from_state_display(), state_badge(step.to_state), step.note, step.fence]
            for step in job.steps.all()
        ],
        "No worker has taken it up yet; that follows within seconds.",
        note="“Lease” counts the workers that held this rotation, one after the other.",
    )


def follow_ups_of(job: RotationJob) -> list[Section]:
    """What the connector could not close or change itself."""
    if not job.follow_ups:
        return []
    return [Section("Left for a person to see to", ("What",), [[text] for text in job.follow_ups], "")]
