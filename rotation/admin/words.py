"""Rotations in words for people: the colour of a state, what a failure means, and what to do about it."""

from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rotation.departures.standing import Standing, Tally
from rotation.jobs import RISK_ACCEPTED
from rotation.models import RotationJob, TargetHealth
from rotation.states import JobState
from workspace.admin.parts import Fact, badge, bar, when

TONES: Final = {
    JobState.DONE: "success",
    JobState.WAITING: "warning",
    JobState.NEEDS_HUMAN: "danger",
    JobState.CANCELLED: "",
}

FAILURES: Final = {
    "unreachable": "The target could not be reached or did not answer. It is tried again by itself.",
    "authentication": "The target refused the password we know. Somebody may have changed it: enter the present one.",
    "policy": "The target refused every password we made. Adjust the account's password policy, then try again.",
    "permission": "The login we use may not do this on the target. Mend its rights, then try again.",
    "human": "Only a person can change this password. Change it on the target and enter the new one here.",
    "locked": "The target has locked this login for a while. It is tried again by itself.",
    "lockout_budget": "No failed login is risked now, so that the target does not lock it. It goes on by itself.",
    "admin_rejected": "The target refused the admin account's password. Enter the present one in that account; this"
    " rotation goes on by itself then.",
    "admin_changing": "The admin account's own password is being changed. It is tried again by itself.",
    "accepts_anything": "The target takes any password, so that nothing can be proved. Mend its login check.",
    "not_applied": "The target took the change and still has another password. It is asked again by itself.",
    "new_rejected": "The target rejects the new password and the old. It is asked again by itself.",
    "unforeseen": "Cerby met something unforeseen. Call support if it goes on.",
    "old_alive": "The target still accepts an old password. It is asked again by itself.",
    "invalid": "The account's settings cannot be used. Correct them, then try again.",
    "risk_accepted": "The risk was accepted until a day: it goes on then, or earlier if that is withdrawn or somebody"
    " else leaves who could have known the password.",
    "undecryptable": "A stored password cannot be opened with the encryption keys of this server. Call support.",
}


STANDINGS: Final = {Standing.OPEN: "warning", Standing.PROVED: "success", Standing.EXCEPTIONS: "warning"}


def standing_badge(tally: Tally) -> SafeString:
    """How a departure stands: open, proved, or closed with exceptions."""
    return badge(tally.standing.label, STANDINGS.get(tally.standing, ""))


def passwords_of(tally: Tally) -> list[Fact]:
    """What came of the passwords, and how far the changes are while something is open."""
    facts = [Fact("Passwords they could have known", tally.words)]
    if tally.open:
        facts.append(Fact("Passwords dealt with", bar(tally.known - tally.open, tally.known)))
    return facts


def state_badge(state: str) -> SafeString:
    known = JobState(state)
    return badge(known.label, TONES.get(known, "info"))


def job_badge(job: RotationJob) -> SafeString:
    """The state of a job, that it waits with a removal of many people, or that it rests on an accepted risk."""
    if job.held_until is not None and job.held_until > timezone.now():
        return badge("Waits for an answer", "warning")
    if rests(job):
        return badge("Risk accepted", "info")
    return state_badge(job.state)


def rests(job: RotationJob) -> bool:
    """Whether it waits for nobody but a date."""
    return job.state == JobState.NEEDS_HUMAN and job.failure_code == RISK_ACCEPTED


def health_text(health: TargetHealth | None) -> str:
    """How a job's target fares, in a sentence; empty where nothing is known of it."""
    if health is None:
        return ""
    if health.opened_at is not None:
        return format_html(
            "paused since {}: it gave no answer {} times running. One rotation at a time tries it, the next {}.",
            when(health.opened_at), health.failures, when(health.probe_at),
        )  # fmt: skip
    if health.failures:
        times = "time" if health.failures == 1 else "times"
        return format_html("gave no answer {} {} running, last {}", health.failures, times, when(health.failed_at))
    return "answers"


def failure_text(job: RotationJob) -> str:
    """Why a job does not go on, and what to do; empty for one that does."""
    if not job.failure_code or job.state not in {JobState.WAITING, JobState.NEEDS_HUMAN}:
        return ""
    return FAILURES.get(job.failure_code, "Something unforeseen happened.")
