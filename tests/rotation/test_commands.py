"""The support desk's commands on departures: offboard, retry_rotations."""


import pytest

from rotation import jobs
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.terminal import run
from tests.workspace import strangers
from workspace import deactivation
from workspace.models import AuditEvent, RotationPolicy

pytestmark = pytest.mark.django_db


def leave(company: Company) -> None:
    offboarding.offboard(company.member, actor=TESTS, cause="left")


def prove_dead(company: Company) -> None:
    """As if the rotation were through."""
    exposures = Exposure.objects.for_workspace(company.workspace)
    exposures.update(closed_at=company.account.created_at, outcome="proved_dead")


def waiting_job(company: Company, state: JobState) -> RotationJob:
    """A job of the company's account that stopped in a state."""
    (job_id,) = jobs.request(company.workspace, [company.account], cause="tests")
    lease = jobs.claim(job_id, worker="tests")
    assert lease
    stop = jobs.wait if state == JobState.WAITING else jobs.ask_human
    stop(lease, code="unreachable", detail="refused", resume=JobState.QUEUED)
    return RotationJob.objects.get(pk=job_id)


# offboard


@pytest.mark.parametrize("name", ["member@acme.example", "MEMBER@ACME.EXAMPLE", "id"])
def test_a_person_is_offboarded_by_any_of_their_names(acme: Company, name: str) -> None:
    answer = run("offboard", "acme", acme.member.id if name == "id" else name, "--cause", "Left on Friday")
    done = Offboarding.objects.get(user=acme.member)

    assert answer.code == 0
    assert done.cause == "Left on Friday"
    assert (answer.data["offboarding"], answer.data["dry_run"]) == (str(done.id), False)
    assert [row["account"] for row in answer.data["passwords"]] == ["Router"]
    assert RotationJob.objects.live().get().account == acme.account
    acme.member.refresh_from_db()
    assert not acme.member.is_active
    assert AuditEvent.objects.get(verb="person.deactivated").actor_label.startswith("offboard by ")


def test_a_dry_run_says_what_would_happen_and_does_nothing(acme: Company) -> None:
    before = strangers.everything(acme)
    answer = run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run")

    assert strangers.everything(acme) == before
    assert "Nothing was changed." in answer.said
    (row,) = answer.data["passwords"]
    assert (row["account"], row["privileged"], row["revealed_at"]) == ("Router", True, None)
    assert (row["becomes"], answer.data["needing_a_person"]) == ("by_person", 1)
    assert (answer.data["memberships_ending"], answer.data["grants_ending"], answer.data["active"]) == (1, 0, True)


def test_a_dry_run_follows_the_workspaces_policy(acme: Company) -> None:
    acme.workspace.rotation_policy = RotationPolicy.NONE
    acme.workspace.save()
    answer = run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run")
    assert [row["becomes"] for row in answer.data["passwords"]] == ["stays"]


def test_offboarding_twice_is_once(acme: Company) -> None:
    first = run("offboard", "acme", "member@acme.example", "--cause", "left")
    second = run("offboard", "acme", "member@acme.example", "--cause", "left")
    assert "nothing was changed" in second.said
    assert "nothing was changed" not in first.said
    assert first.data["offboarding"] == second.data["offboarding"]
    assert Offboarding.objects.count() == RotationJob.objects.count() == 1


def test_a_person_disabled_before_offboardings_were_kept_is_left_as_they_are(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    answer = run("offboard", "acme", "member@acme.example", "--cause", "left")
    assert (answer.code, answer.data["offboarding"]) == (0, None)


def test_the_table_reads_like_one(acme: Company) -> None:
    answer = run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run", json=False)
    lines = answer.out.splitlines()
    assert any(line.split() == ["person", "member@acme.example"] for line in lines)
    assert "passwords: 1" in lines
    assert any(line.split()[:1] == ["Router"] for line in lines)
    assert acme.account_password.reveal() not in answer.out


# retry_rotations


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.NEEDS_HUMAN])
def test_what_waits_is_tried_again_now(acme: Company, rival: Company, state: JobState) -> None:
    job, other = waiting_job(acme, state), waiting_job(rival, state)
    answer = run("retry_rotations", "acme", "--state", state)
    (row,) = answer.data["rotations"]

    assert (row["id"], row["account"], row["state"]) == (str(job.id), "Router", str(state))
    assert row["result"] == "will be tried again"
    job.refresh_from_db()
    assert (job.state, job.resume_state, job.woken_at) == (JobState.WAITING, JobState.QUEUED, None)
    assert jobs.claim(job.id, worker="tests")
    assert strangers.everything(rival)["RotationJob"][0]["fence"] == other.fence


def test_a_dry_run_lists_and_retries_nothing(acme: Company) -> None:
    waiting_job(acme, JobState.NEEDS_HUMAN)
    before = strangers.everything(acme)
    answer = run("retry_rotations", "acme", "--dry-run")
    assert [row["result"] for row in answer.data["rotations"]] == ["would be tried again"]
    assert strangers.everything(acme) == before


def test_state_and_account_narrow_what_is_retried(acme: Company) -> None:
    waiting_job(acme, JobState.NEEDS_HUMAN)
    assert run("retry_rotations", "acme", "--state", "waiting").data["rotations"] == []
    assert len(run("retry_rotations", "acme", "--account", "ROUTER").data["rotations"]) == 1
    assert run("retry_rotations", "acme", "--account", "Nothing").code == 1


def test_jobs_that_move_by_themselves_are_left_alone(acme: Company) -> None:
    jobs.request(acme.workspace, [acme.account], cause="tests")
    answer = run("retry_rotations", "acme", json=False)
    assert "rotations: none" in answer.out
    assert not AuditEvent.objects.filter(verb="rotation.retried").exists()
