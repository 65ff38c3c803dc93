"""One order of locks for everybody (docs/decisions.md): of two that meet, one waits for the other, and never both.

Each act has a connection of its own. What stands in its way goes on as soon as the database says that the act waits.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.utils import timezone

from rotation import connectors, engine, jobs, resolution, risk
from rotation.departures import access_losses, offboarding, orphans, safeguard
from rotation.models import AccessLoss, Exposure, MassRemoval, Orphan, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company, company
from tests.rotation.leaving import leave, owned
from tests.rotation.model_target import ModelConnector, Server
from tests.rotation.running import run
from tests.waiting import PATIENCE
from workspace import access, people, teams
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.db.unit_of_work import atomic
from workspace.errors import CerbyError
from workspace.models import Account, Grant, GrantRole, Reveal, SecretVersion, User

WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: None)
    return company("acme")


@pytest.fixture
def safe(acme: Company) -> Account:
    """A by-hand account that the member alone owns."""
    return owned(acme, "Safe", acme.member)


def meeting(first: Callable[[], object], act: Callable[[], object], then: Callable[[], object]) -> object:
    """What came of `act`, begun after `first`, in whose transaction `then` follows once the act waits for it."""

    def on_its_own() -> object:
        try:
            return act()
        except CerbyError as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with atomic():
            first()
            running = pool.submit(on_its_own)
            assert _waits(running), "The act did not have to wait."
            then()
        return running.result(PATIENCE)


def _waits(running: "Future[object]") -> bool:
    end = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < end and not wait([running], timeout=0.01).done:
            cursor.execute(WAITING)
            if cursor.fetchone()[0]:
                return True
    return False


def beside_the_departure_of(user: User, act: Callable[[], object]) -> object:
    """What came of an act that meets a departure which has the person's row and nothing else yet."""
    return meeting(
        lambda: people.lock(user), act, lambda: offboarding.offboard(user, actor=TESTS, cause="left")
    )


def is_free(rows: "models.QuerySet[Any]") -> Callable[[], object]:
    """Lock these rows as whoever comes next would; raises when somebody has one."""
    return lambda: list(rows.select_for_update(nowait=True))


def test_a_rotation_that_ends_beside_the_departure_of_who_pointed_its_account(
    acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    monkeypatch.setattr(ModelConnector, "server", Server(accepted={acme.account_password.reveal()}), raising=False)
    rows = Account.objects.filter(pk=acme.account.pk)
    rows.update(connector="model", pointed_by=acme.member)
    job = jobs.on_demand(rows.get(), actor=TESTS, cause="asked for")

    beside_the_departure_of(acme.member, lambda: engine.run(job.pk, worker="beside"))

    job.refresh_from_db()
    assert (job.state, job.failure_code) == (JobState.DONE, "")
    new = SecretVersion.objects.current().get(account=acme.account)
    assert not Reveal.objects.filter(user=acme.member, version=new).exists()
    assert Exposure.objects.get(user=acme.member).outcome == Outcome.PROVED_DEAD


def test_who_leaves_while_they_enter_what_they_changed_by_hand(acme: Company, safe: Account) -> None:
    job = run(jobs.on_demand(safe, actor=TESTS, cause="asked for"))
    assert job.state == JobState.NEEDS_HUMAN
    actor = Actor.person(acme.member)

    said = beside_the_departure_of(
        acme.member, lambda: resolution.changed_by_hand(job, Secret("typed by a leaver"), actor=actor)
    )

    assert "access has ended" in str(said)
    assert SecretVersion.objects.get(account=safe).number == 1
    assert Exposure.objects.open().filter(user=acme.member, account=safe).exists()


def test_a_role_that_changes_beside_its_holders_departure(acme: Company, safe: Account) -> None:
    grant = Grant.objects.get(account=safe)
    said = beside_the_departure_of(
        acme.member, lambda: access.change_role(grant, GrantRole.MANAGER, actor=TESTS)
    )
    assert "has ended" in str(said)
    assert not Grant.objects.filter(account=safe, ended_at=None).exists()


def test_a_loss_that_is_settled_beside_the_departure_of_who_lost_access(acme: Company) -> None:
    jobs.on_demand(acme.account, actor=TESTS, cause="asked for")
    teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
    loss = AccessLoss.objects.get()
    assert beside_the_departure_of(acme.member, lambda: access_losses.settle(loss.pk)) is True
    assert not AccessLoss.objects.exists()
    assert Exposure.objects.get().offboarding is not None


def test_an_account_that_is_handed_to_somebody_who_leaves(acme: Company, safe: Account) -> None:
    leave(acme.member)
    orphan = Orphan.objects.get()
    said = beside_the_departure_of(acme.owner, lambda: orphans.confirm(orphan, acme.owner, actor=TESTS))
    assert "active person" in str(said)
    assert orphans.open_orphans(acme.workspace).count() == 1


@pytest.mark.parametrize("answer", ["confirm", "cancel"])
def test_an_answer_about_many_locks_rotations_in_the_order_of_their_accounts(acme: Company, answer: str) -> None:
    """As departures do; written the other way round they lie the other way round."""
    holders = [acme.person(f"holder{number}") for number in range(4)]
    accounts = [owned(acme, f"Safe {number}", holder) for number, holder in enumerate(holders)]
    for holder in reversed(holders):
        leave(holder)
    removal = MassRemoval.objects.create(
        workspace=acme.workspace, removed=4, people=6, held_until=timezone.now() + timedelta(hours=1)
    )
    live = RotationJob.objects.live()
    live.update(hold=removal, held_until=removal.held_until)
    first, others = live.filter(account=accounts[0]), live.exclude(account=accounts[0])
    meeting(is_free(first), lambda: safeguard.answer(removal, answer, actor=TESTS), is_free(others))
    assert not RotationJob.objects.filter(held_until__isnull=False, state=JobState.QUEUED).exists()


def test_a_risk_whose_time_is_over_beside_a_worker(acme: Company, safe: Account) -> None:
    leave(acme.member)
    job = run(RotationJob.objects.get(account=safe))
    risk.accept(job, until=timezone.now() + timedelta(days=1), reason="The safe is replaced", actor=TESTS)
    accepted = Exposure.objects.filter(outcome=Outcome.RISK_ACCEPTED)
    accepted.update(accepted_until=timezone.now())
    rotation = RotationJob.objects.filter(pk=job.pk)
    assert meeting(is_free(rotation), risk.reopen_due, is_free(accepted.order_by("pk"))) == 1
    assert access.could_have_known(acme.member)
    assert not accepted.exists()
