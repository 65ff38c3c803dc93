"""Every place where a rotation can fail, in every way, on a real PostgreSQL: afterwards everything is as it should be.

A place is before or after the commit of an arrow of the state machine, or before or after a call to the target. A
worker process reaches it and dies (SIGKILL), meets an exception that nobody foresaw, or hangs. Another worker goes on.
One that hung in a transaction is killed, as the task time limit does; one that hung outside of one wakes up at the very
end and must change nothing more.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from rotation import connectors, engine, failpoints, jobs
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import MOVES, JobState
from tests.companies import TESTS, Company, company
from tests.rotation.failing_worker import FailingWorker, commit_without_waiting
from tests.rotation.model_target import Server
from tests.rotation.running import current_password
from tests.rotation.shared_target import SharedConnector, save, shared
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.models import Account, SecretVersion, Workspace

FIRST: Final = "first-password"
ACTIONS: Final = ("crash", "raise", "hang")
ATTEMPTS: Final = 14


@dataclass(frozen=True)
class Scenario:
    """What the target does, call by call (see `Server.script`), and failures of ours that lead there."""

    script: tuple[str, ...] = ()
    failing: str = ""
    two_passwords: bool = False


# Changed; the old one accepted, a random one rejected, the new one accepted.
OLD_LIVES: Final = ("", "accept", "reject", "")
SCENARIOS: Final = {
    "plain": Scenario(),
    "two passwords": Scenario(two_passwords=True),
    "answer lost": Scenario(("after",)),
    "request lost": Scenario(("before",)),
    "policy": Scenario(("policy",)),
    "policy for good": Scenario(("policy",) * 3),
    "permission": Scenario(("permission",)),
    "locked": Scenario(("locked",)),
    "no answer to the proof": Scenario(("", "before")),
    "takes anything": Scenario(("", "reject", "accept")),
    "set and rejected": Scenario(("", "", "", "reject")),
    "no answer to the probe": Scenario(("after", "before")),
    "nothing is accepted": Scenario(("before", "reject", "reject")),
    "old one lives": Scenario((*OLD_LIVES, "accept")),
    "new one rejected later": Scenario((*OLD_LIVES, "reject", "reject", *["reject"] * 9)),
    "takes anything later": Scenario((*OLD_LIVES, "accept", "", "reject", "accept")),
    "sessions do not close": Scenario(("", "", "", "", "before")),
    "sessions may not be closed": Scenario(("", "", "", "", "permission")),
    "unforeseen before": Scenario(failing="queued>prepared:before=raise"),
    "unforeseen before the call": Scenario(("before",), failing="unknown>prepared:after=raise"),
}
# Arrows that are not the engine's: people take them in a web process, whose death is a rollback. And those that only
# something unforeseen could make it take, from states between which and the next nothing can fail but the database.
NOT_THE_ENGINES: Final = {
    *((JobState.NEEDS_HUMAN, to) for to in MOVES[JobState.NEEDS_HUMAN]),
    *((state, JobState.CANCELLED) for state in JobState),
    *((JobState.WAITING, to) for to in (JobState.DONE, JobState.NEEDS_HUMAN, JobState.APPLYING)),
    *((state, stop) for state in (JobState.NEW_OK, JobState.SESSIONS_CLOSED) for stop in ("waiting", "needs_human")),
    *((JobState.WAITING, to) for to in (JobState.NEW_OK, JobState.SESSIONS_CLOSED)),
    (JobState.QUEUED, JobState.NEEDS_HUMAN),  # accounts changed by hand, which have no worker after it
    (JobState.PREPARED, JobState.NEEDS_HUMAN),  # no password is known at all
}


@dataclass
class Case:
    """One combination, with the account that it is tried on."""

    scenario: str
    place: str
    action: str
    account: Account = field(init=False)
    path: Path = field(init=False)

    def __str__(self) -> str:
        return f"{self.scenario}: {self.place}={self.action}"


class World:
    """Acme with a leaver who knew the password of every case's account."""

    def __init__(self, folder: Path, worker: FailingWorker) -> None:
        self.folder, self.worker = folder, worker
        self.acme: Company = company("acme")
        Workspace.objects.update(mass_removal_people=1000)
        self._people = 0

    def prepare(self, cases: list[Case]) -> None:
        """An account a case on a target of its own, known to somebody who leaves now."""
        self._people += 1
        leaver = self.acme.person(f"leaver{self._people}")
        for number, case in enumerate(cases):
            scenario = SCENARIOS[case.scenario]
            name = f"login-{self._people}-{number}"
            case.account = accounts.create(
                self.acme.workspace, name, actor=TESTS, password=Secret(FIRST), username="u", connector="shared",
                target={"name": name, "two_passwords": scenario.two_passwords}, is_privileged=True,
            )  # fmt: skip
            case.path = self.folder / name
            save(case.path, Server({FIRST}, script=deque(scenario.script), two_passwords=scenario.two_passwords))
            access.grant(case.account, leaver, actor=TESTS)
        offboarding.offboard(leaver, actor=TESTS, cause="left")


@pytest.fixture
def world(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    SharedConnector.folder = tmp_path
    monkeypatch.setitem(connectors.REGISTRY, "shared", SharedConnector)
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: None)
    monkeypatch.setattr(settings, "LEASE_SECONDS", 0)  # the time until another worker may go on has always passed
    commit_without_waiting()
    worker = FailingWorker()
    yield World(tmp_path, worker)
    worker.stop()
    connection.close()


@pytest.mark.timeout(900)
def test_whatever_fails_wherever_every_rotation_ends_well(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: places_of(world, name, monkeypatch) for name in SCENARIOS}
    seen: set[str] = set()
    cases = [
        Case(name, place, action)
        for name, found in places.items() for place in found if not (place in seen or seen.add(place))  # type: ignore[func-returns-value]
        for action in ACTIONS
    ]  # fmt: skip
    assert arrows_of(seen) == {
        (origin, to) for origin, following in MOVES.items() for to in following if (origin, to) not in NOT_THE_ENGINES
    }
    world.prepare(cases)
    for case in cases:
        survive(world.worker, case)
    assert not RotationJob.objects.live().exists()
    assert not Exposure.objects.exclude(outcome=Outcome.PROVED_DEAD).exists()
    assert not Offboarding.objects.filter(completed_at=None).exists()
    with capfd.disabled():
        print(f"\n{len(cases)} combinations of {len(seen)} places and {len(ACTIONS)} failures ended well.")  # noqa: T201


def places_of(world: World, scenario: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where a rotation comes by in this scenario, in order, once each."""
    case, passed = Case(scenario, "", ""), []
    world.prepare([case])
    fail_at(SCENARIOS[scenario].failing)
    with monkeypatch.context() as patch:
        for way in (failpoints.reach, failpoints.reach_after_commit):

            def note(name: str, way: Callable[[str], None] = way) -> None:
                passed.append(name)
                way(name)

            patch.setattr(failpoints, way.__name__, note)
        go_on(case, raising_once=bool(SCENARIOS[scenario].failing))
    assert_well(case)
    wanted = [place for place in passed if ">" in place or place.startswith("call:")]
    return list(dict.fromkeys(wanted))


def arrows_of(places: set[str]) -> set[tuple[str, str]]:
    """The arrows among the places, those that were passed both before and after their commit."""
    before = {place.removesuffix(":before") for place in places if ">" in place and place.endswith(":before")}
    after = {place.removesuffix(":after") for place in places if ">" in place and place.endswith(":after")}
    assert before == after
    return {(JobState(origin), JobState(to)) for origin, _, to in (arrow.partition(">") for arrow in before)}


def fail_at(places: str) -> None:
    settings.FAILPOINTS = places


def survive(worker: FailingWorker, case: Case) -> None:
    """The failure, and what comes after it."""
    job, failing = RotationJob.objects.get(account=case.account), SCENARIOS[case.scenario].failing
    make_ready(case)
    while not worker.run_to(job.pk, case.place, case.action, failing=failing):  # the place comes in another attempt
        make_ready(case)
        mend(case)
    in_transaction = ">" in case.place and case.place.endswith(":before")
    if case.action == "hang" and in_transaction:
        assert jobs.claim(job.pk, worker="second") is None, case
        worker.kill()
    go_on(case)
    assert_well(case)
    if case.action == "hang" and not in_transaction:
        worker.let_go()
        assert_well(case)


def make_ready(case: Case) -> None:
    """The time of the next attempt has come."""
    RotationJob.objects.filter(account=case.account).update(next_attempt_at=timezone.now())


def go_on(case: Case, *, raising_once: bool = False) -> None:
    """Workers and a person, until the rotation is done."""
    for _ in range(ATTEMPTS):
        job = RotationJob.objects.get(account=case.account)
        if job.state == JobState.DONE:
            return
        make_ready(case)
        mend(case)
        engine.run(job.pk, worker="second")
        if raising_once:
            raising_once = False
            fail_at("")
    raise AssertionError(f"{case}: {job.state} {job.failure_code} {list(job.steps.values_list('note', flat=True))}")


def mend(case: Case) -> None:
    """What a person does: look, and try again."""
    job = RotationJob.objects.get(account=case.account)
    if job.state == JobState.NEEDS_HUMAN:
        jobs.retry(job, actor=TESTS)


def assert_well(case: Case) -> None:
    """The invariants of docs/rotation.md."""
    job = RotationJob.objects.get(account=case.account)
    assert job.state == JobState.DONE, case
    with shared(case.path) as server:
        assert server.accepted == {current_password(case.account)}, case
        changes = set(server.changes)
        refused = len(server.refused)
    versions = list(SecretVersion.objects.filter(account=case.account))
    stored = {accounts.open_version(version).reveal() for version in versions}
    assert changes <= stored, f"{case}: a password was set that is not stored"
    assert len(changes) == 1, f"{case}: another candidate was made without the target's no"
    assert len(versions) == 2 + refused, case
    assert FIRST in stored, case
    current = accounts.current_version(case.account)
    assert all(version.proved_dead_at for version in versions if version.visible_from and version != current), case
    assert Exposure.objects.get(account=case.account).outcome == Outcome.PROVED_DEAD, case
    steps = list(job.steps.values_list("from_state", "to_state"))
    assert all(JobState(to) in MOVES[JobState(origin)] for origin, to in steps if origin != "needs_human"), case
    assert [to for _, to in steps].count("done") == 1, case
    written = str(list(job.steps.values_list("note", "facts"))) + job.failure_detail
    assert not any(secret in written for secret in stored), case
