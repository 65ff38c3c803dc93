"""Rotations in words for people: the colour of a state, what a failure means, and what to do about it."""

from typing import Final

from django.utils.safestring import SafeString

from rotation.models import RotationJob
from rotation.states import JobState
from workspace.admin.parts import badge

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
    "old_alive": "The target still accepts an old password. It is asked again by itself.",
    "invalid": "The account's settings cannot be used. Correct them, then try again.",
    "undecryptable": "A stored password cannot be opened with the encryption keys of this server. Call support.",
}


def state_badge(state: str) -> SafeString:
    known = JobState(state)
    return badge(known.label, TONES.get(known, "info"))


def failure_text(job: RotationJob) -> str:
    """Why a job does not go on, and what to do; empty for one that does."""
    if not job.failure_code or job.state not in {JobState.WAITING, JobState.NEEDS_HUMAN}:
        return ""
    return FAILURES.get(job.failure_code, "Something unforeseen happened.")
