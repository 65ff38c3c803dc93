"""Rotations: how far each has come, why it waits, and what a person can do about it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.enums import ActionVariant

from rotation import connectors, jobs, resolution, risk, targets
from rotation.admin.words import failure_text, health_text, job_badge, rests, state_badge
from rotation.models import Exposure, RotationJob
from rotation.states import FINISHED, JobState
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound
from workspace.admin.parts import NOTHING, Detail, Fact, Section, actor_of, clipped, lasting, link, when
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account

SHOWN: Final = 200
STOPPED = (JobState.WAITING, JobState.NEEDS_HUMAN)
RESTS: Final = Q(state=JobState.NEEDS_HUMAN, failure_code=jobs.RISK_ACCEPTED)
WAITS_FOR_A_PERSON: Final = Q(state=JobState.NEEDS_HUMAN) & ~Q(failure_code=jobs.RISK_ACCEPTED)

HELD: Final = Q(held_until__gt=Now()) & ~Q(state__in=FINISHED)
UNDER_WAY: Final = ~Q(state__in=(*FINISHED, *STOPPED)) & (Q(held_until=None) | Q(held_until__lte=Now()))


class JobStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {
        "live": ("Not finished", ~Q(state__in=FINISHED)),
        "running": ("Under way", UNDER_WAY),
        "held": ("Waits with a removal of many people", HELD),
        **{state.value: (state.label, Q(state=state)) for state in JobState},
        "needs_human": (JobState.NEEDS_HUMAN.label, WAITS_FOR_A_PERSON),
        "accepted": ("Risk accepted", RESTS),
    }


class NewPasswordForm(forms.ActForm):
    password = forms.password("The password that is in force now", help_text="Never shown again on any page.")


class AdminAccountForm(forms.ActForm):
    """Another account of the same workspace."""

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = Account.objects.filter(workspace_id=account.workspace_id, archived_at=None).exclude(pk=account.pk)
        self.fields["admin_account"] = forms.search(
            "Admin account", others, through=Account, field="admin_account",
            help_text="An account on the same target whose login may set other people's passwords.",
        )  # fmt: skip
        self.fields["admin_account"].initial = account.admin_account_id


class RiskForm(forms.TypedForm):
    last_day = forms.day("Accepted until the end of", help_text="Within a year, in the workspace's time zone.")
    reason = forms.text("Reason", limit=300, help_text="Shown to auditors, on the certificates of those who left.")
    asked_as: ClassVar[dict[str, str]] = {"until": "last_day"}


class WordForm(forms.TypedForm):
    reason = forms.text("Reason", limit=300, help_text="Shown to auditors, on the certificates of those who left.")


@admin.register(RotationJob)
class RotationJobAdmin(ConsoleAdmin):
    """Wanted by an offboarding, done by the workers."""

    list_display = ("account", "state_name", "cause_clipped", "requested", "why", "finished")
    list_filter = (JobStateFilter,)
    search_fields = ("account__name", "cause")
    search_help_text = "Account or cause"
    ordering = ("-requested_at",)
    related = ("account__admin_account", "candidate")
    empty_icon = "autorenew"
    empty_title = "No rotations found"
    empty_text = "When somebody leaves, the passwords they could have known are changed here."
    actions_detail = ("changed_by_hand", "retry", "use_admin", "targets_word", "accept_risk", "withdraw_risk")

    @admin.display(description="State", ordering="state")
    def state_name(self, job: RotationJob) -> str:
        return job_badge(job)

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
        sections = [*accepted_of(obj), *follow_ups_of(obj), steps_of(obj)]
        moves = obj.is_live and obj.state != JobState.NEEDS_HUMAN and not is_held(obj)
        live = f"{obj.get_state_display()}." if moves else ""
        return Detail(facts(obj), sections, [job_badge(obj)], failure_text(obj), live)

    def offered(self, request: HttpRequest, obj: RotationJob) -> Sequence[str]:
        if obj.state not in STOPPED:
            return ()
        able = {
            "use_admin": resets_by_admin(obj.account),
            "targets_word": not resolution.why_not_targets_word(obj),
            "accept_risk": Exposure.objects.open().filter(account=obj.account).exists(),
            "withdraw_risk": risk.accepted_for(obj.account).exists(),
        }
        return [name for name in self.actions_detail if able.get(name, True)]

    @act("Try again", url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry(self, request: HttpRequest, job: RotationJob) -> Act:
        def again(data: dict[str, Any]) -> str:
            jobs.retry(job, actor=actor(request))
            return "The next attempt begins now."

        return Act(
            f"Try {job.account} again", "Try again", forms.ActForm(bound(request)), again,
            text=("Goes on where it stopped. The target is asked which password is in force; nothing is guessed.",),
            refusal=not_stopped(job),
        )  # fmt: skip

    @act("I changed it", url_path="changed-by-hand", icon="front_hand")
    def changed_by_hand(self, request: HttpRequest, job: RotationJob) -> Act:
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


    @act("Use the admin account", url_path="use-admin", icon="admin_panel_settings")
    def use_admin(self, request: HttpRequest, job: RotationJob) -> Act:
        def name_it(data: dict[str, Any]) -> str:
            resolution.use_admin(job, data["admin_account"], actor=actor(request))
            return f"{data['admin_account']} sets the password of {job.account} now."

        impossible = "" if resets_by_admin(job.account) else "No other login can reset this one on such a target."
        return Act(
            f"Have another account set the password of {job.account}", "Use this account",
            AdminAccountForm(bound(request), account=job.account), name_it,
            text=(
                "Cerby logs in to the target with that account's stored password and sets the new password of this"
                " one, without needing to know the present one.",
                "It is kept as the admin account of this one, also for rotations to come.",
            ),
            refusal=not_stopped(job) or impossible,
        )  # fmt: skip

    @act("Take the target's word", url_path="targets-word", icon="fact_check")
    def targets_word(self, request: HttpRequest, job: RotationJob) -> Act:
        def take(data: dict[str, Any]) -> str:
            done = resolution.take_targets_word(job, reason=data["reason"], actor=actor(request))
            then = "" if done.state == JobState.DONE else " Its open sessions are ended next."
            return f"The new password is in use. That nobody proved it is written down as an exception.{then}"

        form = WordForm(bound(request), expected=job.account.name, label="Type the account's name to confirm")
        return Act(
            f"Take the target's word for {job.account}", "Take its word", form, take, dangerous=True,
            text=(
                "The target answered that it took the new password. It has no login call by which Cerby could see"
                " the new one accepted and the old one rejected.",
                "People are shown the new password from now on. Where the target can end open sessions, Cerby has it do"
                " so. Then the exposures are closed as “changed, on the target's word”: an exception on each"
                " certificate, with your name and reason.",
            ),
            warning="Declare a login call in the account's settings instead, where the target has one.",
            refusal=resolution.why_not_targets_word(job),
        )  # fmt: skip

    @act("Accept the risk", url_path="accept-risk", icon="gpp_maybe", variant=ActionVariant.DANGER)
    def accept_risk(self, request: HttpRequest, job: RotationJob) -> Act:
        form = RiskForm(bound(request), expected=job.account.name, label="Type the account's name to confirm")
        still = Exposure.objects.open().filter(account=job.account).select_related("user", "version")

        def bear(data: dict[str, Any]) -> str:
            until = forms.end_of(data["last_day"], job.workspace)
            assert until is not None
            number = risk.accept(job, until=until, reason=data["reason"], actor=actor(request))
            people = "1 person" if number == 1 else f"{number} people"
            return f"Accepted for {people}, until {until:%Y-%m-%d %H:%M %Z}."

        return Act(
            f"Accept that the password of {job.account} stays known", "Accept the risk", form, bear, dangerous=True,
            text=(
                "The exposures below are closed on your word until that day, and the rotation rests. The old"
                " password may still be alive all that time.",
                "Then they open again and the rotation goes on by itself; so it does when somebody else leaves who"
                " could have known the password. You can withdraw it before.",
            ),
            sections=[exposed_of(still)],
            refusal=not_stopped(job) or ("" if still else "Nobody's knowledge of this password is open."),
        )  # fmt: skip

    @act("Withdraw acceptance", url_path="withdraw-risk", icon="undo")
    def withdraw_risk(self, request: HttpRequest, job: RotationJob) -> Act:
        def reopen(data: dict[str, Any]) -> str:
            risk.withdraw(job, actor=actor(request))
            return "The exposures are open again, and the next attempt begins now."

        accepted = risk.accepted_for(job.account).exists()
        return Act(
            f"Accept the risk of {job.account} no longer", "Withdraw", forms.ActForm(bound(request)), reopen,
            text=("What was accepted opens again, and so do its offboardings. The rotation goes on.",),
            sections=accepted_of(job), refusal="" if accepted else "No risk is accepted for this account.",
        )  # fmt: skip


def resets_by_admin(account: Account) -> bool:
    """Whether another login could set this one's password on such a target."""
    try:
        return connectors.of(account, timeout=1).capabilities.admin_reset
    except Invalid:
        return False


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
    if is_held(job):
        held = format_html("{}, with a {}", when(job.held_until), link(job.hold, "removal of many people"))
        known.append(Fact("Held back until", held))
    if job.failure_detail and job.state in STOPPED:
        known.append(Fact("Until when" if rests(job) else "What the target said", job.failure_detail))
    if job.is_live and (health := targets.health_of(job.workspace, job.target)):
        known.append(Fact("Target", format_html("{}: {}", job.target, health_text(health))))
        if health.failures:
            known.append(Fact("Its last failure", health.failure_detail))
    if job.finished_at:
        known += [
            Fact("Finished", when(job.finished_at)),
            Fact("Took", lasting(job.finished_at - job.requested_at)),
            Fact("Sessions closed", job.sessions_closed),
        ]
    return known


def exposed_of(exposures: QuerySet[Exposure]) -> Section:
    rows = [
        [link(row.user), row.version.number, when(row.known_since),
         when(row.revealed_at) if row.revealed_at else "never", when(row.opened_at)]
        for row in exposures.order_by("opened_at")[:SHOWN]
    ]  # fmt: skip
    return Section(
        "Who could have known it", ("Person", "Version", "Known since", "Looked at it", "Access ended"), rows, "Nobody."
    )


def accepted_of(job: RotationJob) -> list[Section]:
    """Who bears which risk of the account, and until when; only where one is borne."""
    found = list(risk.accepted_for(job.account).select_related("user").order_by("accepted_until")[:SHOWN])
    rows = [
        [link(row.user), when(row.accepted_until), actor_of(row, "accepted_by"), row.accepted_reason] for row in found
    ]
    return [Section("Risk accepted", ("Known to", "Until", "By", "Reason"), rows, "")] if rows else []


def is_held(job: RotationJob) -> bool:
    return job.held_until is not None and job.held_until > timezone.now()


def steps_of(job: RotationJob) -> Section:
    steps = list(job.steps.all())
    before = [job.requested_at, *(step.at for step in steps)]
    return Section(
        "Steps",
        ("When", "From", "To", "Note", "Lease", "After"),
        [
            [when(step.at), step.get_from_state_display(), state_badge(step.to_state), step.note, step.fence,
             lasting(max(step.at - earlier, timedelta()))]
            for step, earlier in zip(steps, before, strict=False)
        ],
        "It waits with a removal of many people, and begins when that is answered or its time is up."
        if is_held(job) else "No worker has taken it up yet; that follows within seconds.",
        note="“Lease” counts the workers that held this rotation, one after the other.",
    )


def follow_ups_of(job: RotationJob) -> list[Section]:
    """What the connector could not close or change itself."""
    if not job.follow_ups:
        return []
    return [Section("Left for a person to see to", ("What",), [[text] for text in job.follow_ups], "")]
