"""Accepting a risk until a date, and using the admin account: what a person may decide, and what comes of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rotation import jobs, resolution, risk, sweep
from rotation.connectors.base import Capabilities
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from tests.rotation.running import assert_proved, run
from workspace import access, accounts
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, Refused
from workspace.models import Account, AuditEvent, Notice

pytestmark = pytest.mark.django_db

REASON = "The appliance is replaced in March"


@pytest.fixture
def stuck(acme: Company, server: Server, job: RotationJob) -> RotationJob:
    """A rotation that needs a person."""
    server.accepted = {"somebody changed it"}
    return run(job)


def accept(job: RotationJob, *, days: float = 30, actor: Actor = TESTS) -> int:
    return risk.accept(job, until=timezone.now() + timedelta(days=days), reason=REASON, actor=actor)


def pass_the_date() -> None:
    Exposure.objects.filter(outcome=Outcome.RISK_ACCEPTED).update(accepted_until=timezone.now())


def test_an_accepted_risk_closes_the_exposure_with_who_why_and_until_when(acme: Company, stuck: RotationJob) -> None:
    owner = Actor.person(acme.owner)
    assert accept(stuck, actor=owner) == 1
    exposure = Exposure.objects.get()
    assert exposure.outcome == Outcome.RISK_ACCEPTED
    assert exposure.accepted_by == owner.to_json()
    assert exposure.accepted_reason == REASON
    assert exposure.accepted_until is not None
    assert exposure.closed_by == stuck
    assert Offboarding.objects.get().completed_at is not None
    assert not Notice.objects.open().filter(kind=Notice.Kind.ROTATION_NEEDS_HUMAN).exists()
    event = AuditEvent.objects.get(verb="exposure.risk_accepted")
    assert (event.actor_id, event.detail["reason"]) == (acme.owner.pk, REASON)


def test_the_rotation_rests_and_stays_live(acme: Company, server: Server, stuck: RotationJob) -> None:
    """Its candidate may be in force."""
    accept(stuck)
    stuck.refresh_from_db()
    assert (stuck.state, stuck.failure_code) == (JobState.NEEDS_HUMAN, "risk_accepted")
    sweep.once()
    assert run(stuck).state == JobState.NEEDS_HUMAN
    assert RotationJob.objects.count() == 1
    assert "risk_accepted" in stuck.steps.last().note  # type: ignore[union-attr]


def test_when_the_date_passes_everything_is_open_again(acme: Company, server: Server, stuck: RotationJob) -> None:
    accept(stuck)
    assert risk.reopen_due() == 0
    pass_the_date()
    sweep.once()
    exposure = Exposure.objects.get()
    assert (exposure.closed_at, exposure.outcome, exposure.closed_by) == (None, "", None)
    assert Offboarding.objects.get().completed_at is None
    assert "exposure.reopened" in AuditEvent.objects.values_list("verb", flat=True)
    server.accepted = {acme.account_password.reveal()}
    assert run(stuck).state == JobState.DONE
    assert_proved(acme, server)


def test_what_is_proved_in_the_meantime_is_proved_dead(acme: Company, server: Server, stuck: RotationJob) -> None:
    accept(stuck)
    server.accepted = {acme.account_password.reveal()}
    jobs.retry(stuck, actor=TESTS)
    assert run(stuck).state == JobState.DONE
    assert_proved(acme, server)
    pass_the_date()
    assert risk.reopen_due() == 0


def test_another_departure_ends_the_rest(acme: Company, server: Server, stuck: RotationJob) -> None:
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS)
    accept(stuck)
    offboarding.offboard(second, actor=TESTS, cause="left too")
    stuck.refresh_from_db()
    assert stuck.state == JobState.WAITING
    server.accepted = {acme.account_password.reveal()}
    assert run(stuck).state == JobState.DONE
    assert set(Exposure.objects.values_list("outcome", flat=True)) == {Outcome.PROVED_DEAD}


def test_a_job_that_is_tried_again_and_again_can_be_accepted_too(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.down = True
    run(job)
    assert accept(job) == 1
    server.down = False
    assert run(job).state == JobState.NEEDS_HUMAN


@pytest.mark.parametrize(("days", "reason"), [(-1, REASON), (400, REASON), (30, "  ")])
def test_a_risk_is_accepted_for_a_reason_and_not_for_ever(stuck: RotationJob, days: int, reason: str) -> None:
    with pytest.raises(Invalid):
        risk.accept(stuck, until=timezone.now() + timedelta(days=days), reason=reason, actor=TESTS)
    assert Exposure.objects.open().exists()


def test_nothing_is_accepted_that_is_not_open(acme: Company, stuck: RotationJob) -> None:
    accept(stuck)
    with pytest.raises(Refused, match="Nothing of"):
        accept(stuck)


def test_a_running_rotation_is_left_to_run(job: RotationJob) -> None:
    with pytest.raises(Refused, match="does not wait"):
        accept(job)


def test_a_worker_that_still_holds_the_job_changes_nothing_more(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.down = True
    run(job)
    RotationJob.objects.update(next_attempt_at=timezone.now())
    server.down = False
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    accept(job)
    with pytest.raises(jobs.LeaseLost):
        jobs.resume(lease)


# “Use the admin account”


def admin_of(acme: Company, server: Server, **fields: object) -> Account:
    server.admin_password = "admin-secret"
    return accounts.create(acme.workspace, "Router admin", actor=TESTS, username="a", **fields)  # type: ignore[arg-type]


def test_the_admin_account_resets_what_nobody_knows(acme: Company, server: Server, stuck: RotationJob) -> None:
    admin = admin_of(acme, server, password=Secret("admin-secret"))
    resolution.use_admin(stuck, admin, actor=TESTS)
    acme.account.refresh_from_db()
    assert acme.account.admin_account == admin
    assert run(stuck).state == JobState.DONE
    assert_proved(acme, server)


def test_an_admin_account_has_a_password_and_is_of_the_same_workspace(
    acme: Company, rival: Company, server: Server, stuck: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="No password is stored"):
        resolution.use_admin(stuck, admin_of(acme, server), actor=TESTS)
    with pytest.raises(Invalid, match="same workspace"):
        resolution.use_admin(stuck, rival.account, actor=TESTS)
    with pytest.raises(Invalid):
        resolution.use_admin(stuck, acme.account, actor=TESTS)
    monkeypatch.setattr(ModelConnector, "capabilities", Capabilities(self_change=True, can_verify=True))
    with pytest.raises(Invalid, match="No other login"):
        resolution.use_admin(stuck, acme.account, actor=TESTS)
    stuck.refresh_from_db()
    assert stuck.state == JobState.NEEDS_HUMAN
