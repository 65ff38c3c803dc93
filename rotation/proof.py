"""Fresh logins that prove, together: the new password works, older ones do not, and the target does check passwords.

The order matters. The new password is seen accepted *after* the others were rejected: a login that is locked, or a
target that rejects everybody, would otherwise pass for an old password's death.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from rotation.attempt import Attempt, NewRejected
from rotation.connectors.base import FailureKind, TargetError
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import SecretVersion

TRUNCATES: Final = (
    "The target keeps only the beginning of this password: it takes it without its last character as well. Give the"
    " account a shorter password length."
)

CALLS_AFTER_EACH: Final = 5
"""With an old version asked about: itself, perhaps the new one before it, canary, truncation, the new one."""


@dataclass
class Proof:
    """What the target answered, and when."""

    accepted_at: datetime
    canary_at: datetime | None
    truncated_at: datetime | None = None
    rejected_at: datetime | None = None
    truncates: bool = False
    rejected: list[SecretVersion] = field(default_factory=list)
    alive: list[SecretVersion] = field(default_factory=list)

    def facts(self, new: SecretVersion) -> dict[str, Any]:
        """For the step: see RotationStep."""
        found: dict[str, Any] = {"accepted": [new.number], "rejected": [old.number for old in self.rejected]}
        found |= {"canary": "rejected"} if self.canary_at else {}
        return found | ({"truncated": "rejected"} if self.truncated_at else {})

    def columns(self) -> dict[str, Any]:
        """For the job's row. What this proof did not ask stays as an earlier one found it."""
        found: dict[str, Any] = {
            "new_accepted_at": self.accepted_at, "canary_rejected_at": self.canary_at,
            "truncated_rejected_at": self.truncated_at, "old_rejected_at": self.rejected_at,
        }  # fmt: skip
        found = {name: at for name, at in found.items() if at is not None}
        return found | ({"follow_ups": [TRUNCATES]} if self.truncates else {})


class AcceptsAnything(TargetError):
    """A random password was accepted."""

    def __init__(self) -> None:
        super().__init__(
            FailureKind.PERMISSION,
            "The target accepts a random password, so nothing can be proved. Is its login check switched off?",
        )
        self.code = "accepts_anything"


def prove(attempt: Attempt, old: Sequence[SecretVersion]) -> Proof | None:
    """See `old` rejected, a random password rejected, the candidate accepted; None when it is not accepted.

    Of many old ones only as many are asked about as there is time for. Accepted ones are the proof's `alive`.
    Raises AcceptsAnything, TargetError, OutOfTime.
    """
    try:
        return _prove(attempt, old)
    except NewRejected:
        return None


def _prove(attempt: Attempt, old: Sequence[SecretVersion]) -> Proof:
    if attempt.limit is not None:  # before failed logins are spent on others
        _see_accepted(attempt)
    answers: dict[SecretVersion, bool] = {}
    for version in old:
        if answers and not attempt.has_time(CALLS_AFTER_EACH):
            break  # what was answered is proved; the others are for another pass
        answers[version] = attempt.rejects(accounts.open_version(version))
    rejected_at = timezone.now() if any(answers.values()) else None
    if attempt.takes_anything():
        raise AcceptsAnything
    truncated = _truncated(attempt)
    truncated_at = timezone.now() if truncated is False else None
    _see_accepted(attempt)
    return Proof(
        timezone.now(), attempt.canary_at, truncated_at, rejected_at, bool(truncated),
        [version for version, rejected in answers.items() if rejected],
        [version for version, rejected in answers.items() if not rejected],
    )  # fmt: skip


def _see_accepted(attempt: Attempt) -> None:
    if not attempt.accepts(attempt.new):
        raise NewRejected


def _truncated(attempt: Attempt) -> bool | None:
    """Whether the target takes the candidate without its last character; None where it is not asked: it cannot be, it
    was found already, or no failed login would be left after it."""
    job, text = attempt.job, attempt.new.reveal()
    known = job.truncated_rejected_at is not None or TRUNCATES in job.follow_ups
    if known or not attempt.connector.capabilities.may_truncate or len(text) < 2 or not attempt.may_spend(1):
        return None
    return not attempt.rejects(Secret(text[:-1]))
