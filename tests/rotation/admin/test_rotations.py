"""What an Owner does in the console about a rotation that waits: bear the risk, name an admin account, take a word."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation import connectors, jobs, manual, resolution, risk, sweep, targets
from rotation.admin.words import FAILURES
from rotation.connectors.base import Capabilities, FailureKind, TargetError, TargetSettings
from rotation.departures import certificate
from rotation.models import Exposure, Offboarding, Outcome, RotationJob, Verification
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.console_world import populate, text_of
from tests.rotation.model_target import ModelConnector, Server
from tests.rotation.running import run, run_when_due
from tests.terminal import run as command
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, Refused, Undecryptable
from workspace.models import AuditEvent, SecretVersion

pytestmark = pytest.mark.django_db

REASON = "The appliance is replaced in March"
LISTED = "/admin/rotation/rotationjob/"


def tomorrow() -> str:
    return f"{timezone.now() + timedelta(days=1):%Y-%m-%d}"


def bear(company: Company, job: RotationJob, **changed: str) -> str:
    given = {"last_day": tomorrow(), "reason": REASON, "typed": job.account.name, **changed}
    return post(company.browser(), page(job, "accept_risk"), **given)


def exposure_of(company: Company) -> Exposure:
    return Exposure.objects.for_workspace(company.workspace).get()


@pytest.fixture
def stuck(acme: Company, server: Server, job: RotationJob) -> RotationJob:
    """A rotation that needs a person."""
    server.accepted = {"somebody changed it"}
    return run(job)


# Accepting the risk


def test_a_risk_is_accepted_until_a_day_and_shown_with_who_and_why(acme: Company, stuck: RotationJob) -> None:
    shown = bear(acme, stuck)
    exposure = exposure_of(acme)
    assert (exposure.outcome, exposure.accepted_reason) == (Outcome.RISK_ACCEPTED, REASON)
    assert exposure.accepted_by == Actor.person(acme.owner).to_json()
    for words in ("Risk accepted", REASON, "owner@acme.example", "Withdraw acceptance"):
        assert words in shown
    assert page(stuck, "accept_risk") not in shown
    assert "Risk accepted" in text_of(acme.browser(), page(Offboarding.objects.get()))
    for query, number in (("accepted", 1), ("needs_human", 0)):
        assert acme.browser().get(LISTED, {"state": query}).context["cl"].result_count == number


def test_a_rotation_that_rests_is_nobodys_task(acme: Company, stuck: RotationJob) -> None:
    access.grant(acme.account, acme.owner, actor=TESTS, role="owner")
    assert list(manual.waiting_for(acme.owner)) == [stuck]
    bear(acme, stuck)
    assert not manual.waiting_for(acme.owner)
    assert command("retry_rotations", "acme").data["rotations"] == []
    assert len(command("retry_rotations", "acme", "--account", "Router").data["rotations"]) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"typed": "Rooter"}, "Type “Router” to confirm"), ({"reason": ""}, "This field is required"),
        ({"reason": "   "}, "This field is required"), ({"last_day": "2020-01-01"}, "until a day to come"),
        ({"last_day": "2999-01-01"}, "within a year"), ({"last_day": ""}, "This field is required"),
    ],
)  # fmt: skip
def test_a_risk_wants_a_day_a_reason_and_the_name(
    acme: Company, stuck: RotationJob, changed: dict[str, str], said: str
) -> None:
    assert said in bear(acme, stuck, **changed)
    assert exposure_of(acme).closed_at is None
    assert not AuditEvent.objects.filter(verb="exposure.risk_accepted").exists()


def test_the_page_names_whose_knowledge_is_borne(acme: Company, stuck: RotationJob) -> None:
    shown = text_of(acme.browser(), page(stuck, "accept_risk"))
    assert str(acme.member) in shown
    assert "may still be alive" in shown


def test_an_accepted_risk_is_withdrawn_and_everything_is_open_again(
    acme: Company, server: Server, stuck: RotationJob
) -> None:
    bear(acme, stuck)
    server.accepted = {acme.account_password.reveal()}
    post(acme.browser(), page(stuck, "withdraw_risk"))
    exposure = exposure_of(acme)
    assert (exposure.closed_at, exposure.outcome) == (None, "")
    assert Offboarding.objects.get().completed_at is None
    event = AuditEvent.objects.get(verb="exposure.reopened")
    assert (event.actor_id, event.detail["cause"]) == (acme.owner.pk, "An accepted risk was withdrawn")
    stuck.refresh_from_db()
    assert stuck.state == JobState.WAITING
    assert run(stuck).state == JobState.DONE
    assert exposure_of(acme).outcome == Outcome.PROVED_DEAD


def test_nothing_is_withdrawn_that_was_not_accepted(acme: Company, stuck: RotationJob) -> None:
    assert "No risk is accepted" in post(acme.browser(), page(stuck, "withdraw_risk"))
    assert page(stuck, "withdraw_risk") not in text_of(acme.browser(), page(stuck))
    with pytest.raises(Refused):
        risk.withdraw(stuck, actor=TESTS)


def test_a_withdrawn_risk_comes_back_with_no_date_to_pass(acme: Company, stuck: RotationJob) -> None:
    bear(acme, stuck)
    risk.withdraw(stuck, actor=TESTS)
    Exposure.objects.update(accepted_until=timezone.now() - timedelta(days=1))
    sweep.once()
    assert AuditEvent.objects.filter(verb="exposure.reopened").count() == 1


# The admin account


def test_an_admin_account_is_named_and_used_at_once(acme: Company, server: Server, stuck: RotationJob) -> None:
    admin = accounts.create(acme.workspace, "Administration", actor=TESTS, password=Secret("the admin's"))
    server.admin_password = "the admin's"
    post(acme.browser(), page(stuck, "use_admin"), admin_account=str(admin.pk))
    acme.account.refresh_from_db()
    assert acme.account.admin_account == admin
    assert run(stuck).state == JobState.DONE
    assert exposure_of(acme).outcome == Outcome.PROVED_DEAD


@pytest.mark.parametrize("whose", ["rival", "itself"])
def test_an_admin_account_is_another_of_ones_own(
    acme: Company, rival: Company, stuck: RotationJob, whose: str
) -> None:
    named = rival.account if whose == "rival" else acme.account
    assert "Select a valid choice" in post(acme.browser(), page(stuck, "use_admin"), admin_account=str(named.pk))
    acme.account.refresh_from_db()
    assert acme.account.admin_account is None


def test_where_no_other_login_can_reset_it_nobody_is_asked_for_one(acme: Company) -> None:
    populate(acme)
    job = RotationJob.objects.get()
    assert page(job, "use_admin") not in text_of(acme.browser(), page(job))
    assert "No other login can reset this one" in text_of(acme.browser(), page(job, "use_admin"))


# The target's word


class BlindConnector(ModelConnector):
    """As the model, on a target that has no login call."""

    key = "blind"

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self.capabilities = Capabilities(self_change=True, closes_sessions=self.mine.sessions > 0, can_verify=False)

    def verify(self, password: Secret) -> bool:
        raise TargetError(FailureKind.HUMAN, "No login call is declared for this account.")


@pytest.fixture
def blind(acme: Company, server: Server, job: RotationJob, monkeypatch: pytest.MonkeyPatch) -> RotationJob:
    """A rotation whose target took the new password and cannot be asked."""
    monkeypatch.setitem(connectors.REGISTRY, "model", BlindConnector)
    return run(job)


def test_the_targets_word_ends_a_rotation_as_an_exception(acme: Company, server: Server, blind: RotationJob) -> None:
    assert (blind.state, blind.failure_code) == (JobState.NEEDS_HUMAN, "human")
    given = {"reason": REASON, "typed": "Router"}
    shown = post(acme.browser(), page(blind, "targets_word"), **given)
    assert "were not ended" in shown
    blind.refresh_from_db()
    assert (blind.state, blind.sessions_closed_at) == (JobState.DONE, None)
    current = SecretVersion.objects.current().get(account=acme.account)
    assert {accounts.open_version(current).reveal()} == server.accepted
    assert exposure_of(acme).outcome == Outcome.TARGETS_WORD

    [account] = certificate.describe(Offboarding.objects.get())["accounts"]
    assert account["exception"]["accepted_by"]["userName"] == "owner@acme.example"
    assert (account["exception"]["until"], account["exception"]["reason"]) == (None, REASON)
    assert account["proof"]["new_accepted_at"] is None
    assert account["proof"]["old_rejected_at"] is None
    event = AuditEvent.objects.get(verb="rotation.targets_word_taken")
    assert (event.actor_id, event.detail["reason"]) == (acme.owner.pk, REASON)


def test_sessions_are_closed_before_the_targets_word_ends_an_exposure(
    acme: Company, server: Server, blind: RotationJob
) -> None:
    server.sessions, server.down = 3, True
    risk.accept(blind, until=timezone.now() + timedelta(days=1), reason=REASON, actor=TESTS)
    assert "are ended next" in post(acme.browser(), page(blind, "targets_word"), reason=REASON, typed="Router")
    assert exposure_of(acme).outcome == Outcome.RISK_ACCEPTED
    assert run(blind).state == JobState.WAITING
    server.down = False
    assert run_when_due(blind).state == JobState.DONE
    assert (blind.sessions_closed, server.sessions, len(server.changes)) == (3, 0, 1)
    exposure = exposure_of(acme)
    assert (exposure.outcome, exposure.accepted_until, exposure.accepted_reason) == (Outcome.TARGETS_WORD, None, REASON)
    assert exposure.accepted_by == Actor.person(acme.owner).to_json()
    assert blind.new_accepted_at is None
    assert not Verification.objects.filter(account=acme.account, verdict="good").exists()
    assert not RotationJob.objects.live().exists()


@pytest.mark.parametrize("given", [{"reason": "", "typed": "Router"}, {"reason": REASON, "typed": "router2"}])
def test_the_targets_word_wants_a_reason_and_the_name(
    acme: Company, blind: RotationJob, given: dict[str, str]
) -> None:
    post(acme.browser(), page(blind, "targets_word"), **given)
    assert exposure_of(acme).closed_at is None
    with pytest.raises(Invalid):
        resolution.take_targets_word(blind, reason=" ", actor=TESTS)


def test_no_word_is_taken_of_a_target_that_gave_none_or_can_be_asked(
    acme: Company, stuck: RotationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "did not say that it took" in text_of(acme.browser(), page(stuck, "targets_word"))
    RotationJob.objects.update(resume_state=JobState.APPLIED)
    stuck.refresh_from_db()
    assert "can be asked which password is in force" in resolution.why_not_targets_word(stuck)
    with pytest.raises(Refused):
        resolution.take_targets_word(stuck, reason=REASON, actor=TESTS)
    assert exposure_of(acme).closed_at is None


def test_a_word_does_not_hide_a_password_entered_meanwhile(acme: Company, blind: RotationJob) -> None:
    accounts.store_password(acme.account, Secret("entered meanwhile"), actor=TESTS)
    with pytest.raises(Refused, match="entered another password"):
        resolution.take_targets_word(blind, reason=REASON, actor=TESTS)
    assert exposure_of(acme).closed_at is None


# The page


def test_a_rotation_says_how_its_target_fares(acme: Company, server: Server, job: RotationJob) -> None:
    for _ in range(targets.OPENS_AFTER):
        targets.failed(acme.workspace, job.target, TargetError(FailureKind.UNREACHABLE, "Nothing answers at all."))
    shown = text_of(acme.browser(), page(job))
    assert "paused since" in shown
    assert "One rotation at a time tries it" in shown
    assert "Nothing answers at all." in shown
    assert "paused since" in text_of(acme.browser(), page(acme.account))
    targets.answered(acme.workspace, job.target)
    assert ": answers" in text_of(acme.browser(), page(job))


def test_a_rotation_that_moves_keeps_its_page_up_to_date(acme: Company, server: Server, job: RotationJob) -> None:
    assert "data-live" in text_of(acme.browser(), page(job))
    run(job)
    assert "data-live" not in text_of(acme.browser(), page(job))
    [first, *_] = acme.browser().get(page(job)).context["detail"].sections[-1].rows
    assert first[-1].endswith(" s")


def test_every_code_by_which_a_rotation_stops_has_its_words() -> None:
    codes = {kind.value for kind in FailureKind} | {jobs.ADMIN_REJECTED, jobs.RISK_ACCEPTED}
    codes |= {error.code for error in (Invalid, Undecryptable)}
    codes |= {"lockout_budget", "admin_changing", "accepts_anything", "not_applied", "new_rejected", "unforeseen"}
    assert codes | {"old_alive"} == set(FAILURES)


ACTS = {"accept_risk", "withdraw_risk", "use_admin", "targets_word"}


@pytest.mark.parametrize("act", sorted(ACTS))
def test_a_rotation_that_waits_for_nobody_takes_no_answer(acme: Company, act: str) -> None:
    jobs.request(acme.workspace, [acme.account], cause="test")
    job = RotationJob.objects.get()
    given: dict[str, Any] = {"last_day": tomorrow(), "reason": REASON, "typed": "Router"}
    post(acme.browser(), page(job, act), **given)
    assert page(job, act) not in text_of(acme.browser(), page(job))
    assert RotationJob.objects.get().state == JobState.QUEUED


@pytest.mark.parametrize("act", sorted(ACTS))
def test_anothers_rotation_takes_no_answer(acme: Company, rival: Company, act: str) -> None:
    populate(rival)
    job = RotationJob.objects.for_workspace(rival.workspace).get()
    given: dict[str, Any] = {"last_day": tomorrow(), "reason": REASON, "typed": "Router"}
    assert "doesn’t exist" in post(acme.browser(), page(job, act), **given)
    assert exposure_of(rival).closed_at is None


def test_a_verb_refuses_what_the_form_would_not_let_through(acme: Company) -> None:
    populate(acme)
    with pytest.raises(Invalid, match="No other login can reset"):
        resolution.use_admin(RotationJob.objects.get(), acme.account, actor=TESTS)
