"""Failed logins that we cause are counted before they are tried, shared by all that logs in, and never lock a login."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rotation import budget
from rotation.budget import Spent
from rotation.models import FailedLogins, RotationJob
from rotation.proof import TRUNCATES
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import LIMITED, PLAIN, ModelConnector, Server
from tests.rotation.running import assert_proved, run, run_when_due
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import Account, SecretVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A target that locks after the fifth wrong login."""
    monkeypatch.setattr(ModelConnector, "capabilities", LIMITED)
    server.locks_after = 5
    return server


def forget(account: Account) -> None:
    """Half an hour passes."""
    FailedLogins.objects.filter(account=account).update(paid_at=timezone.now() - budget.WINDOW)


def test_a_budget_is_spent_and_comes_back_with_time_or_success(acme: Company, rival: Company) -> None:
    for _ in range(3):
        budget.pay(acme.account, 3)
    budget.pay(rival.account, 3)
    with pytest.raises(Spent) as spent:
        budget.pay(acme.account, 3)
    assert timedelta(minutes=29) < spent.value.until - timezone.now() <= budget.WINDOW
    assert (budget.left(acme.account, 3), budget.left(rival.account, 3)) == (0, 2)
    budget.succeeded(acme.account, 3)
    assert budget.left(acme.account, 3) == 3
    for _ in range(3):
        budget.pay(acme.account, 3)
    forget(acme.account)
    assert budget.left(acme.account, 3) == 3
    budget.pay(acme.account, 3)
    assert budget.left(acme.account, 3) == 2


def test_a_target_that_locks_nobody_is_not_counted(acme: Company) -> None:
    for _ in range(50):
        budget.pay(acme.account, None)
    assert budget.left(acme.account, None) is None
    assert not FailedLogins.objects.exists()


@pytest.mark.parametrize(("own", "limit"), [(None, 4), (2, 2), (9, 9), (0, 2)])
def test_an_account_may_have_a_budget_of_its_own(acme: Company, own: int | None, limit: int) -> None:
    acme.account.lockout_budget = own
    assert budget.limit_of(acme.account, LIMITED) == limit


def test_a_budget_of_its_own_counts_where_the_connector_knows_none(acme: Company) -> None:
    assert budget.limit_of(acme.account, PLAIN) is None
    acme.account.lockout_budget = 3
    assert budget.limit_of(acme.account, PLAIN) == 3


@pytest.mark.parametrize("allowed", [2, 3, 4, 9])
def test_a_rotation_proves_everything_within_any_budget(
    acme: Company, limited: Server, job: RotationJob, allowed: int
) -> None:
    Account.objects.filter(pk=acme.account.pk).update(lockout_budget=allowed)
    limited.locks_after = allowed + 1
    limited.keeps_old = False
    assert run(job).state == JobState.DONE
    assert not limited.locked
    assert_proved(acme, limited)


@pytest.mark.parametrize("allowed", [2, 3, 4])
def test_many_old_versions_lock_nothing(acme: Company, limited: Server, job: RotationJob, allowed: int) -> None:
    for number in range(9):
        accounts.store_password(acme.account, Secret(f"another {number}"), actor=TESTS)
    limited.accepted = {"another 8"}
    Account.objects.filter(pk=acme.account.pk).update(lockout_budget=allowed)
    limited.locks_after = allowed + 1
    assert run(job).state == JobState.DONE
    assert not limited.locked
    assert_proved(acme, limited)


def test_a_worker_that_dies_in_a_login_has_paid_for_it(acme: Company, limited: Server, job: RotationJob) -> None:
    limited.faults.append("after")
    limited.login_faults.extend(["", "lost"])
    run(job)
    assert FailedLogins.objects.get(account=acme.account).count == 1


def test_probing_stops_before_the_login_is_locked_and_goes_on_later(
    acme: Company, limited: Server, job: RotationJob
) -> None:
    """Somebody used up most of it: what was not asked is asked when the target has forgotten."""
    for _ in range(3):
        budget.pay(acme.account, 4)
    limited.failed = 3
    limited.accepted = {"somebody changed it"}
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "lockout_budget")
    assert not limited.locked
    assert job.next_attempt_at > timezone.now() + timedelta(minutes=29)
    limited.failed = 0
    forget(acme.account)
    assert (run_when_due(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
    assert not limited.locked
    assert "so that nothing is locked" in job.failure_detail


def test_what_nobody_ever_knew_costs_no_failed_login(acme: Company, limited: Server, job: RotationJob) -> None:
    """Candidates that the target's policy refused were never in force."""
    limited.faults.extend(["policy", "policy"])
    assert run(job).state == JobState.DONE
    assert limited.logins.count(False) == 3  # old, random, without its last character
    assert SecretVersion.objects.filter(account=acme.account, proved_dead_at__isnull=False).get().number == 1
    assert_proved(acme, limited)


def test_a_target_that_keeps_only_the_beginning_is_found_out(
    acme: Company, limited: Server, job: RotationJob
) -> None:
    limited.truncates_to = 16
    limited.accepted = {limited.kept(acme.account_password.reveal())}
    assert run(job).state == JobState.DONE
    assert TRUNCATES in job.follow_ups
    assert "API keys of the login live on." in job.follow_ups
    assert job.truncated_rejected_at is None
    assert_proved(acme, limited)


def test_a_target_that_keeps_everything_says_so(acme: Company, limited: Server, job: RotationJob) -> None:
    run(job)
    assert job.truncated_rejected_at is not None
    assert TRUNCATES not in job.follow_ups
    assert job.steps.get(to_state="new_ok").facts["truncated"] == "rejected"
