"""What the state machine test stands on: the world it changes, workers that die or come back late, and what must hold.

A worker is an `Attempt` that is held here and goes on one step at a time. Each example runs in a savepoint that is
rolled back, on accounts and people that were made once.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis.stateful import RuleBasedStateMachine, invariant

from rotation import engine, failpoints, jobs, queue, resolution, sweep
from rotation.attempt import Attempt, OutOfTime
from rotation.connectors.base import TargetError
from rotation.models import Exposure, Offboarding, Outcome, RotationJob, RotationStep
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import Server
from tests.rotation.running import current_password
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import Account, SecretVersion, User

ADMINS: Final = "admin-password"
STEPS_A_PASS: Final = 40
"""No worker's pass over a job is longer: it would go round and round."""
ROUNDS: Final = 40
ASKED: Final = frozenset({"authentication", "invalid"})
"""Failures after which a person sets a password on the target: none that is known is in force. From all others a
rotation finds out by itself."""

_LOOK: Final = """
WITH job AS (SELECT * FROM rotation_rotationjob WHERE account_id = %(account)s AND state NOT IN ('done', 'cancelled'))
SELECT (SELECT coalesce(json_agg(json_build_array(id, state)), '[]') FROM job),
       (SELECT coalesce(json_agg(number), '[]') FROM workspace_secretversion
         WHERE account_id = %(account)s AND proved_dead_at IS NOT NULL),
       EXISTS (SELECT FROM job JOIN workspace_secretversion v ON v.id = job.candidate_id
                WHERE v.visible_from IS NOT NULL
                  AND NOT EXISTS (SELECT FROM rotation_rotationstep s
                                   WHERE s.job_id = job.id AND s.to_state = 'promoted'))
"""


class Killed(BaseException):
    """SIGKILL, as far as one process can tell."""


@dataclass
class Clock:
    """What `timezone.now` says: the real time and a jump."""

    ahead: timedelta = timedelta()
    real: Callable[[], datetime] = field(default=timezone.now)

    def __call__(self) -> datetime:
        return self.real() + self.ahead


@dataclass
class World:
    """What outlives an example: the customers, an account and its admin account, people, the clock, and the count."""

    acme: Company
    rival: Company
    account: Account
    admin: Account
    people: list[User]
    clock: Clock
    steps: int = 0
    reached: set[str] = field(default_factory=set)


@dataclass
class Zombie:
    """A worker that stopped in the call that sets the password, and may still make it."""

    job: RotationJob
    call: Callable[[], None]


class Machine(RuleBasedStateMachine):
    """One account on one model target, the workers on it, and what must hold after each step and at the end."""

    world: ClassVar[World]
    server: Server

    def enter(self, server: Server, first: str) -> None:
        """Begin an example, in a savepoint of its own."""
        self.example = transaction.atomic()
        self.example.__enter__()
        self.world.clock.ahead = timedelta()
        self.server = server
        self.people = list(self.world.people)
        self.names = itertools.count()
        self.workers: list[Attempt] = []
        self.zombies: list[Zombie] = []
        self.stored, self.dead = {first}, set[int]()
        self.restored: set[str] = set()
        self.live: dict[UUID, JobState] = {}
        self.proved = set[int]()

    # Always

    @invariant()
    def nothing_is_lost_and_nothing_is_claimed(self) -> None:
        self.world.steps += 1
        shown = self.look()
        assert len(self.live) <= 1
        assert not self.server.locked, "our own logins locked it"
        assert not shown, "a candidate is shown"
        self.everything_set_is_stored()
        self.what_is_called_dead_is_dead()

    def look(self) -> bool:
        """Read what rules ask about before they come into play; whether people are shown an unproved candidate."""
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, {"account": self.world.account.pk})
            live, proved, shown = cursor.fetchone()
        self.live = {UUID(pk): JobState(state) for pk, state in live}
        self.proved = set(proved)
        return bool(shown)

    def everything_set_is_stored(self) -> None:
        if not set(self.server.changes) <= self.stored:
            versions = SecretVersion.objects.filter(account=self.world.account)
            self.stored |= {accounts.open_version(version).reveal() for version in versions}
            assert set(self.server.changes) <= self.stored, "a password was set that is not stored"

    def what_is_called_dead_is_dead(self) -> None:
        """At the moment when it is called so; what a backup brings back afterwards is drift."""
        news, self.dead = self.proved - self.dead, self.proved | self.dead
        if not news:
            return
        for version in SecretVersion.objects.filter(account=self.world.account, number__in=news):
            password = self.server.kept(accounts.open_version(version).reveal())
            restored = {self.server.kept(known) for known in self.restored}
            assert password not in self.server.accepted - restored, f"version {version.number} lives"

    # The end

    def teardown(self) -> None:
        """Everything is put right; then every rotation ends, and what was known is dead."""
        if not hasattr(self, "example"):
            return
        try:
            self.put_right()
            for _ in range(ROUNDS):
                if self.is_over():
                    break
                self.go_on_after_hours()
            self.ended_well()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    def put_right(self) -> None:
        self.server.down, self.server.lagging, self.server.locked = False, 0, False
        self.server.faults.clear()
        self.server.login_faults.clear()
        self.server.admin_password = ADMINS
        self.restored.clear()

    def is_over(self) -> bool:
        self.look()
        return not self.live and not Exposure.objects.open().filter(account=self.world.account).exists()

    def go_on_after_hours(self) -> None:
        self.world.clock.ahead += timedelta(hours=2)
        self.server.failed = 0
        sweep.attend()
        jobs.resume_after_admin()
        self.look()
        for pk in self.live:
            self.help(RotationJob.objects.select_related("workspace").get(pk=pk))
            engine.run(pk, worker="last")

    def help(self, job: RotationJob) -> None:
        """A person looks at the target and says what they see."""
        if job.state not in {JobState.NEEDS_HUMAN, JobState.WAITING}:
            return
        if job.failure_code in ASKED:
            by_hand = f"set by hand {next(self.names)}"
            self.server.accepted = {self.server.kept(by_hand)}
            resolution.changed_by_hand(job, Secret(by_hand), actor=TESTS)
            self.stored.add(by_hand)
        else:
            jobs.retry(job, actor=TESTS)

    def ended_well(self) -> None:
        assert not self.live, self.told()
        mine = Exposure.objects.filter(account=self.world.account).select_related("version")
        assert not mine.exclude(outcome=Outcome.PROVED_DEAD).exists()
        assert not Offboarding.objects.filter(exposures__in=mine, completed_at=None).exists()
        self.what_is_called_dead_is_dead()
        self.everything_set_is_stored()
        known = {self.server.kept(accounts.open_version(exposure.version).reveal()) for exposure in mine}
        assert not known & self.server.accepted or self.drifted()
        assert not RotationJob.objects.for_workspace(self.world.rival.workspace).exists()

    def drifted(self) -> bool:
        """Whether somebody changed the target after the last rotation, which the check then finds."""
        return self.server.accepted != {self.server.kept(current_password(self.world.account))}

    # Workers

    def told(self) -> str:
        """What the steps of the live job say."""
        steps = RotationStep.objects.filter(job__in=self.live).order_by("at", "id")
        return "\n".join(f"{step} {step.note}" for step in steps)

    def is_stopped(self) -> bool:
        return not {JobState.NEEDS_HUMAN, JobState.WAITING}.isdisjoint(self.live.values())

    def the_job(self) -> RotationJob:
        return RotationJob.objects.select_related("account__workspace", "workspace").get(pk=next(iter(self.live)))

    def claim(self) -> Attempt | None:
        for pk in self.live:
            if lease := queue.claim(pk, worker="some"):
                jobs.resume(lease)
                return Attempt(lease)
        return None

    def go_on_to_the_end(self, worker: Attempt) -> None:
        for _ in range(STEPS_A_PASS):
            if not self.go_on(worker):
                return
        raise AssertionError(self.told())

    def go_on(self, worker: Attempt) -> bool:
        """One step; whether there is another."""
        try:
            step = engine.STEPS.get(JobState(worker.job.state))
            if step is None:
                worker.close()
                return False
            self.world.reached.add(worker.job.state)
            engine.take(step, worker)
        except jobs.LeaseLost:
            return False
        except OutOfTime:
            jobs.hand_back(worker.lease)
            return False
        return True


def zombie_of(worker: Attempt) -> Zombie:
    """What is left of a worker that stopped in the call: the call."""
    admin, replaced, new = worker.admin, worker.replaced, worker.new
    current = accounts.open_version(replaced) if replaced else None
    connector = worker.connector

    def call() -> None:
        try:
            connector.change(new, current=current, admin=admin)
        except TargetError:
            return

    return Zombie(worker.job, call)


@contextmanager
def dying_after(places: int) -> Iterator[None]:
    """The process is killed when it has come by so many places."""
    passed = itertools.count()
    with _dying(lambda _: next(passed) >= places):
        yield


@contextmanager
def dying_at(place: str) -> Iterator[None]:
    with _dying(lambda name: name == place):
        yield


@contextmanager
def _dying(here: Callable[[str], bool]) -> Iterator[None]:
    def reach(name: str) -> None:
        if here(name):
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        yield
