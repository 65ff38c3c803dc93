"""The engine against a target that misbehaves: probe, decide, never lose a password, never call an old one dead."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rotation import connectors, engine, exposures, jobs, offboarding, resolution, sweep
from rotation.models import Exposure, Offboarding, Outcome, RotationJob, RotationStep
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, SecretVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, acme: Company) -> Server:
    """Acme's Router on a model target that knows its first password."""
    ModelConnector.server = Server(accepted={acme.account_password.reveal()})
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    acme.account.refresh_from_db()
    return ModelConnector.server


@pytest.fixture
def job(acme: Company, server: Server) -> RotationJob:
    """The rotation that the member's departure sets off."""
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    return RotationJob.objects.get(account=acme.account)


def run(job: RotationJob) -> RotationJob:
    """One worker takes the job as far as it goes."""
    engine.run(job.pk, worker="test")
    job.refresh_from_db()
    return job


def run_when_due(job: RotationJob) -> RotationJob:
    RotationJob.objects.filter(pk=job.pk).update(next_attempt_at=timezone.now())
    return run(job)


def assert_proved(acme: Company, server: Server) -> None:
    """The current version logs in, every other known one does not, and the departure is complete."""
    current = accounts.current_version(acme.account)
    assert current is not None
    assert server.accepted == {accounts.open_version(current).reveal()}
    older = SecretVersion.objects.filter(account=acme.account, number__lt=current.number, visible_from__isnull=False)
    assert all(version.proved_dead_at for version in older)
    assert Exposure.objects.get(account=acme.account).outcome == Outcome.PROVED_DEAD
    assert Offboarding.objects.get(user=acme.member).completed_at is not None


def path_of(job: RotationJob) -> list[str]:
    return list(job.steps.values_list("to_state", flat=True))


def test_a_rotation_goes_through_every_state_and_closes_the_departure(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.sessions = 3
    assert run(job).state == JobState.DONE
    assert path_of(job) == [
        "prepared", "applying", "applied", "new_ok", "promoted", "old_dead", "sessions_closed", "done",
    ]  # fmt: skip
    assert (job.sessions_closed, job.follow_ups) == (3, ["API keys of the login live on."])
    assert_proved(acme, server)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_answer_is_asked_about_and_the_same_candidate_is_set(
    acme: Company, server: Server, job: RotationJob, fault: str
) -> None:
    server.faults.append(fault)
    assert run(job).state == JobState.DONE
    assert "unknown" in path_of(job)
    assert len(set(server.changes)) == 1
    assert SecretVersion.objects.filter(account=acme.account).count() == 2
    assert_proved(acme, server)


def test_an_unreachable_target_is_tried_again_without_end(acme: Company, server: Server, job: RotationJob) -> None:
    server.down = True
    for failures in range(1, 6):
        run_when_due(job)
        assert (job.state, job.failures, job.failure_code) == (JobState.WAITING, failures, "unreachable")
        assert job.next_attempt_at > job.requested_at
    assert Exposure.objects.open().exists()
    assert accounts.current_version(acme.account).number == 1  # type: ignore[union-attr]
    server.down = False
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_policy_refusal_gets_another_candidate_three_times_at_most(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.faults.extend(["policy", "policy"])
    assert run(job).state == JobState.DONE
    assert SecretVersion.objects.filter(account=acme.account).count() == 4
    assert_proved(acme, server)


def test_a_target_that_refuses_every_password_is_for_a_person(server: Server, job: RotationJob) -> None:
    server.faults.extend(["policy"] * 3)
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "policy")


def test_a_missing_permission_is_for_a_person_and_retry_goes_on(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.faults.append("permission")
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "permission")
    jobs.retry(job, actor=TESTS)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_target_that_accepts_anything_proves_nothing(server: Server, job: RotationJob) -> None:
    server.takes_anything = True
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "accepts_anything")
    assert Exposure.objects.open().exists()


def test_an_old_password_that_lives_on_keeps_the_exposure_open(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.keeps_old = True
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "old_alive")
    assert Exposure.objects.open().exists()
    current = accounts.current_version(acme.account)
    assert current is not None
    assert current.number == 2  # people have the new one all the same
    server.accepted = {accounts.open_version(current).reveal()}
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_password_changed_behind_our_back_is_for_a_person(server: Server, job: RotationJob) -> None:
    server.accepted = {"somebody changed it"}
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")


def test_the_person_says_what_it_is_now_and_the_engine_proves_it(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.accepted = {"somebody changed it"}
    run(job)
    resolution.changed_by_hand(job, Secret("somebody changed it"), actor=TESTS)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_password_changed_behind_our_back_is_reset_by_the_admin_account(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.accepted, server.admin_password = {"somebody changed it"}, "admin-secret"
    secret = Secret("admin-secret")
    admin = accounts.create(acme.workspace, "Router admin", actor=TESTS, password=secret, username="adm")
    Account.objects.filter(pk=acme.account.pk).update(admin_account=admin)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_an_account_changed_by_hand_waits_for_its_person_and_closes_on_their_word(acme: Company) -> None:
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = run(RotationJob.objects.get(account=acme.account))
    assert (job.state, job.failure_code) == (JobState.NEEDS_HUMAN, "human")
    assert SecretVersion.objects.filter(account=acme.account).count() == 1  # nothing sealed that nobody set

    resolution.changed_by_hand(job, Secret("set by hand"), actor=TESTS)
    job.refresh_from_db()
    assert job.state == JobState.DONE
    assert Exposure.objects.get(account=acme.account).outcome == Outcome.CHANGED_BY_HAND
    assert accounts.open_version(accounts.current_version(acme.account)) == Secret("set by hand")  # type: ignore[arg-type]


def test_an_undecryptable_secret_stops_for_a_person_and_is_never_sent(
    acme: Company, server: Server, job: RotationJob
) -> None:
    SecretVersion.objects.filter(account=acme.account).update(sealed=b"\x01damaged")
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "undecryptable")
    assert server.changes == []


def test_a_leased_job_is_left_alone_and_taken_over_when_the_lease_ends(
    acme: Company, server: Server, job: RotationJob
) -> None:
    lease = jobs.claim(job.pk, worker="first")
    assert lease is not None
    assert run(job).state == JobState.QUEUED
    RotationJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run(job).state == JobState.DONE
    with pytest.raises(jobs.LeaseLost):  # the first worker wakes up: its fence is old
        jobs.move(lease, JobState.PREPARED)
    assert_proved(acme, server)


def test_a_finished_job_is_not_run_again(server: Server, job: RotationJob) -> None:
    run(job)
    steps = RotationStep.objects.count()
    run(job)
    assert RotationStep.objects.count() == steps


def test_somebody_who_learnt_the_new_password_and_leaves_meanwhile_is_rotated_after(
    acme: Company, server: Server, job: RotationJob
) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    attempt = engine.Attempt(lease)
    while lease.job.state != JobState.PROMOTED:
        engine.STEPS[JobState(lease.job.state)](attempt)
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS)
    offboarding.offboard(second, actor=TESTS, cause="left too")
    assert Exposure.objects.get(offboarding__user=second).version.number == 2
    RotationJob.objects.filter(pk=job.pk).update(lease_until=None)
    assert run(job).state == JobState.DONE

    chained = RotationJob.objects.live().get(account=acme.account)
    assert Exposure.objects.open().get().offboarding.user == second
    assert run(chained).state == JobState.DONE
    assert not Exposure.objects.open().exists()


def test_a_job_lost_in_a_race_is_wanted_again_by_the_sweep(acme: Company, server: Server, job: RotationJob) -> None:
    RotationJob.objects.update(state=JobState.CANCELLED)
    assert sweep.attend() == 1
    assert exposures.unattended() == []
    assert run(RotationJob.objects.live().get()).state == JobState.DONE


def test_every_move_is_in_the_table(job: RotationJob) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    with pytest.raises(ValueError, match="never goes"):
        jobs.move(lease, JobState.DONE)


def test_steps_and_jobs_hold_no_password(acme: Company, server: Server, job: RotationJob) -> None:
    server.faults.extend(["policy", "after"])
    run(job)
    written = str(list(RotationStep.objects.values())) + str(list(RotationJob.objects.values()))
    for secret in [*server.changes, acme.account_password.reveal()]:
        assert secret not in written


def test_something_unforeseen_is_put_on_a_persons_list(
    server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ModelConnector, new: Secret, *, current: Secret | None, admin: object) -> None:
        raise KeyError("flags")

    monkeypatch.setattr(ModelConnector, "change", broken)
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "unforeseen")
    assert job.resume_state == JobState.UNKNOWN


def test_a_password_entered_meanwhile_is_not_hidden_by_the_rotation(
    acme: Company, server: Server, job: RotationJob
) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    attempt = engine.Attempt(lease)
    while lease.job.state != JobState.NEW_OK:
        engine.STEPS[JobState(lease.job.state)](attempt)
    entered = accounts.store_password(acme.account, Secret("entered"), actor=TESTS)
    RotationJob.objects.filter(pk=job.pk).update(lease_until=None)
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "invalid")
    assert accounts.current_version(acme.account) == entered


def test_a_target_that_rejects_everybody_proves_nothing(acme: Company, server: Server, job: RotationJob) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    attempt = engine.Attempt(lease)
    while lease.job.state != JobState.PROMOTED:
        engine.STEPS[JobState(lease.job.state)](attempt)
    new, server.accepted = server.accepted, set()
    RotationJob.objects.filter(pk=job.pk).update(lease_until=None)
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "new_rejected")
    assert SecretVersion.objects.get(account=acme.account, number=1).proved_dead_at is None
    server.accepted = new
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


def test_the_password_that_was_known_is_no_new_one(acme: Company) -> None:
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = run(RotationJob.objects.get(account=acme.account))
    with pytest.raises(Invalid, match="before"):
        resolution.changed_by_hand(job, acme.account_password, actor=TESTS)
    assert Exposure.objects.open().exists()
    jobs.retry(job, actor=TESTS)
    resolution.changed_by_hand(job, Secret("set by hand"), actor=TESTS)
    assert not Exposure.objects.open().exists()


def test_a_job_whose_admin_account_is_being_changed_waits_and_asks_nobody(
    acme: Company, server: Server, job: RotationJob
) -> None:
    """Both were known to the leaver: for a moment the target has the admin's new password and we show the old one."""
    secret = Secret("admin-secret")
    admin = accounts.create(acme.workspace, "Router admin", actor=TESTS, password=secret, username="adm")
    Account.objects.filter(pk=acme.account.pk).update(admin_account=admin)
    (admin_job,) = jobs.request(acme.workspace, [admin], cause="left")
    server.admin_password = "set by its own rotation, not promoted yet"
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "admin_changing")

    accounts.store_password(admin, Secret(server.admin_password), actor=TESTS)
    RotationJob.objects.filter(pk=admin_job).update(state=JobState.DONE)
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)
    server.admin_password = "changed by somebody"
    again = RotationJob.objects.get(pk=jobs.request(acme.workspace, [acme.account], cause="again")[0])
    assert (run(again).state, again.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
