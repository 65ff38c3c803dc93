"""The engine from wanted to proved: each state, who may work on a job, and in which order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from rotation import engine, jobs, passwords, resolution, sweep, wanted
from rotation.attempt import Attempt
from rotation.departures import exposures, offboarding
from rotation.models import Exposure, Outcome, RotationJob, RotationStep
from rotation.states import MOVES, JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import PLAIN, ModelConnector, Server
from tests.rotation.running import assert_proved, current_password, path_of, run, run_when_due
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import SecretVersion

pytestmark = pytest.mark.django_db


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


def test_what_lives_on_is_named_where_nothing_can_be_closed(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelConnector, "capabilities", replace(PLAIN, closes_sessions=False))
    assert run(job).state == JobState.DONE
    assert (job.sessions_closed, job.sessions_closed_at) == (0, None)
    assert job.follow_ups == ["API keys of the login live on."]
    assert_proved(acme, server)


def test_what_was_proved_is_written_down_with_its_time(acme: Company, server: Server, job: RotationJob) -> None:
    before = timezone.now()
    run(job)
    for at in (job.new_accepted_at, job.canary_rejected_at, job.old_rejected_at, job.sessions_closed_at):
        assert at is not None
        assert before < at < timezone.now()
    assert job.truncated_rejected_at is None  # this target cannot truncate, so it is not asked
    facts = dict(job.steps.values_list("to_state", "facts"))
    assert facts["new_ok"] == {"accepted": [2], "rejected": [1], "canary": "rejected"}
    assert facts["old_dead"] == {"accepted": [2], "rejected": [1], "canary": "rejected"}
    assert facts["sessions_closed"] == {"sessions": 0}


def test_the_new_password_is_seen_accepted_after_the_others_were_rejected(server: Server, job: RotationJob) -> None:
    """A target that rejects everybody would otherwise pass for an old password's death."""
    run(job)
    assert server.logins == [True, False, False, True]  # to change it; then old, canary, new


def test_every_move_is_in_the_table(job: RotationJob) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    with pytest.raises(ValueError, match="never goes"):
        jobs.move(lease, JobState.DONE)
    with pytest.raises(ValueError, match="never goes"):
        jobs.move_through(lease, jobs.Move(JobState.PREPARED), jobs.Move(JobState.NEW_OK))
    assert not RotationStep.objects.exists()
    assert set(MOVES) == set(JobState)
    assert all(engine.STEPS.get(state) or not MOVES[state] or state in {"waiting", "needs_human"} for state in JobState)


def test_an_unreachable_target_is_tried_again_without_end(acme: Company, server: Server, job: RotationJob) -> None:
    server.down = True
    for failures in range(1, 3):
        run_when_due(job)
        assert (job.state, job.failures, job.failure_code) == (JobState.WAITING, failures, "unreachable")
        assert job.next_attempt_at > job.requested_at
    assert Exposure.objects.open().exists()
    assert accounts.current_version(acme.account).number == 1  # type: ignore[union-attr]
    server.down = False
    assert run_when_due(job).state == JobState.DONE
    assert_proved(acme, server)


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


def test_no_password_comes_again_that_the_account_ever_had(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.store_password(acme.account, Secret("had once"), actor=TESTS)
    server.accepted = {"had once"}
    drawn = iter([acme.account_password, Secret("had once"), Secret("never had"), Secret("the canary")])
    monkeypatch.setattr(passwords, "generate", lambda policy: next(drawn))
    assert run(job).state == JobState.DONE
    assert current_password(acme.account) == "never had"


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
    assert "were not ended" in job.follow_ups[0]


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
    with pytest.raises(jobs.LeaseLost):
        jobs.reload(lease)
    jobs.hand_back(lease)
    assert_proved(acme, server)


def test_of_two_workers_in_one_state_only_the_later_lease_moves_on(job: RotationJob) -> None:
    """The first stood still; the second has done nothing yet."""
    first = jobs.claim(job.pk, worker="first")
    assert first is not None
    RotationJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    second = jobs.claim(job.pk, worker="second")
    assert second is not None
    with pytest.raises(jobs.LeaseLost):
        jobs.move(first, JobState.PREPARED)
    jobs.hand_back(first)
    job.refresh_from_db()
    assert (job.state, job.fence, job.leased_by) == (JobState.QUEUED, second.fence, "second")
    assert job.lease_until is not None
    jobs.move(second, JobState.PREPARED)
    assert job.steps.get().fence == second.fence


def test_what_was_called_off_meanwhile_is_not_moved_on(job: RotationJob) -> None:
    lease = jobs.claim(job.pk, worker="test")
    assert lease is not None
    RotationJob.objects.filter(pk=job.pk).update(state=JobState.CANCELLED)
    with pytest.raises(jobs.LeaseLost):
        jobs.move(lease, JobState.PREPARED)
    assert not RotationStep.objects.exists()


def test_a_database_that_goes_away_is_no_failure_of_the_rotation(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's task fails; the job stands where it stood, until the lease is over and another goes on."""

    def away(policy: object, earlier: object) -> Secret:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(passwords, "fresh", away)
        engine.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, job.failures, job.failure_code) == (JobState.QUEUED, 0, "")
    RotationJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run(job).state == JobState.DONE


def test_a_login_that_nothing_is_known_of_is_not_spoken_to(acme: Company, server: Server) -> None:
    account = accounts.create(
        acme.workspace, "Found", actor=TESTS, username="found", connector="model", target={}, is_privileged=True
    )
    jobs.request(acme.workspace, [account], cause="asked for")
    job = run(RotationJob.objects.get(account=account))
    assert (job.state, job.failure_code) == (JobState.NEEDS_HUMAN, "authentication")
    assert path_of(job) == ["prepared", "needs_human"]
    assert (server.logins, server.changes) == ([], [])


def test_a_finished_job_is_not_run_again(server: Server, job: RotationJob) -> None:
    run(job)
    steps = RotationStep.objects.count()
    run(job)
    assert RotationStep.objects.count() == steps


def test_a_job_lost_in_a_race_is_wanted_again_by_the_sweep(acme: Company, server: Server, job: RotationJob) -> None:
    RotationJob.objects.update(state=JobState.CANCELLED)
    assert sweep.attend() == 1
    assert exposures.unattended() == {}
    assert run(RotationJob.objects.live().get()).state == JobState.DONE


def test_steps_and_jobs_hold_no_password(acme: Company, server: Server, job: RotationJob) -> None:
    server.faults.extend(["policy", "after"])
    run(job)
    written = str(list(RotationStep.objects.values())) + str(list(RotationJob.objects.values()))
    for secret in [*server.changes, acme.account_password.reveal()]:
        assert secret not in written


def test_a_password_entered_meanwhile_is_not_hidden_by_the_rotation(
    acme: Company, server: Server, job: RotationJob
) -> None:
    server.faults.append("after")
    server.login_faults.extend(["", "lost"])
    assert run(job).state == JobState.WAITING
    entered = accounts.store_password(acme.account, Secret("entered"), actor=TESTS)
    assert (run_when_due(job).state, job.failure_code) == (JobState.NEEDS_HUMAN, "invalid")
    assert accounts.current_version(acme.account) == entered


def test_the_password_that_was_known_is_no_new_one(acme: Company) -> None:
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = run(RotationJob.objects.get(account=acme.account))
    with pytest.raises(Invalid, match="before"):
        resolution.changed_by_hand(job, acme.account_password, actor=TESTS)
    assert Exposure.objects.open().exists()
    jobs.retry(job, actor=TESTS)
    resolution.changed_by_hand(job, Secret("set by hand"), actor=TESTS)
    assert not Exposure.objects.open().exists()


def test_a_worker_that_is_out_of_time_hands_the_job_on_where_it_stands(
    acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "has_time", lambda self, calls: len(server.changes) < 1)
        assert run(job).state == JobState.APPLIED
    assert job.lease_until is None
    assert run(job).state == JobState.DONE
    assert len(server.changes) == 1


@pytest.mark.parametrize("old", [1, 7, 12])
def test_any_number_of_old_versions_is_proved_dead_some_at_a_time(
    acme: Company, server: Server, job: RotationJob, old: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(old):
        accounts.store_password(acme.account, Secret(f"another {number}"), actor=TESTS)
    server.accepted = {f"another {old - 1}"}
    allowed = [0]

    def for_seven_calls(attempt: Attempt, calls: int) -> bool:
        allowed[0] -= calls == 1
        return allowed[0] >= 0

    monkeypatch.setattr(Attempt, "has_time", for_seven_calls)
    runs = 0
    while job.state != JobState.DONE:
        allowed[0], runs = 9, runs + 1
        run_when_due(job)
        assert runs < 9
    assert not SecretVersion.objects.filter(account=acme.account, number__lte=old + 1, proved_dead_at=None).exists()
    assert_proved(acme, server)


def test_the_most_urgent_job_is_taken_first(acme: Company, server: Server, job: RotationJob) -> None:
    ordinary = accounts.create(acme.workspace, "News", actor=TESTS, password=Secret("x"), username="n")
    routine = accounts.create(
        acme.workspace, "Admin", actor=TESTS, password=Secret("x"), username="a", is_privileged=True
    )
    second = accounts.create(
        acme.workspace, "Firewall", actor=TESTS, password=Secret("x"), username="f", is_privileged=True
    )
    jobs.request(acme.workspace, [routine], cause="schedule", routine=True)
    jobs.request(acme.workspace, [ordinary], cause="asked for")
    jobs.request(acme.workspace, [second], cause="asked for")
    third = accounts.create(
        acme.workspace, "Switch", actor=TESTS, password=Secret("x"), username="s", is_privileged=True
    )
    jobs.request(acme.workspace, [third], cause="asked for")
    order = []
    while lease := jobs.claim_next(worker="test"):
        order.append(lease.job.account.name)
    assert order == ["Router", "Firewall", "Switch", "News", "Admin"]  # open exposures, privilege, age, routine


def test_of_two_privileged_accounts_the_one_that_more_people_knew_is_taken_first(
    acme: Company, server: Server, job: RotationJob
) -> None:
    """Though it was wanted later."""
    leavers = [acme.person(f"leaver{number}") for number in range(2)]
    known = accounts.create(
        acme.workspace, "Firewall", actor=TESTS, password=Secret("x"), username="f", is_privileged=True
    )
    for leaver in leavers:
        access.grant(known, leaver, actor=TESTS)
    for leaver in leavers:
        offboarding.offboard(leaver, actor=TESTS, cause="left")
    order = []
    while lease := jobs.claim_next(worker="test"):
        order.append((lease.job.account.name, lease.job.exposures))
    assert order == [("Firewall", 2), ("Router", 1)]


def test_a_routine_job_becomes_urgent_when_somebody_leaves(acme: Company, server: Server) -> None:
    jobs.request(acme.workspace, [acme.account], cause="schedule", routine=True)
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    job = RotationJob.objects.get()
    assert (job.priority, job.exposures) == (wanted.PRIVILEGED, 1)


def test_rival_is_not_touched(acme: Company, rival: Company, server: Server, job: RotationJob) -> None:
    run(job)
    assert not RotationJob.objects.for_workspace(rival.workspace).exists()
    assert SecretVersion.objects.get(account=rival.account).proved_dead_at is None
