"""What the item Owner of an account changes by hand: the task, a suggestion that cannot get lost, the answer."""

import re
from typing import Any

import pytest
from django.test import Client

from rotation import connectors, engine, manual, resolution
from rotation.departures import offboarding
from rotation.models import Exposure, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.model_target import ModelConnector, Server
from workspace import access, accounts, deactivation, teams
from workspace.crypto import Secret
from workspace.errors import NotFound
from workspace.models import Account, AuditEvent, Grant, GrantRole, Reveal, SecretVersion, User

pytestmark = pytest.mark.django_db

PAGES = ("", "suggest/")


def leave(company: Company) -> RotationJob:
    """Somebody left; the account is changed by hand, so that the rotation waits for a person."""
    leaver = company.person("leaver")
    teams.add_members(company.team, [leaver.pk], actor=TESTS)
    offboarding.offboard(leaver, actor=TESTS, cause="Contract ended")
    job = RotationJob.objects.for_workspace(company.workspace).get()
    engine.run(job.pk, worker="test")
    job.refresh_from_db()
    assert job.state == JobState.NEEDS_HUMAN
    return job


@pytest.fixture
def owner(acme: Company) -> User:
    """An ordinary member who is the account's item Owner."""
    person = acme.person("keeper")
    access.grant(acme.account, person, actor=TESTS, role=GrantRole.OWNER)
    return person


@pytest.fixture
def job(acme: Company, owner: User) -> RotationJob:
    return leave(acme)


def url(job: RotationJob, act: str = "") -> str:
    return f"/tasks/{job.pk}/{act}"


def text(answer: Any) -> str:
    return str(answer.content.decode())


def shown_password(answer: Any) -> str:
    found = re.search(r'<output class="mono secret" id="password"[^>]*>([^<]+)</output>', text(answer))
    assert found
    return found[1].replace("&#x27;", "'").replace("&amp;", "&")


# Who is asked


def test_the_item_owner_sees_the_task(acme: Company, owner: User, job: RotationJob) -> None:
    browser = acme.browser(owner)
    assert "1 account you own needs a new password" in text(browser.get("/"))
    listed = text(browser.get("/tasks/"))
    assert url(job) in listed
    shown = text(browser.get(url(job)))
    assert "Router" in shown
    assert "Contract ended" in shown
    assert "on your word" in shown
    assert acme.account_password.reveal() not in shown


@pytest.mark.parametrize("role", [GrantRole.MANAGER, GrantRole.COLLABORATOR])
def test_who_only_uses_the_account_is_not_asked(acme: Company, job: RotationJob, role: GrantRole) -> None:
    person = acme.person("user")
    access.grant(acme.account, person, actor=TESTS, role=role)
    browser = acme.browser(person)
    assert "Nothing waits for you" in text(browser.get("/tasks/"))
    assert "new password, set by hand" not in text(browser.get("/"))
    for act in PAGES:
        assert browser.post(url(job, act), {"password": "taken-over-1"}).status_code == 404


def test_owning_through_a_team_is_owning(acme: Company, job: RotationJob) -> None:
    person = acme.person("through")
    team = teams.create(acme.workspace, "Owners", actor=TESTS)
    teams.add_members(team, [person.pk], actor=TESTS)
    access.grant(acme.account, team, actor=TESTS, role=GrantRole.OWNER)
    assert list(manual.waiting_for(person)) == [job]
    teams.remove_members(team, [person.pk], actor=TESTS)
    assert not manual.waiting_for(person).exists()


def test_ownership_that_has_ended_asks_nobody(acme: Company, owner: User, job: RotationJob) -> None:
    access.end(Grant.objects.get(user=owner), actor=TESTS, reason="handed over")
    assert acme.browser(owner).get(url(job)).status_code == 404
    with pytest.raises(NotFound):
        manual.suggest(job, owner)


def test_a_rotation_that_waits_for_nobody_is_no_task(acme: Company, owner: User, job: RotationJob) -> None:
    RotationJob.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
    assert acme.browser(owner).get(url(job)).status_code == 404


@pytest.mark.parametrize("act", PAGES)
def test_acme_sees_and_changes_nothing_of_rivals(acme: Company, rival: Company, owner: User, act: str) -> None:
    access.grant(rival.account, rival.owner, actor=TESTS, role=GrantRole.OWNER)
    theirs = leave(rival)
    for person in (owner, acme.owner, acme.member):
        browser = acme.browser(person)
        for method in ("get", "post"):
            answer = getattr(browser, method)(url(theirs, act), {"password": "taken-over-1", "suggested": "1"})
            assert answer.status_code in {404, 405}
            assert "rival" not in text(answer).lower()
        assert str(theirs.pk) not in text(browser.get("/tasks/"))
    theirs.refresh_from_db()
    assert theirs.state == JobState.NEEDS_HUMAN
    assert SecretVersion.objects.filter(account=rival.account).count() == 1


@pytest.mark.parametrize("path", ["/tasks/", "", "suggest/"])
def test_every_page_is_kept_nowhere_and_shown_to_no_guest(
    acme: Company, owner: User, job: RotationJob, path: str
) -> None:
    address = path if path.startswith("/") else url(job, path)
    guest = Client().get(address)
    assert guest["Location"].startswith("/login/")
    answer = acme.browser(owner).post(address, {"password": "x"})
    assert "no-store" in answer["Cache-Control"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text(answer))
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(owner)
    assert forged.post(address, {"suggested": "1"}).status_code == 403


# The suggestion


def test_a_suggestion_fits_the_policy_is_shown_once_and_written_down(
    acme: Company, owner: User, job: RotationJob
) -> None:
    Account.objects.filter(pk=acme.account.pk).update(password_length=20, password_classes=["digit"])
    browser = acme.browser(owner)
    assert browser.get(url(job, "suggest/")).status_code == 405
    suggested = shown_password(browser.post(url(job, "suggest/")))
    assert re.fullmatch(r"\d{20}", suggested)
    assert suggested not in text(browser.get(url(job)))
    event = AuditEvent.objects.get(verb="rotation.suggested")
    assert (event.actor_id, suggested in str(AuditEvent.objects.values_list())) == (owner.id, False)


def test_a_suggestion_is_sealed_before_it_is_shown_and_in_use_for_nobody(
    acme: Company, owner: User, job: RotationJob
) -> None:
    suggested = shown_password(acme.browser(owner).post(url(job, "suggest/")))
    sealed = SecretVersion.objects.candidates().get(account=acme.account)
    assert accounts.open_version(sealed) == Secret(suggested)
    assert Reveal.objects.get(version=sealed).user == owner
    current = accounts.current_version(acme.account)
    assert current is not None
    assert current.number == 1


def test_the_suggested_password_is_used_without_being_typed(acme: Company, owner: User, job: RotationJob) -> None:
    browser = acme.browser(owner)
    suggested = shown_password(browser.post(url(job, "suggest/")))
    answer = browser.post(url(job), {"suggested": "1"}, follow=True)
    assert "Taken down on your word" in text(answer)
    job.refresh_from_db()
    current = accounts.current_version(acme.account)
    assert current is not None
    assert (job.state, accounts.open_version(current)) == (JobState.DONE, Secret(suggested))
    assert SecretVersion.objects.filter(account=acme.account).count() == 2
    assert Exposure.objects.get().outcome == Outcome.CHANGED_BY_HAND


def test_what_was_suggested_to_another_is_nobody_elses(acme: Company, owner: User, job: RotationJob) -> None:
    second = acme.person("second")
    access.grant(acme.account, second, actor=TESTS, role=GrantRole.OWNER)
    manual.suggest(job, owner)
    answer = acme.browser(second).post(url(job), {"suggested": "1"})
    assert "No password was suggested to you yet" in text(answer)
    job.refresh_from_db()
    assert job.state == JobState.NEEDS_HUMAN


def test_whoever_was_shown_a_suggestion_and_leaves_is_rotated_after(
    acme: Company, owner: User, job: RotationJob
) -> None:
    manual.answer(job, owner, manual.suggest(job, owner))
    access.end(Grant.objects.get(user=owner), actor=TESTS, reason="handed over")
    offboarding.offboard(owner, actor=TESTS, cause="left as well")
    assert Exposure.objects.open().get(offboarding__user=owner).version.number == 2


# The answer


def test_a_password_of_ones_own_is_entered_and_never_shown(acme: Company, owner: User, job: RotationJob) -> None:
    browser = acme.browser(owner)
    answer = browser.post(url(job), {"password": "  set by hand 1 "}, follow=True)
    assert "set by hand" not in text(answer).replace("set by hand.", "")
    current = accounts.current_version(acme.account)
    assert current is not None
    assert accounts.open_version(current) == Secret("  set by hand 1 ")
    assert "Nothing waits for you" in text(browser.get("/tasks/"))
    assert AuditEvent.objects.get(verb="rotation.changed_by_hand").actor_id == owner.id


def test_typing_the_suggestion_is_using_it(acme: Company, owner: User, job: RotationJob) -> None:
    """Stored twice, it would be an older password that is still alive."""
    manual.answer(job, owner, Secret(manual.suggest(job, owner).reveal()))
    assert SecretVersion.objects.filter(account=acme.account).count() == 2


@pytest.mark.parametrize("password", ["", "with\x00NUL"])
def test_what_cannot_be_a_password_is_refused(acme: Company, owner: User, job: RotationJob, password: str) -> None:
    answer = acme.browser(owner).post(url(job), {"password": password})
    assert 'class="error"' in text(answer)
    job.refresh_from_db()
    assert job.state == JobState.NEEDS_HUMAN


def test_the_password_that_was_known_is_no_new_one(acme: Company, owner: User, job: RotationJob) -> None:
    answer = acme.browser(owner).post(url(job), {"password": acme.account_password.reveal()})
    assert "had that password before" in text(answer)
    assert Exposure.objects.open().exists()


def test_a_task_is_answered_once(acme: Company, owner: User, job: RotationJob) -> None:
    resolution.changed_by_hand(job, Secret("by the workspace's Owner"), actor=TESTS)
    assert acme.browser(owner).post(url(job), {"password": "a second answer"}).status_code == 404
    current = accounts.current_version(acme.account)
    assert current is not None
    assert current.number == 2


def test_where_the_target_can_be_asked_the_answer_is_proved(
    acme: Company, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelConnector.server = server = Server(accepted={"changed behind our back"})
    monkeypatch.setitem(connectors.REGISTRY, "model", ModelConnector)
    Account.objects.filter(pk=acme.account.pk).update(connector="model", target={})
    job = leave(acme)
    assert "proved dead" in text(acme.browser(owner).get(url(job)))
    suggested = manual.suggest(job, owner)
    server.accepted = {suggested.reveal()}
    answer = acme.browser(owner).post(url(job), {"suggested": "1"}, follow=True)
    assert "is being verified" in text(answer)
    engine.run(job.pk, worker="test")
    job.refresh_from_db()
    assert job.state == JobState.DONE, (job.failure_code, job.failure_detail)
    assert Exposure.objects.get().outcome == Outcome.PROVED_DEAD


def test_a_person_without_access_has_no_tasks(acme: Company, owner: User, job: RotationJob) -> None:
    deactivation.deactivate(owner, actor=TESTS, reason="left")
    owner.refresh_from_db()
    assert not manual.waiting_for(owner).exists()
