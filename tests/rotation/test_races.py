"""Departures, holds and workers at the same moment, each on a connection of its own: in whatever order they come."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from rotation import connectors, engine, jobs
from rotation.departures import offboarding, safeguard
from rotation.models import Exposure, MassRemoval, Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company, company
from tests.rotation.leaving import leave, many_people
from tests.rotation.model_target import ModelConnector, Server
from tests.waiting import PATIENCE
from workspace import access, accounts
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Refused
from workspace.models import Account, Grant, Role, User

FIRST = "first-password"
ROUNDS = 5

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(transactional_db: None) -> Company:
    """Acme, where three people and more than a fifth are too many."""
    acme = company("acme")
    acme.workspace.mass_removal_people, acme.workspace.mass_removal_percent = 3, 20
    acme.workspace.save()
    many_people(acme, 6)
    return acme


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Server]]:
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: None)
    monkeypatch.setattr(ModelConnector, "server", Server(), raising=False)
    yield ModelConnector.servers
    ModelConnector.servers.clear()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Make all calls at the same moment; what each returned, or the Refused that it raised."""
    gate = Barrier(len(calls))

    def make(call: Callable[[], object]) -> object:
        try:
            gate.wait(PATIENCE)
            return call()
        except Refused as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(make, call) for call in calls]]


def leaver(acme: Company, servers: dict[str, Server], name: str) -> User:
    """Somebody with a privileged account on a target of its own."""
    servers[name] = Server({FIRST})
    account = accounts.create(
        acme.workspace, name, actor=TESTS, password=Secret(FIRST), username="u", connector="model",
        target={"name": name}, is_privileged=True,
    )  # fmt: skip
    user = acme.person(name)
    access.grant(account, user, actor=TESTS)
    return user


def leaving(user: User) -> Callable[[], object]:
    return lambda: offboarding.offboard(user, actor=TESTS, cause="left")


def test_of_two_owners_who_remove_each_other_one_stays(acme: Company) -> None:
    for number in range(ROUNDS):
        first, second = (acme.person(f"owner{number}{which}", role=Role.OWNER) for which in "ab")

        def remove(whom: User, who: User) -> Callable[[], object]:
            return lambda: offboarding.offboard(whom, actor=Actor.person(who), cause="removed in the console")

        ends = at_once(remove(first, second), remove(second, first))
        assert [type(end) for end in ends].count(Refused) == 1
        assert User.objects.filter(pk__in=[first.pk, second.pk], is_active=True, role=Role.OWNER).count() == 1


def test_two_owners_whom_the_provider_removes_at_once_both_lose_access(acme: Company) -> None:
    """Access ends at once, always; an operator names the next Owner."""
    second = acme.person("second", role=Role.OWNER)
    ends = at_once(leaving(acme.owner), leaving(second))
    assert all(isinstance(end, Offboarding) for end in ends)
    assert not User.objects.filter(role=Role.OWNER, is_active=True, workspace=acme.workspace).exists()


@pytest.mark.parametrize("before", [0, 1, 3])
def test_departures_at_the_same_moment_are_all_held(acme: Company, servers: dict[str, Server], before: int) -> None:
    people = [leaver(acme, servers, f"leaver{number}") for number in range(7)]
    for user in people[:before]:
        leave(user)
    at_once(*map(leaving, people[before:]))
    removal = MassRemoval.objects.get()
    assert not Grant.objects.filter(user__in=people, ended_at=None).exists()
    assert Exposure.objects.open().filter(user__in=people).count() == len(people)
    held = RotationJob.objects.filter(account__name__startswith="leaver")
    assert {(job.hold_id, job.held_until) for job in held} == {(removal.pk, removal.held_until)}
    assert held.count() == len(people)
    assert jobs.claim_next(worker="tests") is None


def test_one_departure_delivered_many_times_at_once_is_one(acme: Company, servers: dict[str, Server]) -> None:
    user = leaver(acme, servers, "leaver")
    ends = at_once(*[leaving(user)] * 5)
    assert len({end.pk for end in ends if isinstance(end, Offboarding)}) == 1
    assert Exposure.objects.filter(user=user).count() == 1
    assert RotationJob.objects.filter(account__name="leaver").count() == 1


def test_people_who_knew_the_same_accounts_leave_at_once_and_each_account_is_wanted_once(
    acme: Company, servers: dict[str, Server]
) -> None:
    people = [leaver(acme, servers, f"leaver{number}") for number in range(4)]
    shared = list(Account.objects.filter(name__startswith="leaver"))
    for account in shared:
        for person in people:
            if account.name != person.user_name.partition("@")[0]:
                access.grant(account, person, actor=TESTS)
    at_once(*map(leaving, people))
    assert Exposure.objects.open().filter(account__in=shared).count() == 16
    live = RotationJob.objects.live().filter(account__in=shared)
    assert live.count() == 4


@pytest.mark.parametrize("decide", [safeguard.cancel, safeguard.confirm])
def test_a_decision_beside_workers_leaves_nothing_half_done(
    acme: Company, servers: dict[str, Server], decide: Callable[..., int]
) -> None:
    """The workers' clock is a little ahead: for them the hold is over while an Owner decides about it."""
    people = [leaver(acme, servers, f"leaver{number}") for number in range(6)]
    for user in people:
        leave(user)
    removal = MassRemoval.objects.get()
    held = RotationJob.objects.filter(hold=removal)
    held.update(held_until=timezone.now() - timedelta(seconds=1))

    def work() -> None:
        while engine.work(worker="tests"):
            continue

    at_once(work, work, lambda: decide(removal, actor=Actor.person(acme.owner)))
    work()
    states = {job.account.name: job.state for job in held.select_related("account")}
    for name, server in servers.items():
        exposure = Exposure.objects.get(account__name=name)
        if states[name] == JobState.CANCELLED:
            assert server.changes == []
            assert exposure.closed_at is None
        else:
            assert states[name] == JobState.DONE
            assert len(server.changes) == 1
            assert exposure.closed_by_id is not None
    if decide is safeguard.confirm:
        assert set(states.values()) == {JobState.DONE}
