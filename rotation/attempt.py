"""One worker's hold on one job: the versions, the logins, and the calls to the target, each within what is allowed."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

from django.conf import settings
from django.utils import timezone

from rotation import budget, connectors, failpoints, passwords, targets
from rotation.connectors.base import Closed, Connector, FailureKind, Login, TargetError
from rotation.models import RotationJob, TargetHealth
from rotation.passwords import Policy
from rotation.queue import Lease
from rotation.states import JobState
from workspace import accounts, statements
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, Reveal, SecretVersion

Answer = TypeVar("Answer")

RANDOM: Final = Policy(32, ("lower", "upper", "digit"))


_OLDER: Final = "WHERE account_id = %s AND number < %s AND proved_dead_at IS NULL ORDER BY number DESC"


class OutOfTime(Exception):
    """Another call might outlast this worker's time; somebody goes on where this one stopped."""


class NewRejected(Exception):
    """The new password was rejected, between others that should be."""


class AdminRejected(TargetError):
    """The target rejected the login of the admin account, not that of the account itself."""

    def __init__(self, detail: str) -> None:
        super().__init__(FailureKind.AUTHENTICATION, detail)


def time_limit() -> float:
    """By when, on the monotonic clock, a task that begins now must have begun its last call."""
    limit = float(settings.CELERY_TASK_TIME_LIMIT)
    return time.monotonic() + max(limit - settings.CALL_TIMEOUT_SECONDS, limit * 0.75)


@dataclass
class Attempt:
    """One worker's hold on one job, with what it takes to speak to the target."""

    lease: Lease
    until: float = field(default_factory=time_limit)
    applied: bool = False
    """This worker was told by the target that the change was made; the row may not say so yet."""
    in_force: SecretVersion | None = None
    """The version that a probe found to be accepted; until one asked, the current one is taken to be."""
    probed: bool = False
    admin_version: SecretVersion | None = None
    """The version of the admin account's password that was used last."""
    canary_at: datetime | None = None
    """When the target rejected a random password in this attempt."""
    answered: bool = False
    """Whether the target gave an answer when it was spoken to last."""
    counted_outage: bool = False
    target_rules: str = ""
    """What the target said, when it refused a candidate, that passwords must fit."""

    @property
    def job(self) -> RotationJob:
        return self.lease.job

    @property
    def account(self) -> Account:
        return self.job.account

    @cached_property
    def connector(self) -> Connector:
        return connectors.of(self.account, timeout=settings.CALL_TIMEOUT_SECONDS)

    @cached_property
    def health(self) -> TargetHealth | None:
        """How the target fared lately."""
        return self.lease.health

    @cached_property
    def limit(self) -> int | None:
        """How many failed logins running the target may see from us."""
        return budget.limit_of(self.account, self.connector.capabilities)

    def close(self) -> None:
        """The end of the attempt: say that the target answered, if it is news; let go of connections."""
        if self.answered and self.health is not None and self.health.failures:
            targets.answered(self.job.workspace, self.job.target)
        if "connector" in vars(self):
            self.connector.close()

    # Versions

    @property
    def candidate(self) -> SecretVersion:
        if self.job.candidate is None:
            raise Invalid(f"{self.job} has no candidate in state {self.job.state}.")
        return self.job.candidate

    @cached_property
    def new(self) -> Secret:
        return accounts.open_version(self.candidate)

    @property
    def policy(self) -> Policy:
        """What a password of the account must be. Raises Invalid where the account and the target want different
        things, or rules cannot be read."""
        rules = f"{self.connector.capabilities.password_rules}; {self.target_rules}"
        return Policy.of(self.account, target_rules=rules)

    def forget_candidate(self, refusal: TargetError) -> None:
        """Another one follows, which fits what the target says of itself."""
        self.target_rules += refusal.rules
        vars(self).pop("new", None)
        self.applied = self.probed = False

    @property
    def replaced(self) -> SecretVersion | None:
        """The version that the candidate takes the place of, as far as is known."""
        current = accounts.current_version(self.account)
        return self.replaced_of([current] if current else [])

    def replaced_of(self, versions: Iterable[SecretVersion]) -> SecretVersion | None:
        """The same, of these versions of the account."""
        if self.in_force is not None:
            return self.in_force
        current = next((version for version in versions if version.is_shown), None)
        return None if current is None or current == self.job.candidate else current

    def older(self) -> list[SecretVersion]:
        """Versions before the candidate that may be alive, newest first.

        Not those that are the same password, entered twice or as much of it as the target keeps: whoever knows one of
        them knows the new one, so that their exposure stays open, for the next rotation. Where failed logins are
        counted, those that nobody ever knew and that were never in use are left out.
        """
        before = statements.every(SecretVersion, _OLDER, [self.account.pk, self.candidate.number])
        found = [version for version in before if not self._is_new(accounts.open_version(version))]
        if self.limit is None:
            return found
        typed = set(Reveal.objects.filter(version__in=found).values_list("version_id", flat=True))
        return [version for version in found if version.visible_from or version.pk in typed]

    def _is_new(self, old: Secret) -> bool:
        """Whether the target may take an older password for the new one: a target that truncates takes all that begin
        alike, and a person may have entered what is left of the old one."""
        before, now = old.reveal(), self.new.reveal()
        if not self.connector.capabilities.may_truncate:
            return before == now
        return before.startswith(now) or now.startswith(before)

    # The admin account

    @cached_property
    def admin(self) -> Login | None:
        """The login that may reset this one, where the account names one and its password is known."""
        admin = self.account.admin_account
        version = accounts.current_version(admin) if admin and self.connector.capabilities.admin_reset else None
        self.admin_version = version
        return Login(admin.username, accounts.open_version(version)) if admin and version else None

    @property
    def is_admin_changing(self) -> bool:
        """Whether the admin account's own password is being changed, or was since it was used: both departures of
        one day may reach the same target, and then its login is rejected for a moment only."""
        admin, used = self.account.admin_account, self.admin_version
        if admin is None or used is None:
            return False
        live = RotationJob.objects.live().filter(account=admin).exclude(state=JobState.NEEDS_HUMAN)
        return live.exists() or accounts.current_version(admin) != used

    # Calls

    def accepts(self, password: Secret) -> bool:
        """A fresh login, paid for from the lock-out budget. Raises TargetError, OutOfTime, budget.Spent."""
        self.mind_time()
        self._mind_outage()
        budget.pay(self.account, self.limit)
        accepted = self._call("verify", lambda: self.connector.verify(password))
        if accepted:
            budget.succeeded(self.account, self.limit)
        return accepted

    def rejects(self, wrong: Secret) -> bool:
        """The same for a password that should be wrong. Where no failed login would be left after it, the new
        password is shown first, which sets the target's count back. Raises NewRejected when that fails."""
        if not self.may_spend(1) and not self.accepts(self.new):
            raise NewRejected
        return not self.accepts(wrong)

    def may_spend(self, logins: int) -> bool:
        """Whether so many failed logins more would still leave one."""
        left = budget.left(self.account, self.limit)
        return left is None or left > logins

    def takes_anything(self) -> bool:
        """The canary: a target that takes a random password proves nothing by taking ours, or by refusing one."""
        if self.canary_at is None:
            length = min(RANDOM.length, len(self.new.reveal()))  # what the target has room for
            if self.rejects(passwords.generate(replace(RANDOM, length=length))):
                self.canary_at = timezone.now()
        return self.canary_at is None

    def change(self, current: Secret | None, admin: Login | None) -> None:
        """Set the candidate on the target."""
        self._as_admin("change", admin, lambda: self.connector.change(self.new, current=current, admin=admin))

    def retire(self, old: SecretVersion, admin: Login | None) -> None:
        secret = accounts.open_version(old)
        self._as_admin("retire", admin, lambda: self.connector.retire(secret, new=self.new, admin=admin))

    def close_sessions(self, admin: Login | None) -> Closed:
        """Where the target has no way to end them, what lives on is named and no call is made."""
        if not self.connector.capabilities.closes_sessions:
            return self.connector.close_sessions(new=self.new, admin=None)
        return self._as_admin(
            "close_sessions", admin, lambda: self.connector.close_sessions(new=self.new, admin=admin)
        )

    def has_time(self, calls: int) -> bool:
        """Whether this worker outlasts so many calls more, however long they take."""
        longest = self.connector.timeout
        slower = max(0.0, longest - settings.CALL_TIMEOUT_SECONDS)  # than the call that `until` was reckoned for
        return time.monotonic() + (calls - 1) * longest + slower <= self.until

    def mind_time(self) -> None:
        """Before each call. Raises OutOfTime."""
        if not self.has_time(1):
            raise OutOfTime

    def _as_admin(self, name: str, admin: Login | None, call: Callable[[], Answer]) -> Answer:
        """A call that logs in as the admin account, if there is one, whose lock-out budget pays then."""
        self.mind_time()
        self._mind_outage()
        payer = self.account.admin_account if admin else self.account
        assert payer is not None
        limit = budget.limit_of(payer, self.connector.capabilities)
        budget.pay(payer, limit)
        try:
            answer = self._call(name, call)
        except TargetError as error:
            if error.kind is not FailureKind.AUTHENTICATION:
                if error.kind not in {FailureKind.UNREACHABLE, FailureKind.LOCKED}:
                    budget.succeeded(payer, limit)
                raise
            if admin is not None:
                raise AdminRejected(error.detail) from None
            raise
        budget.succeeded(payer, limit)
        return answer

    def _call(self, name: str, call: Callable[[], Answer]) -> Answer:
        failpoints.reach(f"call:{name}:before")
        try:
            answer = call()
        except TargetError as error:
            self.answered = error.kind is not FailureKind.UNREACHABLE
            raise
        self.answered = True
        failpoints.reach(f"call:{name}:after")
        return answer

    def _mind_outage(self) -> None:
        """On a target that failed lately, look whether anything listens before a login is spent."""
        if not self.answered and self.health is not None and self.health.failures:
            targets.reach(self.connector)
