"""The support desk's commands on departures: offboard, purge_user, retry_rotations."""

import io
import sys

import pytest

from rotation import jobs, offboarding
from rotation.models import Exposure, Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.terminal import run
from tests.workspace import strangers
from workspace import people
from workspace.models import ApiKey, AuditEvent, RotationPolicy, TeamMembership

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


class Terminal(io.StringIO):
    """A keyboard with somebody at it who types this."""

    def isatty(self) -> bool:
        return True


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
    assert (row["account"], row["privileged"], row["revealed_at"], row["rotates"]) == ("Router", True, None, True)
    assert (answer.data["memberships_ending"], answer.data["grants_ending"], answer.data["active"]) == (1, 0, True)


def test_a_dry_run_follows_the_workspaces_policy(acme: Company) -> None:
    acme.workspace.rotation_policy = RotationPolicy.NONE
    acme.workspace.save()
    answer = run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run")
    assert [row["rotates"] for row in answer.data["passwords"]] == [False]


def test_offboarding_twice_is_once(acme: Company) -> None:
    first = run("offboard", "acme", "member@acme.example", "--cause", "left")
    second = run("offboard", "acme", "member@acme.example", "--cause", "left")
    assert "nothing was changed" in second.said
    assert "nothing was changed" not in first.said
    assert first.data["offboarding"] == second.data["offboarding"]
    assert Offboarding.objects.count() == RotationJob.objects.count() == 1


def test_a_person_disabled_before_offboardings_were_kept_is_left_as_they_are(acme: Company) -> None:
    people.deactivate(acme.member, actor=TESTS, reason="left")
    answer = run("offboard", "acme", "member@acme.example", "--cause", "left")
    assert (answer.code, answer.data["offboarding"]) == (0, None)


def test_the_table_reads_like_one(acme: Company) -> None:
    answer = run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run", json=False)
    lines = answer.out.splitlines()
    assert any(line.split() == ["person", "member@acme.example"] for line in lines)
    assert "passwords: 1" in lines
    assert lines[-1].split()[:2] == ["Router", "yes"]
    assert acme.account_password.reveal() not in answer.out


# purge_user


def test_a_purge_deletes_what_it_named_and_keeps_the_history(acme: Company) -> None:
    leave(acme)
    prove_dead(acme)
    expected = run("purge_user", "acme", "member@acme.example", "--dry-run").data["gone"]
    events = AuditEvent.objects.count()
    answer = run("purge_user", "acme", "member@acme.example", "--yes", "--reason", "erasure 12")

    assert answer.code == 0
    assert answer.data["gone"] == expected
    assert {"what": "API keys", "how_many": 1} in expected
    acme.member.refresh_from_db()
    assert acme.member.email == acme.member.given_name == ""
    assert acme.member.user_name == f"purged-{acme.member.id}"
    assert TeamMembership.objects.filter(user=acme.member).exists()
    assert AuditEvent.objects.count() == events + 1
    assert AuditEvent.objects.get(verb="person.purged").actor_label.endswith(": erasure 12")


def test_a_dry_run_of_a_purge_changes_nothing(acme: Company) -> None:
    leave(acme)
    prove_dead(acme)
    before = strangers.everything(acme)
    answer = run("purge_user", "acme", "member@acme.example", "--dry-run")
    assert (answer.code, answer.data["dry_run"]) == (0, True)
    assert strangers.everything(acme) == before


def test_a_person_with_access_is_not_purged(acme: Company) -> None:
    for flag in ("--dry-run", "--yes"):
        answer = run("purge_user", "acme", "member@acme.example", flag)
        assert (answer.code, "still has access" in answer.said) == (1, True)
    assert ApiKey.objects.filter(user=acme.member).exists()


def test_open_exposures_hold_a_purge_up_unless_told(acme: Company) -> None:
    leave(acme)
    answer = run("purge_user", "acme", "member@acme.example", "--yes")
    assert (answer.code, "not proved dead" in answer.said) == (1, True)
    assert run("purge_user", "acme", "member@acme.example", "--yes", "--despite-exposures").code == 0
    acme.member.refresh_from_db()
    assert acme.member.purged_at is not None


def test_nobody_to_ask_and_no_yes_is_a_refusal(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(acme)
    prove_dead(acme)
    monkeypatch.setattr(sys, "stdin", io.StringIO("member@acme.example\n"))
    answer = run("purge_user", "acme", "member@acme.example")
    assert (answer.code, "--yes" in answer.said) == (1, True)
    assert ApiKey.objects.filter(user=acme.member).exists()


@pytest.mark.parametrize(("typed", "goes"), [("member@acme.example", True), ("yes", False), ("", False)])
def test_at_a_terminal_the_user_name_is_asked_for(
    acme: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, goes: bool
) -> None:
    leave(acme)
    prove_dead(acme)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    answer = run("purge_user", "acme", "member@acme.example")

    assert "1 API keys" in capsys.readouterr().out
    assert answer.code == (0 if goes else 1)
    assert ApiKey.objects.filter(user=acme.member).exists() is not goes


def test_a_purged_person_is_not_found_again(acme: Company) -> None:
    leave(acme)
    run("purge_user", "acme", "member@acme.example", "--yes", "--despite-exposures")
    assert run("purge_user", "acme", acme.member.id, "--yes", "--despite-exposures").code == 1


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
