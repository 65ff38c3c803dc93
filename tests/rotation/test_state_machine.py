"""Hypothesis against the engine: any order of departures, workers, deaths, lost replies, lock-outs, lagging replicas,
passwords changed behind our back, zombies and clock jumps. Afterwards no password is lost and no old one called dead
that lives.

Each rule is a step: what a worker, a person, the network or the clock does next. The examples come of the run's seed,
so that two runs of one revision do the same; a drill takes another, and more steps.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from rotation import connectors, jobs, resolution, sweep, verification
from rotation.connectors.base import Capabilities
from rotation.departures import offboarding
from rotation.models import RotationJob
from tests import generators
from tests.companies import TESTS, company
from tests.generators import EFFORT, SEED
from tests.rotation.machine import ADMINS, Clock, Killed, Machine, World, dying_after, dying_at, zombie_of
from tests.rotation.model_target import ModelConnector, Server
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, SecretVersion, Workspace

STEPS_WANTED: Final = 10_000 * EFFORT
STEPS_AN_EXAMPLE: Final = 50
EXAMPLES_A_ROUND: Final = 100
PHASES: Final = (Phase.generate, Phase.shrink) if os.environ.get("STATE_MACHINE_SHRINK") else (Phase.generate,)
"""Shrinking takes minutes: it is asked for when there is a counter-example to be looked into."""
PEOPLE: Final = 6
BUDGET: Final = 4
TRUNCATED_TO: Final = 12
FIRST: Final = "first-password"
STEPS_TO_REACH_ALL: Final = 30_000
"""The rarest state, “applied”, is not in every 5,000 steps."""
REACHED: Final = frozenset({"queued", "prepared", "applying", "applied", "unknown", "promoted", "old_dead"})
"""The states in which a worker finds a job; all others are passed within one commit, or are ends."""
LEASE: Final = 301
"""Seconds after which a dead worker's lease is over."""
FORGETS: Final = 1900
"""Seconds after which the target has forgotten failed logins."""


class Rotations(Machine):
    """What may happen next."""

    @initialize(
        limited=st.booleans(), two_passwords=st.booleans(), with_admin=st.booleans(), self_change=st.booleans(),
        truncates=st.booleans(),
    )  # fmt: skip
    def begin(self, limited: bool, two_passwords: bool, with_admin: bool, self_change: bool, truncates: bool) -> None:
        server = Server(
            admin_password=ADMINS, two_passwords=two_passwords, truncates_to=TRUNCATED_TO if truncates else None,
            locks_after=BUDGET + 1 if limited else None,
        )  # fmt: skip
        server.accepted = {server.kept(FIRST)}
        ModelConnector.server = server
        ModelConnector.capabilities = Capabilities(
            self_change=self_change or not with_admin, admin_reset=True, two_passwords=two_passwords,
            closes_sessions=True, can_verify=True, failed_logins=BUDGET if limited else None, may_truncate=truncates,
        )  # fmt: skip
        self.enter(server, FIRST)
        self.with_admin = with_admin
        admin = self.world.admin if with_admin else None
        Account.objects.filter(pk=self.world.account.pk).update(admin_account=admin)

    # People

    @precondition(lambda self: self.people)
    @rule(looks=st.booleans())
    def somebody_leaves(self, looks: bool) -> None:
        person = self.people.pop()
        access.grant(self.world.account, person, actor=TESTS)
        if looks:
            access.reveal(self.world.account, person, actor=TESTS)
        offboarding.offboard(person, actor=TESTS, cause="left")

    @rule()
    def somebody_wants_a_rotation(self) -> None:
        jobs.request(self.world.acme.workspace, [self.world.account], cause="asked for", routine=True)

    @precondition(lambda self: self.is_stopped())
    @rule()
    def a_person_tries_again(self) -> None:
        jobs.retry(self.the_job(), actor=TESTS)

    @precondition(lambda self: self.is_stopped())
    @rule(right=st.booleans())
    def a_person_says_what_it_is_now(self, right: bool) -> None:
        """What they read on the target, or something mistyped."""
        entered = self.read_or_mistyped(right)
        with suppress(Invalid):  # that one was known before
            resolution.changed_by_hand(self.the_job(), Secret(entered), actor=TESTS)
            self.stored.add(entered)

    @precondition(lambda self: not self.live)
    @rule(right=st.booleans())
    def a_person_enters_a_password(self, right: bool) -> None:
        entered = self.read_or_mistyped(right)
        verification.adopt(self.world.account, Secret(entered), actor=TESTS)
        self.stored.add(entered)

    def read_or_mistyped(self, right: bool) -> str:
        return min(self.server.accepted) if right and self.server.accepted else f"mistyped {next(self.names)}"

    # Workers

    @rule()
    def a_worker_takes_a_job(self) -> None:
        if len(self.workers) < 4 and (worker := self.claim()):
            self.workers.append(worker)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 3), steps=st.integers(1, 5))
    def a_worker_goes_on(self, which: int, steps: int) -> None:
        worker = self.workers[which % len(self.workers)]
        for _ in range(steps):
            if not self.go_on(worker):
                self.workers.remove(worker)
                break

    @rule()
    def a_worker_does_it_all(self) -> None:
        if worker := self.claim():
            self.go_on_to_the_end(worker)

    @rule(which=st.integers(0, 3), after=st.integers(0, 12), noticed=st.booleans())
    def a_worker_is_killed_on_its_way(self, which: int, after: int, noticed: bool) -> None:
        """Perhaps its lease is over, and another goes on, before anything else happens."""
        worker = self.workers.pop(which % len(self.workers)) if self.workers else self.claim()
        if worker is None:
            return
        with dying_after(after), suppress(Killed):
            self.go_on_to_the_end(worker)
        self.world.clock.ahead += timedelta(seconds=LEASE if noticed else 0)

    @rule(which=st.integers(0, 3), noticed=st.booleans())
    def a_worker_stops_in_the_call(self, which: int, noticed: bool) -> None:
        """It was about to set the password; whoever goes on does not wait for it."""
        worker = self.workers.pop(which % len(self.workers)) if self.workers else self.claim()
        if worker is None:
            return
        with dying_at("call:change:before"):
            try:
                self.go_on_to_the_end(worker)
            except Killed:
                self.zombies.append(zombie_of(worker))
        self.world.clock.ahead += timedelta(seconds=LEASE if noticed else 0)

    @precondition(lambda self: self.zombies)
    @rule()
    def a_zombie_makes_its_call(self) -> None:
        """While its job lives: calls end long before their leases do."""
        zombie = self.zombies.pop()
        zombie.job.refresh_from_db()
        if zombie.job.is_live:
            zombie.call()

    @rule()
    def the_sweep_comes_by(self) -> None:
        sweep.attend()
        jobs.resume_after_admin()

    @rule()
    def the_password_is_checked(self) -> None:
        verification.check(Account.objects.select_related("workspace", "admin_account").get(pk=self.world.account.pk))

    # The world

    @rule(seconds=st.sampled_from([-90, 20, LEASE, 900, FORGETS, 4000, 90_000]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.clock.ahead += timedelta(seconds=seconds)
        if seconds >= FORGETS:
            self.server.failed, self.server.locked = 0, False

    @rule(fault=st.sampled_from(["before", "after", "policy", "permission", "human", "busy"]))
    def the_next_change_goes_wrong(self, fault: str) -> None:
        self.server.retry_after = 300 if fault == "busy" else None
        self.server.faults.append(fault)

    @rule(after=st.integers(0, 3))
    def a_reply_to_a_login_is_lost(self, after: int) -> None:
        self.server.login_faults.extend([""] * after + ["lost"])

    @rule(down=st.booleans())
    def the_target_goes_down_or_comes_back(self, down: bool) -> None:
        self.server.down = down

    @rule(logins=st.integers(1, 4))
    def a_replica_lags(self, logins: int) -> None:
        self.server.lagging = logins

    @rule()
    def somebody_changes_it_on_the_target(self) -> None:
        self.server.replica = set(self.server.accepted)
        self.server.accepted = {self.server.kept(f"{next(self.names)} changed behind our back")}
        self.restored.clear()

    @rule(which=st.integers(0, 5))
    def the_target_is_restored_from_a_backup(self, which: int) -> None:
        versions = list(SecretVersion.objects.filter(account=self.world.account).order_by("number"))
        password = accounts.open_version(versions[which % len(versions)]).reveal()
        self.server.accepted = {self.server.kept(password)}
        self.restored = {password}

    @precondition(lambda self: self.with_admin)
    @rule(right=st.booleans())
    def somebody_changes_the_admins_password_or_puts_it_right(self, right: bool) -> None:
        self.server.admin_password = ADMINS if right else "changed by somebody"


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: None)
    monkeypatch.setattr("rotation.wake.on_commit", lambda ids, **_: None)
    monkeypatch.setattr(ModelConnector, "capabilities", ModelConnector.capabilities)
    clock = Clock()
    monkeypatch.setattr(timezone, "now", clock)
    acme, rival = company("acme"), company("rival")
    Workspace.objects.update(mass_removal_people=PEOPLE + 1)
    admin = accounts.create(acme.workspace, "Admin", actor=TESTS, password=Secret(ADMINS), username="root")
    account = accounts.create(
        acme.workspace, "Login", actor=TESTS, password=Secret(FIRST), username="u", connector="model",
        target={"name": "login"}, is_privileged=True,
    )  # fmt: skip
    people = [acme.person(f"person{number}") for number in range(PEOPLE)]
    Machine.world = World(acme, rival, account, admin, people, clock)
    yield Machine.world
    assert not RotationJob.objects.exists(), "the examples are rolled back"


@pytest.mark.generated
@generators.timeout(3600)
def test_no_order_of_events_loses_a_password_or_calls_a_living_one_dead(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    rounds = settings(
        max_examples=EXAMPLES_A_ROUND, stateful_step_count=STEPS_AN_EXAMPLE, phases=PHASES, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    number = SEED
    while world.steps < STEPS_WANTED or (world.steps < STEPS_TO_REACH_ALL and not world.reached >= REACHED):
        run_machine(seed(number)(Rotations), settings=rounds)
        number += 1
    assert world.reached >= REACHED
    with capfd.disabled():
        print(f"\n{world.steps} steps from seed {SEED} without a counter-example; {len(world.reached)} states.")  # noqa: T201
