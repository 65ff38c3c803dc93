"""A rotation ends well whatever dies on the way: real worker processes, real targets, SIGKILL."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.utils import timezone

from cerby.engines import Addresses
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from tests.companies import TESTS, Company
from tests.e2e.processes import SWEEP, WORKER, Process, running
from tests.e2e.targets import Login, postgres_login, valkey_login
from tests.waiting import eventually
from workspace import accounts
from workspace.models import SecretVersion, User

# Where a worker is killed, one place after the other, each by another worker that goes on where the last one died. At
# the moment when the target has the new password and nobody wrote that down the next one asks the target instead, so
# the two ways are walked one by one. tests/rotation/test_failpoints.py has every place there is.
LAST = [
    "new_ok>promoted:before", "new_ok>promoted:after", "call:close_sessions:after", "sessions_closed>done:before",
    "sessions_closed>done:after",
]  # fmt: skip
ANSWER_LOST = ["before:queued", "queued>prepared:after", "after:applying", "target:changed", "after:unknown", *LAST]
ANSWER_KEPT = ["applied>new_ok:before", *LAST]
TWO_PASSWORDS = [*ANSWER_LOST[:-3], "call:retire:after", "promoted>old_dead:before", *LAST[2:]]
WAYS = [(postgres_login, ANSWER_LOST), (postgres_login, ANSWER_KEPT), (valkey_login, TWO_PASSWORDS)]


@pytest.fixture
def leaver(acme: Company) -> User:
    """Somebody of acme who can reach nothing yet."""
    return acme.person("leaver")


def nothing_left_to_do() -> bool:
    return not RotationJob.objects.live().exists()


def end_leases() -> None:
    """As if the time of whoever was killed had passed."""
    RotationJob.objects.filter(lease_until__gt=timezone.now()).update(lease_until=timezone.now())


def assert_old_dead_and_new_accepted(login: Login) -> None:
    current = accounts.current_version(login.account)
    assert current is not None
    assert login.accepts(accounts.open_version(current))
    assert not login.accepts(login.first)
    exposure = Exposure.objects.get(account=login.account)
    assert exposure.outcome == Outcome.PROVED_DEAD
    assert SecretVersion.objects.get(account=login.account, number=1).proved_dead_at is not None


@pytest.mark.parametrize(("make", "places"), WAYS)
def test_a_worker_killed_at_each_step_in_turn_loses_nothing(
    acme: Company, rival: Company, leaver: User, addresses: Addresses, log: Path,
    make: Callable[..., Login], places: list[str],
) -> None:  # fmt: skip
    login = make(acme, leaver, addresses, "reports")
    untouched = make(rival, rival.member, addresses, "reports")
    offboarding.offboard(leaver, actor=TESTS, cause="left")
    with running(SWEEP, log):
        for place in places:
            worker = Process(WORKER, log, CERBY_FAILPOINTS=place)
            assert worker.wait_killed() == -signal.SIGKILL, f"{place}\n{log.read_text()[-3000:]}"
            end_leases()
        with running(WORKER, log):
            eventually(nothing_left_to_do, "the rotation ends", log=log)

    assert_old_dead_and_new_accepted(login)
    assert SecretVersion.objects.filter(account=login.account).count() == 2  # one candidate, set again and again
    assert RotationJob.objects.get(account=login.account).fence >= len(places)
    assert Offboarding.objects.get(user=leaver).completed_at is not None
    assert untouched.accepts(untouched.first)


def test_the_broker_emptied_while_jobs_wait_costs_seconds_and_no_job(
    acme: Company, leaver: User, addresses: Addresses, log: Path
) -> None:
    logins = [postgres_login(acme, leaver, addresses, f"r{number}") for number in range(3)]
    logins.append(valkey_login(acme, leaver, addresses, "cache"))
    offboarding.offboard(leaver, actor=TESTS, cause="left")
    with redis.Redis.from_url(addresses.redis_url) as broker, running(SWEEP, log):
        eventually(lambda: bool(broker.llen("celery")), "the sweep announces the jobs", log=log)
        broker.flushall()
        with running(WORKER, log):
            eventually(nothing_left_to_do, "every job is done", log=log)
    for login in logins:
        assert_old_dead_and_new_accepted(login)


def test_a_departure_is_answered_while_the_broker_is_gone(
    acme: Company, leaver: User, addresses: Addresses, log: Path
) -> None:
    login = postgres_login(acme, leaver, addresses, "reports")
    url = current_app.conf.broker_url
    current_app.conf.update(broker_url="redis://127.0.0.1:1/0")
    try:
        assert acme.okta().delete(f"/scim/v2/Users/{leaver.id}").status_code == 204
    finally:
        current_app.conf.update(broker_url=url)
    with running(SWEEP, log), running(WORKER, log):
        eventually(nothing_left_to_do, "the sweep finds the job", log=log)
    assert_old_dead_and_new_accepted(login)
