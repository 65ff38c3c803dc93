"""The breaker, its single probe, and how many rotations run on a target at a time."""

import socket
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone

from rotation import connectors, engine, jobs, queue, targets
from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.contract.calls import closed_port
from rotation.connectors.postgres import Postgres, PostgresSettings
from rotation.models import RotationJob, TargetHealth
from rotation.states import JobState
from tests.companies import TESTS, Company, company
from tests.rotation.model_target import ModelConnector, Server
from tests.rotation.running import run, run_when_due
from tests.waiting import PATIENCE
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import Account

pytestmark = pytest.mark.django_db


def on_model(owner: Company, number: int, name: str = "") -> list[RotationJob]:
    """Accounts on one model target, each wanted."""
    made = [
        accounts.create(
            owner.workspace, f"Account {name} {n}", actor=TESTS, password=Secret("pw"), username="u", connector="model",
            target={"name": name},
        )
        for n in range(number)
    ]  # fmt: skip
    ids = jobs.request(owner.workspace, made, cause="test")
    return list(RotationJob.objects.filter(pk__in=ids).order_by("requested_at"))


def health() -> TargetHealth:
    return TargetHealth.objects.get()


def trip(wanted: list[RotationJob], server: Server) -> None:
    server.down = True
    for job in wanted[: targets.OPENS_AFTER]:
        run(job)


def test_a_breaker_opens_after_failures_running_and_spares_the_target(acme: Company, server: Server) -> None:
    wanted = on_model(acme, 5)
    trip(wanted, server)
    assert health().opened_at is not None
    assert health().failure_detail == "The model target does not answer."
    assert run(wanted[3]).state == JobState.QUEUED
    assert queue.claim_next(worker="test") is None
    assert jobs.announce_due() == 0


def test_one_probe_at_a_time_and_its_answer_makes_everything_due(acme: Company, server: Server) -> None:
    wanted = on_model(acme, 6)
    trip(wanted, server)
    TargetHealth.objects.update(probe_at=timezone.now())
    probe = queue.claim_next(worker="first")
    assert probe is not None
    assert queue.claim_next(worker="second") is None
    RotationJob.objects.filter(pk=probe.job.pk).update(lease_until=None)
    TargetHealth.objects.update(probe_at=timezone.now())
    server.down, server.accepted = False, {"pw"}
    assert run(probe.job).state == JobState.DONE
    assert (health().opened_at, health().failures) == (None, 0)
    assert all(job.next_attempt_at <= timezone.now() for job in RotationJob.objects.live())
    assert jobs.announce_due() == 5


def test_a_probe_that_fails_keeps_it_open(acme: Company, server: Server) -> None:
    wanted = on_model(acme, 4)
    trip(wanted, server)
    opened = health().opened_at
    TargetHealth.objects.update(probe_at=(begun := timezone.now()))
    assert run(wanted[3]).state == JobState.WAITING
    assert health().opened_at == opened
    assert health().probe_at > begun + timedelta(seconds=20)  # type: ignore[operator]


def test_a_rejected_password_is_an_answer(acme: Company, server: Server) -> None:
    wanted = on_model(acme, 4)
    trip(wanted, server)
    TargetHealth.objects.update(probe_at=timezone.now())
    server.down, server.accepted = False, {"somebody changed it"}
    assert run(wanted[3]).state == JobState.NEEDS_HUMAN
    assert health().opened_at is None


def test_failures_of_different_times_do_not_add_up(acme: Company, server: Server) -> None:
    for job in on_model(acme, 5):
        server.accepted = {"pw"}
        server.faults.append("before")
        assert run(job).state == JobState.DONE
    assert health().failures == 0


def test_a_target_that_asks_to_be_left_alone_is_left_alone_by_all(acme: Company, server: Server) -> None:
    wanted = on_model(acme, 2)
    server.retry_after = 600
    server.faults.append("busy")
    server.down, begun = True, timezone.now()
    run(wanted[0])
    assert health().opened_at is not None
    pause = timedelta(seconds=600)
    assert begun + pause <= health().probe_at <= timezone.now() + pause  # type: ignore[operator]
    assert run(wanted[1]).state == JobState.QUEUED


def test_another_target_and_another_tenant_go_on(acme: Company, rival: Company, server: Server) -> None:
    ModelConnector.servers = {"other": Server(accepted={"pw"})}
    other, theirs = on_model(acme, 1, "other"), on_model(rival, 1)
    trip(on_model(acme, 3), server)
    server.down, server.accepted = False, {"pw"}
    assert run(other[0]).state == JobState.DONE
    assert run(theirs[0]).state == JobState.DONE
    assert health().workspace == acme.workspace
    ModelConnector.servers = {}


def test_no_more_than_so_many_run_on_a_target_at_a_time(acme: Company, server: Server, settings: object) -> None:
    settings.TARGET_CONCURRENCY = 2  # type: ignore[attr-defined]
    wanted, other = on_model(acme, 4), on_model(acme, 1, "other")
    held = [queue.claim_next(worker="test") for _ in range(4)]
    taken = {lease.job.pk for lease in held if lease}
    running = taken & {job.pk for job in wanted}  # wanted in one act, so that any two of them may be first
    assert (len(running), taken - running) == (2, {other[0].pk})
    RotationJob.objects.filter(pk=running.pop()).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert queue.claim_next(worker="test") is not None


def test_what_is_changed_by_hand_has_no_limit(acme: Company, settings: object) -> None:
    settings.TARGET_CONCURRENCY = 1  # type: ignore[attr-defined]
    made = [accounts.create(acme.workspace, f"A{n}", actor=TESTS) for n in range(3)]
    jobs.request(acme.workspace, made, cause="test")
    assert all(queue.claim_next(worker="test") for _ in range(3))


def test_an_account_pointed_elsewhere_counts_there(acme: Company, server: Server, settings: object) -> None:
    settings.TARGET_CONCURRENCY = 1  # type: ignore[attr-defined]
    first, second = on_model(acme, 2)
    Account.objects.filter(pk=second.account.pk).update(target={"name": "other"})
    assert queue.claim(first.pk, worker="test") is not None
    assert queue.claim(second.pk, worker="test") is None  # known by its old target until looked at
    RotationJob.objects.filter(pk=first.pk).update(lease_until=None, state=JobState.DONE)
    lease = queue.claim(second.pk, worker="test")
    assert lease is not None
    assert RotationJob.objects.get(pk=second.pk).target == "model other"


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_stay_within_the_limit(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = company("acme")
    settings.TARGET_CONCURRENCY = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    on_model(acme, 12)
    start, held = Barrier(8), []

    def claim() -> None:
        start.wait(PATIENCE)
        held.append(queue.claim_next(worker="test"))
        connection.close()

    threads = [Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    taken = [lease.job.pk for lease in held if lease]
    assert len(taken) == len(set(taken)) == 3


def test_an_outage_costs_no_failed_logins(acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the target's port is tried before a login is."""
    (job,) = on_model(acme, 1)
    server.down = True
    run(job)
    tried: list[str] = []

    def nobody(connector: object) -> None:
        tried.append("port")
        raise TargetError(FailureKind.UNREACHABLE, "Nothing answers.")

    monkeypatch.setattr(targets, "reach", nobody)
    server.down = False
    assert (run_when_due(job).state, job.failure_detail) == (JobState.WAITING, "Nothing answers.")
    assert (tried, server.logins) == (["port"], [])


def test_a_port_is_reached_or_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        targets.reach(Postgres(PostgresSettings(host="127.0.0.1", port=port), "u", timeout=PATIENCE))
    with closed_port() as port, pytest.raises(TargetError) as failure:
        targets.reach(Postgres(PostgresSettings(host="127.0.0.1", port=port), "u", timeout=PATIENCE))
    assert failure.value.kind is FailureKind.UNREACHABLE
    with pytest.raises(TargetError, match="metadata"):
        targets.reach(Postgres(PostgresSettings(host="169.254.169.254"), "u", timeout=PATIENCE))


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ({"host": "DB.example", "port": 5433}, "postgres db.example:5433"),
        ({"host": "db.example"}, "postgres db.example:5432"),
        ({"host": "db.example", "database": "app"}, "postgres db.example:5432"),
    ],
)
def test_a_target_is_known_by_its_address(target: dict[str, object], key: str) -> None:
    assert targets.key_of(Account(connector="postgres", target=target)) == key
    assert targets.key_of(Account(connector="by_hand", target={})) == ""
    assert targets.key_of(Account(connector="gone", target=target)) == ""


def test_a_worker_takes_what_there_is_and_wakes_another_when_its_time_is_over(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[object] = []
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: woken.extend(ids))
    server.accepted = {"pw"}
    server.keeps_old = True
    on_model(acme, 3)
    monkeypatch.setattr(engine, "DRAIN_SECONDS", PATIENCE)
    assert engine.work(worker="test") == 3
    assert woken == []
    monkeypatch.setattr(engine, "DRAIN_SECONDS", -1)
    RotationJob.objects.update(next_attempt_at=timezone.now())
    assert engine.work(worker="test") == 1
    assert len(woken) == 1
