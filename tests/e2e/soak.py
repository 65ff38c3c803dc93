"""The soak: rotations wanted again and again while workers, the sweep and the broker die at random; then the reckoning.

A seed decides who is killed when and what is wanted; where in its work a killed worker was is left to chance.
`make soak-rotation` runs it for ten minutes on 500 accounts, CI for less on fewer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import redis

from cerby.engines import Addresses
from rotation import jobs
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob, RotationStep
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.e2e.processes import SWEEP, WORKER, Process
from tests.e2e.targets import Login, postgres_admin, postgres_login, valkey_admin, valkey_login
from tests.waiting import eventually
from workspace import access, accounts
from workspace.models import SecretVersion

# A lease that outlasts some rotations on a crowded machine, and still is over soon after its worker was killed.
TIMES: Final = {"CERBY_LEASE_SECONDS": "10", "CERBY_CALL_TIMEOUT_SECONDS": "3"}
BLOWS_SECONDS: Final = (0.5, 4.0)
BACKLOG: Final = 20
"""Rotations that always wait: enough that nobody is idle, few enough that the end comes soon after the storm."""
SETTLE_SECONDS: Final = 900


@dataclass
class Figures:
    """What happened; printed at the end."""

    seed: int
    accounts: int
    seconds: float = 0.0
    departures: int = 0
    rotations: int = 0
    interrupted: int = 0
    leases: int = 0
    logins: int = 0
    workers_killed: int = 0
    sweeps_killed: int = 0
    broker_emptied: int = 0
    broker_cut: int = 0

    def __str__(self) -> str:
        return (
            f"soak: seed {self.seed}, {self.seconds:.0f} s, {self.accounts} accounts, {self.departures} departures:"
            f" {self.rotations} rotations done, {self.interrupted} of them by more than one lease ({self.leases});"
            f" {self.workers_killed} workers and {self.sweeps_killed} sweeps killed, the broker emptied"
            f" {self.broker_emptied} times and its connections cut {self.broker_cut} times;"
            f" {self.logins} logins tried at the end"
        )


@dataclass
class Soak:
    """Two workers and a sweep at work on many accounts, and what was asked of them."""

    company: Company
    addresses: Addresses
    log: Path
    figures: Figures
    random: Random = field(init=False)
    logins: list[Login] = field(default_factory=list)
    wanted: set[UUID] = field(default_factory=set)
    left: list[Offboarding] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.figures.seed)  # noqa: S311  # repeats itself on purpose

    def run(self, seconds: float) -> Figures:
        """Make the accounts, want rotations and kill for so long, let everything come to its end, and check it."""
        self._make_accounts()
        begun = time.monotonic()
        try:
            self.processes = [self._start(arguments) for arguments in (WORKER, WORKER, SWEEP)]
            self._storm(begun + seconds)
            eventually(self._is_quiet, "everything wanted is done", log=self.log, seconds=SETTLE_SECONDS)
        finally:
            for process in self.processes:
                process.stop()
        self.figures.seconds = time.monotonic() - begun
        self._check_rows()
        for login in self.logins:
            self._check_target(login)
        return self.figures

    # The storm

    def _make_accounts(self) -> None:
        """Roles and ACL users by turns, with one admin account a server. Nobody holds these departures back."""
        workspace = self.company.workspace
        workspace.mass_removal_percent = 100
        workspace.save(update_fields=["mass_removal_percent"])
        for make, make_admin in ((postgres_login, postgres_admin), (valkey_login, valkey_admin)):
            admin = make_admin(self.company, self.addresses)
            for number in range(len(self.logins), self.figures.accounts, 2):
                self.logins.append(make(self.company, self.company.owner, self.addresses, f"s{number}", admin=admin))
            self.logins = self.logins[: self.figures.accounts]

    def _storm(self, end: float) -> None:
        """Blows at random times, and never an empty queue between them."""
        next_blow = time.monotonic() + self.random.uniform(*BLOWS_SECONDS)
        while (now := time.monotonic()) < end:
            if now >= next_blow:
                self.random.choice(self._blows())()
                next_blow = now + self.random.uniform(*BLOWS_SECONDS)
            if RotationJob.objects.live().count() < min(BACKLOG, len(self.logins) // 4):
                self.random.choice((self._want, self._leave))()
            else:
                time.sleep(0.05)

    def _want(self) -> None:
        chosen = [login.account for login in self.random.sample(self.logins, min(BACKLOG, len(self.logins) // 4))]
        self.wanted.update(jobs.request(self.company.workspace, chosen, cause="wanted by the soak"))

    def _leave(self) -> None:
        """Somebody new is given some accounts, and leaves."""
        leaver = self.company.person(f"leaver{self.figures.departures}")
        for login in self.random.sample(self.logins, min(5, len(self.logins))):
            access.grant(login.account, leaver, actor=TESTS)
        done = offboarding.offboard(leaver, actor=TESTS, cause="left")
        assert done is not None
        self.left.append(done)
        self.figures.departures += 1

    def _blows(self) -> list[Callable[[], None]]:
        return [self._kill_worker] * 6 + [self._kill_sweep, self._empty_broker, self._empty_broker, self._cut_broker]

    def _kill_worker(self) -> None:
        """One that has worked already: on a busy machine to start takes longer than to the next blow."""
        places = [place for place in (0, 1) if self._has_worked(self.processes[place])]
        if places:
            self._replace(self.random.choice(places), WORKER)
            self.figures.workers_killed += 1

    def _has_worked(self, worker: Process) -> bool:
        return RotationJob.objects.filter(leased_by__endswith=f"/{worker.popen.pid}").exists()

    def _kill_sweep(self) -> None:
        self._replace(2, SWEEP)
        self.figures.sweeps_killed += 1

    def _empty_broker(self) -> None:
        with redis.Redis.from_url(self.addresses.redis_url) as broker:
            broker.flushall()  # ACL users are no keys, and stay
        self.figures.broker_emptied += 1

    def _cut_broker(self) -> None:
        """The broker loses everything and everybody; a rotation on it, which is a target too, loses its answer."""
        self._empty_broker()
        with redis.Redis.from_url(self.addresses.redis_url) as broker:
            broker.execute_command("CLIENT", "KILL", "TYPE", "normal")
        self.figures.broker_cut += 1

    def _replace(self, place: int, arguments: list[str]) -> None:
        self.processes[place].kill()
        self.processes[place] = self._start(arguments)

    def _start(self, arguments: list[str]) -> Process:
        return Process(arguments, self.log, **TIMES)

    def _is_quiet(self) -> bool:
        return not RotationJob.objects.live().exists() and not Exposure.objects.open().exists()

    # The reckoning

    def _check_rows(self) -> None:
        """Each rotation that was wanted is done, once; every departure is complete; no password is missing."""
        mine = RotationJob.objects.for_workspace(self.company.workspace)
        assert set(mine.values_list("state", flat=True)) == {JobState.DONE}
        assert mine.filter(pk__in=self.wanted).count() == len(self.wanted)
        assert mine.values("candidate").distinct().count() == mine.count()  # each has a password of its own
        ended = RotationStep.objects.filter(job__in=mine, to_state=JobState.DONE)
        assert ended.count() == ended.values("job").distinct().count() == mine.count()
        assert not Offboarding.objects.filter(pk__in=[done.pk for done in self.left], completed_at=None).exists()
        outcomes = Exposure.objects.filter(offboarding__in=self.left).values_list("outcome", flat=True)
        assert set(outcomes) <= {Outcome.PROVED_DEAD}
        for account, versions in self._versions().items():
            assert [version.number for version in versions] == list(range(1, len(versions) + 1))
            assert len(versions) == 1 + mine.filter(account=account).count()
        self.figures.rotations = mine.count()
        fences = list(mine.values_list("fence", flat=True))
        self.figures.leases, self.figures.interrupted = sum(fences), sum(fence > 1 for fence in fences)

    def _versions(self) -> dict[UUID, list[SecretVersion]]:
        found: dict[UUID, list[SecretVersion]] = {login.account.pk: [] for login in self.logins}
        for version in SecretVersion.objects.filter(account__in=found).order_by("number"):
            found[version.account_id].append(version)
        return found

    def _check_target(self, login: Login) -> None:
        """The newest password, which is what people are shown, lets in, and none before it does."""
        *older, newest = SecretVersion.objects.filter(account=login.account).order_by("number")
        assert accounts.current_version(login.account) == newest
        assert SecretVersion.objects.current().filter(account=login.account).count() == 1
        assert login.accepts(accounts.open_version(newest)), f"{login.account}: the password is lost"
        for old in older:
            assert old.proved_dead_at is not None
            assert not login.accepts(accounts.open_version(old)), f"{login.account}: version {old.number} is alive"
        self.figures.logins += 1 + len(older)
