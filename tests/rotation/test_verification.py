"""The regular check of stored passwords: what it finds, when it comes, and what a person does about drift."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation import budget, jobs, sweep, verification
from rotation.models import RotationJob, TargetHealth, Verdict, Verification
from rotation.states import JobState
from rotation.tasks import verify
from tests.companies import TESTS, Company
from tests.rotation.model_target import LIMITED, ModelConnector, Server
from tests.rotation.running import current_password, run
from tests.terminal import run as command
from workspace import accounts
from workspace.crypto import Secret
from workspace.errors import Refused
from workspace.models import Account, AuditEvent, Notice, SecretVersion

pytestmark = pytest.mark.django_db


def account_of(acme: Company) -> Account:
    return Account.objects.select_related("workspace", "admin_account").get(pk=acme.account.pk)


def drift(acme: Company, server: Server) -> Verification:
    server.accepted = {"somebody changed it"}
    return verification.check(account_of(acme))


def events(acme: Company) -> list[str]:
    return list(AuditEvent.objects.filter(subject_id=acme.account.pk).order_by("id").values_list("verb", flat=True))


def test_a_password_that_is_in_force_is_good(acme: Company, server: Server) -> None:
    row = verification.check(account_of(acme))
    assert (row.verdict, row.drifted_at) == (Verdict.GOOD, None)
    assert row.verified_at == row.checked_at
    assert timedelta(hours=23) < row.due_at - timezone.now() <= timedelta(hours=24)


def test_a_password_that_was_changed_behind_our_back_is_drift_and_told_once(acme: Company, server: Server) -> None:
    first = drift(acme, server)
    assert first.verdict == Verdict.DRIFT
    assert "somebody changed it there, or the login is locked" in first.detail
    assert verification.check(account_of(acme)).drifted_at == first.drifted_at
    assert events(acme).count("account.drifted") == 1
    (notice,) = Notice.objects.open().filter(subject_id=acme.account.pk)
    assert "Router" in notice.summary
    server.accepted = {acme.account_password.reveal()}
    assert verification.check(account_of(acme)).drifted_at is None
    assert events(acme)[-1] == "account.drift_ended"
    assert not Notice.objects.open().exists()


def test_a_target_that_does_not_answer_says_nothing_about_the_password(acme: Company, server: Server) -> None:
    drift(acme, server)
    server.down = True
    row = verification.check(account_of(acme))
    assert (row.verdict, row.detail) == (Verdict.UNREACHABLE, "The model target does not answer.")
    assert row.drifted_at is not None
    assert TargetHealth.objects.get().failures == 1
    assert row.due_at - timezone.now() <= timedelta(minutes=15)
    server.down = False
    verification.check(account_of(acme))
    assert TargetHealth.objects.get().failures == 0


def test_an_open_breaker_is_respected(acme: Company, server: Server) -> None:
    now = timezone.now()
    TargetHealth.objects.create(
        workspace=acme.workspace, key="model model", failures=3, opened_at=now, probe_at=now, failure_detail="down"
    )
    assert verification.check(account_of(acme)).verdict == Verdict.UNREACHABLE
    assert server.logins == []


def test_a_check_stays_within_the_lock_out_budget(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelConnector, "capabilities", LIMITED)
    for _ in range(9):
        drift(acme, server)
    assert len(server.logins) == 4
    row = Verification.objects.get()
    assert row.due_at > timezone.now() + timedelta(minutes=29)
    assert budget.left(acme.account, 4) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"username": ""}, "must be named"), ({"connector": "by_hand"}, "cannot be tried"),
        ({"connector": "gone"}, "no connector"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(acme: Company, server: Server, change: dict[str, Any], said: str) -> None:
    Account.objects.filter(pk=acme.account.pk).update(**change)
    row = verification.check(account_of(acme))
    assert row.verdict == Verdict.UNPROVED
    assert said in row.detail


def test_a_locked_login_is_no_drift(acme: Company, server: Server) -> None:
    server.locked = server.says_locked = True
    assert verification.check(account_of(acme)).verdict == Verdict.UNPROVED


def test_a_connector_that_fails_as_nobody_foresaw_is_written_down(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise KeyError("third party")

    monkeypatch.setattr(ModelConnector, "verify", fail)
    row = verification.check(account_of(acme))
    assert (row.verdict, row.detail) == (
        Verdict.UNPROVED, "Cerby met something unforeseen (KeyError). Its log says what.",
    )  # fmt: skip
    assert row.due_at > timezone.now() + timedelta(hours=23)


def test_an_account_that_is_being_rotated_is_left_to_that(acme: Company, server: Server, job: RotationJob) -> None:
    assert verification.check(account_of(acme)).verdict == Verdict.UNCHECKED
    assert server.logins == []
    run(job)
    verification.enrol()
    assert verification.check(account_of(acme)).verdict == Verdict.GOOD


def test_a_rotation_that_begins_while_the_target_is_asked_is_no_drift(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rotated_meanwhile(connector: ModelConnector, password: Secret) -> bool:
        jobs.request(acme.workspace, [acme.account], cause="test")
        return False

    monkeypatch.setattr(ModelConnector, "verify", rotated_meanwhile)
    assert verification.check(account_of(acme)).verdict == Verdict.UNCHECKED


def test_a_password_entered_while_the_target_is_asked_is_asked_about_again(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entered_meanwhile(connector: ModelConnector, password: Secret) -> bool:
        accounts.store_password(acme.account, Secret("the new one"), actor=TESTS)
        return False

    monkeypatch.setattr(ModelConnector, "verify", entered_meanwhile)
    row = verification.check(account_of(acme))
    assert row.verdict == Verdict.UNCHECKED
    assert row.due_at <= timezone.now()


def test_a_rotation_that_ends_ends_the_drift(acme: Company, server: Server) -> None:
    server.admin_password = "admin"
    admin = accounts.create(acme.workspace, "Admin", actor=TESTS, password=Secret("admin"), username="a")
    Account.objects.filter(pk=acme.account.pk).update(admin_account=admin)
    drift(acme, server)
    job = verification.reset(account_of(acme), actor=TESTS)
    assert run(job).state == JobState.DONE
    row = Verification.objects.get(account=acme.account)
    assert (row.verdict, row.drifted_at) == (Verdict.GOOD, None)
    assert server.accepted == {current_password(acme.account)}
    assert not Notice.objects.open().exists()
    assert "rotation.requested" in AuditEvent.objects.values_list("verb", flat=True)


def test_a_reset_needs_an_admin_account(acme: Company, server: Server) -> None:
    drift(acme, server)
    with pytest.raises(Refused, match="no admin account"):
        verification.reset(account_of(acme), actor=TESTS)
    assert not RotationJob.objects.exists()


def test_drift_is_adopted_and_the_old_one_is_not_called_dead(acme: Company, server: Server) -> None:
    drift(acme, server)
    verification.adopt(acme.account, Secret("somebody changed it"), actor=TESTS)
    verify(str(acme.account.pk))
    row = Verification.objects.get(account=acme.account)
    assert (row.verdict, row.drifted_at) == (Verdict.GOOD, None)
    assert current_password(acme.account) == "somebody changed it"
    assert SecretVersion.objects.get(account=acme.account, number=1).proved_dead_at is None
    assert "account.drift_adopted" in events(acme)


def test_what_is_adopted_wrongly_stays_drift(acme: Company, server: Server) -> None:
    drift(acme, server)
    verification.adopt(acme.account, Secret("mistyped"), actor=TESTS)
    verify(str(acme.account.pk))
    assert Verification.objects.get(account=acme.account).verdict == Verdict.DRIFT


def test_nothing_is_adopted_beside_a_rotation(acme: Company, server: Server, job: RotationJob) -> None:
    with pytest.raises(Refused, match="I changed it"):
        verification.adopt(acme.account, Secret("x"), actor=TESTS)


def test_a_rejected_admin_that_is_accepted_again_lets_its_jobs_go_on(
    acme: Company, server: Server, job: RotationJob
) -> None:
    admin = accounts.create(
        acme.workspace, "Admin", actor=TESTS, password=Secret("admin"), username="a", connector="model",
        target={"name": "admins"},
    )  # fmt: skip
    ModelConnector.servers = {"admins": Server(accepted={"admin"})}
    Account.objects.filter(pk=acme.account.pk).update(admin_account=admin)
    server.admin_password = "not yet"
    assert run(job).failure_code == "admin_rejected"
    sweep.once()
    server.admin_password = "admin"
    verification.check(Account.objects.select_related("workspace").get(pk=admin.pk))
    sweep.once()
    assert run(job).state == JobState.DONE
    ModelConnector.servers = {}


# When


def test_accounts_that_can_be_asked_are_enrolled_once(acme: Company, rival: Company, server: Server) -> None:
    accounts.create(acme.workspace, "Empty", actor=TESTS, connector="model")
    begun = timezone.now()
    assert (verification.enrol(), verification.enrol()) == (1, 0)
    row = Verification.objects.get()
    assert (row.account, row.workspace) == (acme.account, acme.workspace)
    assert begun <= row.due_at <= timezone.now() + timedelta(hours=1)


@pytest.mark.parametrize(
    ("workspace", "own", "checked"), [(24, None, True), (0, None, False), (0, 6, True), (24, 0, False)]
)
def test_the_workspace_says_how_often_and_an_account_may_say_otherwise(
    acme: Company, server: Server, workspace: int, own: int | None, checked: bool
) -> None:
    acme.workspace.verify_every_hours = workspace
    acme.workspace.save()
    Account.objects.filter(pk=acme.account.pk).update(verify_every_hours=own)
    assert verification.enrol() == checked
    Verification.objects.update(due_at=timezone.now())
    assert verification.announce_due() == checked


def test_due_checks_are_announced_once_and_again_when_nobody_came(
    acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[object] = []
    monkeypatch.setattr("rotation.wake.now", lambda ids, **_: woken.extend(ids))
    verification.enrol()
    assert verification.announce_due() == 0
    Verification.objects.update(due_at=timezone.now())
    assert (verification.announce_due(), verification.announce_due()) == (1, 0)
    assert woken == [acme.account.pk]
    Verification.objects.update(announced_at=timezone.now() - timedelta(hours=1))
    assert verification.announce_due() == 1


def test_an_account_that_is_checked_more_often_from_now_on_is_due(acme: Company, server: Server) -> None:
    verification.check(account_of(acme))
    Verification.objects.update(checked_at=timezone.now() - timedelta(hours=3), announced_at=None)
    assert verification.announce_due() == 0
    Account.objects.filter(pk=acme.account.pk).update(verify_every_hours=2)
    assert verification.announce_due() == 1


def test_a_message_that_comes_twice_checks_once(acme: Company, server: Server) -> None:
    verification.check_soon(acme.account)
    verify(str(acme.account.pk))
    verify(str(acme.account.pk))
    verify("018f0000-0000-7000-8000-000000000000")
    assert len(server.logins) == 1


def test_the_sweep_keeps_up_once_a_minute(acme: Company, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_turn", sweep._Turn())
    sweep.once()
    assert Verification.objects.count() == 1
    Verification.objects.all().delete()
    sweep.once()
    assert not Verification.objects.exists()


# The command


def test_after_a_restore_everything_is_checked(acme: Company, rival: Company, server: Server) -> None:
    """manage.py verify_accounts: what the backup does not know is found."""
    accounts.create(acme.workspace, "Second", actor=TESTS, password=Secret("lost"), username="u", connector="model")
    answer = command("verify_accounts", "acme")
    assert answer.code == 0
    verdicts = {row["account"]: row["verdict"] for row in answer.data["accounts"]}
    assert verdicts == {"Router": "Accepted by the target", "Second": "Rejected by the target"}
    assert not Verification.objects.for_workspace(rival.workspace).exists()


def test_one_account_is_checked_by_name(acme: Company, rival: Company, server: Server) -> None:
    assert [row["account"] for row in command("verify_accounts", "acme", "--account", "router").data["accounts"]] == [
        "Router"
    ]
    assert command("verify_accounts", "acme", "--account", "Nothing").code == 1
    assert command("verify_accounts", "nobody").code == 1


def test_what_is_archived_or_being_rotated_wakes_nobody_for_a_check(
    acme: Company, rival: Company, server: Server
) -> None:
    for company in (acme, rival):
        Account.objects.filter(pk=company.account.pk).update(connector="model", target={"name": "x"})
        verification.check_soon(company.account)
    Verification.objects.update(announced_at=None)
    Account.objects.filter(pk=acme.account.pk).update(archived_at=timezone.now())
    jobs.request(rival.workspace, [rival.account], cause="asked for")
    assert verification.announce_due() == 0
    RotationJob.objects.update(state=JobState.CANCELLED)
    assert verification.announce_due() == 1
