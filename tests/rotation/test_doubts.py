"""Whoever looks at a password that may not be in force any more is told so, in the web app and by the API."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from rotation import connectors, engine, jobs, manual
from rotation.connectors.base import FailureKind, TargetError
from rotation.models import RotationJob, Verification
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from workspace import access
from workspace.models import Account, GrantRole

pytestmark = pytest.mark.django_db

CHANGING = "This password is being changed since"
NO_MORE = "this one may not work any more"
ALWAYS = "You always find the one in force here."


@pytest.fixture
def target(acme: Company, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Where acme's Router lives."""
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    server = Server({acme.account_password.reveal()})
    monkeypatch.setattr(ModelConnector, "server", server, raising=False)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    return server


def looked_at(company: Company) -> tuple[str, str, dict[str, Any]]:
    """The account's page, the page with the password, and the API's answer, as the member gets them."""
    browser, path = company.browser(company.member), f"/accounts/{company.account.pk}/"
    before = browser.get(path).content.decode()
    shown = browser.post(f"{path}reveal/").content.decode()
    client = Client(headers={"authorization": f"Bearer {company.api_key}"})
    answer = client.post(f"/api/v1/accounts/{company.account.pk}/reveal").json()
    return before, shown, answer


def test_as_long_as_nothing_is_set_it_is_the_one_in_force(acme: Company, target: Server) -> None:
    jobs.request(acme.workspace, [acme.account], cause="tests")
    before, shown, answer = looked_at(acme)
    assert ALWAYS in before
    assert ALWAYS in shown
    assert NO_MORE not in before + shown
    assert set(answer) == {"username", "password"}


def test_while_a_change_is_made_and_not_proved_the_old_one_may_not_work(
    acme: Company, rival: Company, target: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target takes the change, and nothing that asks it gets through."""

    def silent(*_: Any) -> bool:
        raise TargetError(FailureKind.UNREACHABLE, "no answer")

    monkeypatch.setattr(ModelConnector, "verify", silent)
    jobs.request(acme.workspace, [acme.account], cause="tests")
    job = RotationJob.objects.get()
    engine.run(job.pk, worker="tests")
    job.refresh_from_db()
    assert job.state == JobState.WAITING
    assert acme.account_password.reveal() not in target.accepted

    before, shown, answer = looked_at(acme)
    began = job.steps.get(to_state=JobState.APPLYING).at
    for text in (before, shown, answer["doubt"]["text"]):
        assert f"{CHANGING} {began:%Y-%m-%d %H:%M} UTC; {NO_MORE}" in text
        assert ALWAYS not in text
    assert acme.account_password.reveal() in shown
    assert answer["doubt"]["since"] == began.isoformat().replace("+00:00", "Z")
    assert set(answer["doubt"]) == {"since", "text"}
    assert NO_MORE not in "".join(looked_at(rival)[:2])


@pytest.mark.parametrize(
    ("state", "resume", "doubted"),
    [
        (JobState.QUEUED, "", False), (JobState.PREPARED, "", False), (JobState.APPLYING, "", True),
        (JobState.APPLIED, "", True), (JobState.UNKNOWN, "", True), (JobState.NEW_OK, "", True),
        (JobState.PROMOTED, "", False), (JobState.OLD_DEAD, "", False), (JobState.DONE, "", False),
        (JobState.CANCELLED, "", False), (JobState.WAITING, JobState.QUEUED, False),
        (JobState.WAITING, JobState.UNKNOWN, True), (JobState.WAITING, JobState.NEW_OK, True),
        (JobState.NEEDS_HUMAN, JobState.QUEUED, False), (JobState.NEEDS_HUMAN, JobState.APPLIED, True),
        (JobState.NEEDS_HUMAN, JobState.UNKNOWN, True),
    ],
)  # fmt: skip
def test_it_depends_on_whether_the_new_one_may_be_in_force(
    acme: Company, target: Server, state: JobState, resume: str, doubted: bool
) -> None:
    RotationJob.objects.create(
        workspace=acme.workspace, account=acme.account, cause="tests", state=state, resume_state=resume
    )
    before, shown, answer = looked_at(acme)
    assert (NO_MORE in before, NO_MORE in shown, "doubt" in answer) == (doubted, doubted, doubted)


def test_a_person_who_changes_it_by_hand_may_have_done_so(acme: Company) -> None:
    access.grant(acme.account, acme.owner, actor=TESTS, role=GrantRole.OWNER)
    jobs.request(acme.workspace, [acme.account], cause="tests")
    job = RotationJob.objects.get()
    engine.run(job.pk, worker="tests")
    assert NO_MORE not in looked_at(acme)[0]
    new = manual.suggest(job, acme.owner)
    before, shown, answer = looked_at(acme)
    assert "Somebody changes this password by hand since" in before
    assert NO_MORE in shown
    assert new.reveal() not in before + shown + str(answer)
    manual.answer(job, acme.owner, None)
    assert NO_MORE not in looked_at(acme)[0]


def test_one_that_the_target_was_seen_to_reject_is_not_called_the_one_in_force(acme: Company) -> None:
    Verification.objects.filter(account=acme.account).delete()
    Verification.objects.create(
        workspace=acme.workspace, account=acme.account, verdict="drift", drifted_at=timezone.now()
    )
    before, _, answer = looked_at(acme)
    assert "The target rejects this password, seen" in before
    assert ALWAYS not in before
    assert answer["doubt"]["text"].startswith("The target rejects this password")
