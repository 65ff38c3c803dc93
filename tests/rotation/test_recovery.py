"""The recovery table and the kinds of retry: never guess, never lose a password, never call an old one dead."""

from dataclasses import replace

import pytest
from django.utils import timezone

from rotation import jobs, resolution, sweep
from rotation.models import Exposure, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import LIMITED, PLAIN, ModelConnector, Server
from tests.rotation.running import assert_proved, current_password, path_of, run, run_when_due
from workspace import accounts
from workspace.crypto import Secret
from workspace.models import Account, Notice, SecretVersion

pytestmark = pytest.mark.django_db


def administered(acme: Company, server: Server) -> Account:
    """The account that may reset acme's Router."""
    server.admin_password = "admin-secret"
    admin = accounts.create(acme.workspace, "Router admin", actor=TESTS, password=Secret("admin-secret"), username="a")
    Account.objects.filter(pk=acme.account.pk).update(admin_account=admin)
    return admin


def notices_of(job: RotationJob) -> list[Notice]:
    return list(Notice.objects.open().filter(kind=Notice.Kind.ROTATION_NEEDS_HUMAN, subject_id=job.pk))


# The table, row by row


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_answer_is_asked_about_and_the_same_candidate_is_set(
    acme: Company, server: Server, job: RotationJob, fault: str
) -> None:
    """accepted / rejected and rejected / accepted."""
    server.faults.append(fault)
    assert run(job).state == JobState.DONE
    assert "unknown" in path_of(job)
    assert len(set(server.changes)) == 1
    assert SecretVersion.objects.filter(account=acme.account).count() == 2
    assert_proved(acme, server)


def test_what_a_target_keeps_of_a_password_is_no_other_password(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody enters what a truncating target left of the old one: it changes nothing, and another rotation does."""
    monkeypatch.setattr(ModelConnector, "capabilities", replace(PLAIN, may_truncate=True))
    server.truncates_to = 12
    server.accepted = {server.kept(acme.account_password.reveal())}
    server.faults.append("permission")
    assert run(job).state == JobState.NEEDS_HUMAN
    resolution.changed_by_hand(job, Secret(server.kept(acme.account_password.reveal())), actor=TESTS)
    assert run(job).state == JobState.DONE
    assert Exposure.objects.get().closed_at is None, "whoever knew the old one knows this one"
    assert acme.account.versions.get(number=1).proved_dead_at is None
    following = RotationJob.objects.live().get(account=acme.account)
    assert run(following).state == JobState.DONE
    assert_proved(acme, server)


def test_a_worker_that_died_in_the_call_is_asked_about(acme: Company, server: Server, job: RotationJob) -> None:
    server.down = True
    run(job)
    RotationJob.objects.filter(pk=job.pk).update(state=JobState.APPLYING, next_attempt_at=timezone.now())
    server.down = False
    assert run(job).state == JobState.DONE
    assert path_of(job)[-9:-7] == ["unknown", "prepared"]
    assert_proved(acme, server)


def test_both_accepted_waits_and_says_so(acme: Company, server: Server, job: RotationJob) -> None:
    """accepted / accepted, by a target that keeps both: the canary is rejected, so it does check."""
    server.keeps_old = True
    server.faults.append("after")
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "old_alive")
    assert "version 1" in job.failure_detail
    assert current_password(acme.account) in server.accepted
    assert SecretVersion.objects.get(account=acme.account, number=1).proved_dead_at is None
    assert Exposure.objects.open().exists()


def test_a_target_that_accepts_anything_proves_nothing(server: Server, job: RotationJob) -> None:
    """accepted / accepted, by a target that checks nothing."""
    server.takes_anything = True
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "accepts_anything")
    assert Exposure.objects.open().exists()
    assert notices_of(job)


def test_a_replica_that_lags_is_waited_for(acme: Company, server: Server, job: RotationJob) -> None:
    """The old password is accepted and the new one rejected, although the change was made."""
    set_now = server.set

    def set_and_lag(password: str) -> None:
        set_now(password)
        server.lagging = 6

    server.set = set_and_lag  # type: ignore[method-assign]
    tries = 0
    while run_when_due(job).state != JobState.DONE:
        server.set = set_now  # type: ignore[method-assign]
        assert job.state == JobState.WAITING, job.failure_code
        tries += 1
        assert tries < 9
    assert len(set(server.changes)) == 1
    assert_proved(acme, server)


def test_neither_accepted_is_for_a_person(server: Server, job: RotationJob) -> None:
    server.accepted = {"somebody changed it"}
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
    assert "versions 2, 1" in job.failure_detail
    assert "locked" in job.failure_detail
    assert len(notices_of(job)) == 1


def test_neither_accepted_and_the_previous_one_is(acme: Company, server: Server, job: RotationJob) -> None:
    """Somebody restored the target from a backup: it has the password from before the current one."""
    accounts.store_password(acme.account, Secret("the current one"), actor=TESTS)
    server.accepted = {acme.account_password.reveal()}
    assert run(job).state == JobState.DONE
    assert "not applied: version 1 is in force" in job.steps.values_list("note", flat=True)
    assert_proved(acme, server)


def test_a_probe_asks_about_three_older_versions_at_most(acme: Company, server: Server, job: RotationJob) -> None:
    """The one in use and the two before it; more is guessing."""
    for number in range(2, 7):
        accounts.store_password(acme.account, Secret(f"version {number}"), actor=TESTS)
    server.accepted = {"version 2"}
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
    assert "versions 7, 6, 5, 4" in job.failure_detail
    assert server.logins == [False] * 5  # the login that was to change it, the candidate, and three


def test_a_change_that_was_taken_and_is_not_in_force_is_asked_about_five_times(
    acme: Company, server: Server, job: RotationJob
) -> None:
    """The target says yes each time and keeps the old password."""

    def say_so(password: str) -> None:
        server.changes.append(password)

    set_now, server.set = server.set, say_so  # type: ignore[method-assign]
    for failures in range(1, 6):
        assert (run_when_due(job).state, job.failure_code, job.failures) == (JobState.WAITING, "not_applied", failures)
    assert (run_when_due(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "not_applied")
    assert len(set(server.changes)) == 1
    assert len(server.changes) <= 2 * 6
    server.set = set_now  # type: ignore[method-assign]
    jobs.retry(job, actor=TESTS)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_neither_accepted_is_reset_by_the_admin_account(acme: Company, server: Server, job: RotationJob) -> None:
    administered(acme, server)
    server.accepted = {"somebody changed it"}
    server.faults.append("before")
    assert run(job).state == JobState.DONE
    assert len(set(server.changes)) == 1
    assert SecretVersion.objects.filter(account=acme.account).count() == 2
    assert_proved(acme, server)


def test_unreachable_is_never_guessed_about(acme: Company, server: Server, job: RotationJob) -> None:
    server.faults.append("after")
    server.login_faults.extend(["", "lost"])
    assert (run(job).state, job.resume_state) == (JobState.WAITING, JobState.UNKNOWN)
    assert current_password(acme.account) == acme.account_password.reveal()
    assert run_when_due(job).state == JobState.DONE
    assert len(server.changes) == 1
    assert_proved(acme, server)


def test_a_change_that_a_failover_lost_is_made_again(acme: Company, server: Server, job: RotationJob) -> None:
    server.keeps_old = True
    run(job)
    server.keeps_old, server.accepted = False, {acme.account_password.reveal()}
    for _ in range(9):
        if run_when_due(job).state == JobState.DONE:
            break
    assert_proved(acme, server)
    assert len(set(server.changes)) == 1


# Kinds of failure


def test_a_policy_refusal_gets_another_candidate_three_times_at_most(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.faults.extend(["policy", "policy"])
    assert run(job).state == JobState.DONE
    assert SecretVersion.objects.filter(account=acme.account).count() == 4
    assert_proved(acme, server)


def test_a_target_that_refuses_every_password_is_for_a_person(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.faults.extend(["policy"] * 3)
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "policy")
    server.faults.extend(["policy"] * 2)
    jobs.retry(job, actor=TESTS)
    assert run(job).state == JobState.DONE  # three more after a person looked
    assert_proved(acme, server)


@pytest.mark.parametrize("kind", ["permission", "human"])
def test_a_missing_permission_and_a_captcha_are_for_a_person_and_retry_goes_on(
    acme: Company, server: Server, job: RotationJob, kind: str
) -> None:
    server.faults.append(kind)
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, kind)
    assert len(notices_of(job)) == 1
    jobs.retry(job, actor=TESTS)
    assert notices_of(job) == []
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_something_unforeseen_is_tried_again_and_then_put_on_a_persons_list(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = ModelConnector.change

    def broken(self: ModelConnector, new: Secret, *, current: Secret | None, admin: object) -> None:
        raise KeyError("flags")

    monkeypatch.setattr(ModelConnector, "change", broken)
    for _ in range(3):
        assert (run_when_due(job).state, job.failure_code) == (JobState.WAITING, "unforeseen")
        assert job.resume_state == JobState.UNKNOWN
    assert (run_when_due(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "unforeseen")
    monkeypatch.setattr(ModelConnector, "change", change)
    jobs.retry(job, actor=TESTS)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_target_that_rejects_everybody_proves_nothing(acme: Company, server: Server, job: RotationJob) -> None:
    server.keeps_old = True
    run(job)
    new, server.accepted = server.accepted - {acme.account_password.reveal()}, set()
    assert (run_when_due(job).state, job.failure_code) == (JobState.WAITING, "new_rejected")
    assert SecretVersion.objects.get(account=acme.account, number=1).proved_dead_at is None
    server.accepted = new
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


# The person


def test_the_person_says_what_it_is_now_and_the_engine_proves_it(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.accepted = {"somebody changed it"}
    run(job)
    resolution.changed_by_hand(job, Secret("somebody changed it"), actor=TESTS)
    assert notices_of(job) == []
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_password_that_a_person_mistyped_is_asked_about_again(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.accepted = {"somebody changed it"}
    run(job)
    for _ in range(7):  # more often than versions are tried at a time
        resolution.changed_by_hand(job, Secret(f"mistyped {_}"), actor=TESTS)
        assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
    resolution.changed_by_hand(job, Secret("somebody changed it"), actor=TESTS)
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_persons_answer_takes_the_job_out_of_every_workers_hands(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.accepted = {"somebody changed it"}
    run(job)
    RotationJob.objects.filter(pk=job.pk).update(failures=9)
    late = job.fence
    resolution.changed_by_hand(job, Secret("somebody changed it"), actor=TESTS)
    job.refresh_from_db()
    assert (job.state, job.failures) == (JobState.UNKNOWN, 0)
    with pytest.raises(jobs.LeaseLost):
        jobs.move(jobs.Lease(RotationJob.objects.get(pk=job.pk), late), JobState.PREPARED)


# The admin account


def test_a_job_whose_admin_account_is_being_changed_waits_and_asks_nobody(
    acme: Company, server: Server, job: RotationJob
) -> None:
    """Both were known to the leaver: for a moment the target has the admin's new password and we show the old one."""
    admin = administered(acme, server)
    (admin_job,) = jobs.request(acme.workspace, [admin], cause="left")
    server.admin_password = "set by its own rotation, not promoted yet"
    assert (run(job).state, job.failure_code) == (JobState.WAITING, "admin_changing")

    accounts.store_password(admin, Secret(server.admin_password), actor=TESTS)
    RotationJob.objects.filter(pk=admin_job).update(state=JobState.DONE)
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_rejected_admin_is_a_persons_and_the_job_resumes_by_itself(
    acme: Company, rival: Company, server: Server, job: RotationJob
) -> None:
    admin = administered(acme, server)
    server.admin_password = "changed by somebody"
    assert (run(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "admin_rejected")
    assert job.admin_version == accounts.current_version(admin)
    accounts.store_password(rival.account, Secret("of somebody else"), actor=TESTS)
    sweep.once()
    job.refresh_from_db()
    assert job.state == JobState.NEEDS_HUMAN

    accounts.store_password(admin, Secret("changed by somebody"), actor=TESTS)
    sweep.once()
    assert notices_of(job) == []
    assert run(job).state == JobState.DONE
    assert_proved(acme, server)


def test_a_job_resumes_when_its_account_gets_another_admin(acme: Company, server: Server, job: RotationJob) -> None:
    administered(acme, server)
    server.admin_password = "another's"
    run(job)
    other = accounts.create(acme.workspace, "Other", actor=TESTS, password=Secret("another's"), username="o")
    accounts.update(acme.account, actor=TESTS, admin_account=other)
    sweep.once()
    assert run(job).state == JobState.DONE


def test_notices_name_no_person(acme: Company, server: Server, job: RotationJob) -> None:
    server.accepted = set()
    run(job)
    (notice,) = notices_of(job)
    assert "Router" in notice.summary
    assert notice.facts == {"account": str(acme.account.pk), "code": "authentication"}


def test_an_admin_that_is_locked_out_by_many_jobs_is_spared(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five hundred accounts with one admin account are not five hundred failed logins of it."""
    monkeypatch.setattr(ModelConnector, "capabilities", LIMITED)
    admin = administered(acme, server)
    server.admin_password = "changed by somebody"
    for number in range(8):
        account = accounts.create(
            acme.workspace, f"A{number}", actor=TESTS, password=acme.account_password, username="x",
            connector="model", admin_account=admin,
        )  # fmt: skip
        jobs.request(acme.workspace, [account], cause="test")
    for each in RotationJob.objects.all():
        run(each)
    assert server.admin_failed == 4
    assert set(RotationJob.objects.values_list("failure_code", flat=True)) == {"admin_rejected", "lockout_budget"}
