"""Somebody else leaves while a rotation runs, at every moment of it; nobody is shown a candidate before its time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from rotation import connectors, engine, failpoints, jobs
from rotation.connectors.base import Capabilities
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company, company
from tests.rotation.model_target import ModelConnector, Server
from tests.rotation.running import current_password, run, run_when_due
from tests.waiting import PATIENCE, eventually
from workspace import access, accounts
from workspace.audit import Actor
from workspace.models import Account, SecretVersion, User, Workspace

TWO_PASSWORDS = Capabilities(
    self_change=True, admin_reset=True, closes_sessions=True, can_verify=True, two_passwords=True, failed_logins=None,
    may_truncate=False,
)  # fmt: skip


@contextmanager
def happening(monkeypatch: pytest.MonkeyPatch, moment: str, happen: Callable[[], None]) -> Iterator[list[str]]:
    """Something happens when the engine passes a moment for the first time."""
    passed: list[str] = []

    def reach(name: str) -> None:
        if name == moment and not passed:
            passed.append(name)
            happen()

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        yield passed


def could_still_be_known(user: User) -> bool:
    return bool(access.could_have_known(user))


def moments_of(acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch, *faults: str) -> list[str]:
    """Every moment that a rotation with these faults passes, in order, once each."""
    passed: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", passed.append)
        server.faults.extend(faults)
        (job_id,) = jobs.request(acme.workspace, [acme.account], cause="to see its moments")
        assert run(RotationJob.objects.get(pk=job_id)).state == JobState.DONE
    return list(dict.fromkeys(passed))


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["", "after"], ids=["answered", "answer-lost"])
@pytest.mark.parametrize("capabilities", [ModelConnector.capabilities, TWO_PASSWORDS], ids=["one", "two"])
def test_whenever_a_second_person_leaves_what_they_knew_is_proved_dead(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch, capabilities: Capabilities, fault: str
) -> None:
    monkeypatch.setattr(ModelConnector, "capabilities", capabilities)
    Workspace.objects.filter(pk=acme.workspace.pk).update(mass_removal_people=1000)  # many leave here, one by one
    server.two_passwords = capabilities.two_passwords
    moments = moments_of(acme, server, monkeypatch, fault)
    assert len(moments) > 15
    for number, moment in enumerate(moments):
        leaver, second = acme.person(f"a{number}"), acme.person(f"b{number}")
        for person in (leaver, second):
            access.grant(acme.account, person, actor=TESTS)
        offboarding.offboard(leaver, actor=TESTS, cause="left")
        job = RotationJob.objects.live().get()
        seen: list[str] = []

        def leave(second: User = second, seen: list[str] = seen, *, looks: bool = bool(number % 2)) -> None:
            if looks:
                seen.append(access.reveal(acme.account, second, actor=Actor.person(second)).reveal())
            offboarding.offboard(second, actor=TESTS, cause="left too")

        server.faults.append(fault)
        with happening(monkeypatch, moment, leave) as passed:
            run(job)
        assert passed == [moment]
        assert job.state == JobState.DONE
        for chained in RotationJob.objects.live():
            assert run(chained).state == JobState.DONE, moment
        assert not Exposure.objects.open().exists(), moment
        assert not Offboarding.objects.filter(completed_at=None).exists()
        assert server.accepted == {current_password(acme.account)}
        assert not set(seen) & server.accepted, moment
        assert not could_still_be_known(second)


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["", "after", "policy"], ids=["answered", "answer-lost", "policy"])
def test_a_pending_candidate_is_never_revealed(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Until it is promoted people are shown the old one; from then on the new one."""
    access.grant(acme.account, acme.owner, actor=TESTS)
    shown: list[str] = []

    def look(_: str) -> None:
        job = RotationJob.objects.latest("requested_at")
        shown.append(access.reveal(acme.account, acme.owner, actor=Actor.person(acme.owner)).reveal())
        current = accounts.current_version(acme.account)
        assert current is not None
        promoted = job.state in {JobState.PROMOTED, JobState.OLD_DEAD, JobState.SESSIONS_CLOSED, JobState.DONE}
        assert (current.number != 1) is promoted
        assert shown[-1] == accounts.open_version(current).reveal()

    server.faults.append(fault)
    monkeypatch.setattr(failpoints, "reach", look)
    (job_id,) = jobs.request(acme.workspace, [acme.account], cause="test")
    assert run(RotationJob.objects.get(pk=job_id)).state == JobState.DONE
    assert len(shown) > 15
    assert set(shown) == {acme.account_password.reveal(), current_password(acme.account)}


@pytest.mark.django_db
def test_one_whose_access_ended_before_is_satisfied_by_the_running_rotation(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS)

    def leave() -> None:
        offboarding.offboard(second, actor=TESTS, cause="left too")

    with happening(monkeypatch, "call:change:after", leave):
        run(job)
    assert not RotationJob.objects.live().exists()
    assert set(Exposure.objects.values_list("outcome", flat=True)) == {Outcome.PROVED_DEAD}
    assert SecretVersion.objects.count() == 2


@pytest.mark.django_db
def test_one_who_could_have_seen_the_new_password_needs_a_further_rotation(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.keeps_old = True
    run(job)
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS)
    offboarding.offboard(second, actor=TESTS, cause="left too")
    assert Exposure.objects.get(offboarding__user=second).version.number == 2
    server.keeps_old, server.accepted = False, {current_password(acme.account)}
    assert run_when_due(job).state == JobState.DONE

    chained = RotationJob.objects.live().get(account=acme.account)
    assert chained.cause == engine.AGAIN
    assert Exposure.objects.open().get().user == second
    assert run(chained).state == JobState.DONE
    assert not Exposure.objects.open().exists()


MOMENTS = ["call:change:after", "call:close_sessions:before", "old_dead>sessions_closed:before"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_departure_that_commits_after_the_rotations_end_is_found(
    monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Two real transactions: the departure is begun before the rotation goes on and committed after it is done."""
    acme = company("acme")
    server = ModelConnector.server = Server(accepted={acme.account_password.reveal()})
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS)
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = RotationJob.objects.get()
    begun, go_on = Event(), Event()

    def leave() -> None:
        with transaction.atomic():
            offboarding.offboard(User.objects.get(pk=second.pk), actor=TESTS, cause="left too")
            begun.set()
            go_on.wait(PATIENCE)
        connection.close()

    thread = Thread(target=leave)

    def begin() -> None:
        thread.start()
        if moment.startswith("call:"):  # else the departure waits for what this transaction holds
            assert begun.wait(PATIENCE)

    with happening(monkeypatch, moment, begin) as passed:
        backends: list[int] = []
        worker = Thread(target=_run_in_a_thread, args=(job, backends))
        worker.start()  # where it has to wait for the departure's locks, it ends after that
        eventually(lambda: not worker.is_alive() or _waits_for_a_lock(backends))
        go_on.set()
        worker.join(PATIENCE)
        thread.join(PATIENCE)
    assert passed
    for _ in range(3):
        for exposure in Exposure.objects.open():
            jobs.request(acme.workspace, [exposure.account], cause="as the sweep does")
        for chained in RotationJob.objects.live():
            run_when_due(chained)
    assert not Exposure.objects.open().exists()
    assert Exposure.objects.count() == 2
    assert server.accepted == {current_password(acme.account)}
    assert not could_still_be_known(second)


def _run_in_a_thread(job: RotationJob, backends: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backends.extend(cursor.fetchone())
    engine.run(job.pk, worker="test")
    connection.close()


def _waits_for_a_lock(backends: list[int]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY(%s)"
                       " AND cardinality(pg_blocking_pids(pid)) > 0)", [backends])  # fmt: skip
        return bool(cursor.fetchone()[0])
