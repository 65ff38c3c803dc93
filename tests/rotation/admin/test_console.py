"""What an Owner does in the console about departures: offboarding, accounts, rotations."""

from html import unescape
from typing import Any

import pytest
from django.test import Client

from rotation import jobs
from rotation.departures import offboarding
from rotation.models import Exposure, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.console_world import needs_person, populate, text_of
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts, deactivation, people, teams
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import Account, Grant, GrantRole, Role, SecretVersion, TeamMembership, User

pytestmark = pytest.mark.django_db


FIRST = Secret("first-password-1")


def sections(browser: Client, obj: Any, act: str = "change") -> dict[str, Any]:
    """The tables of a page by their titles."""
    context = browser.get(page(obj, act)).context
    found = context["detail"].sections if act == "change" else context["act"].sections
    return {section.title: section for section in found}


# Offboarding


def test_the_preview_names_what_could_be_known_and_what_becomes_of_it(acme: Company) -> None:
    database = accounts.create(
        acme.workspace, "Database", actor=TESTS, password=FIRST, connector="postgres", username="app",
        target={"host": "db.acme.example"}, is_privileged=True,
    )  # fmt: skip
    profile = accounts.create(acme.workspace, "Profile", actor=TESTS, password=FIRST)
    for account in (database, profile):
        access.grant(account, acme.member, actor=TESTS)
    access.reveal(profile, acme.member, actor=Actor.person(acme.member))

    known = sections(acme.browser(), acme.member, "offboard")["Passwords they could have known"].rows
    becomes = {row[0].split("</a>")[0].rpartition(">")[2]: (row[2], row[4]) for row in known}
    assert "Changed by itself" in becomes["Database"][1]
    assert "Needs a person" in becomes["Router"][1]
    assert "Stays" in becomes["Profile"][1]
    assert becomes["Database"][0] == "never"
    assert becomes["Profile"][0] != "never"
    assert User.objects.get(pk=acme.member.pk).is_active


def test_offboarding_asks_for_the_user_name(acme: Company) -> None:
    for typed in ("", "member", "owner@acme.example"):
        shown = post(acme.browser(), page(acme.member, "offboard"), user_name=typed)
        assert "Offboard Member Person" in shown
    assert not Offboarding.objects.exists()
    assert User.objects.get(pk=acme.member.pk).is_active


def test_offboarding_ends_access_and_leads_to_its_page(acme: Company, rival: Company) -> None:
    browser = acme.browser()
    answer = browser.post(
        page(acme.member, "offboard"), {"user_name": "Member@acme.example", "cause": "Contract ended"}, follow=True
    )
    done = Offboarding.objects.get()
    assert answer.redirect_chain[-1][0] == page(done)
    assert (done.user, done.cause, done.actor["id"]) == (acme.member, "Contract ended", str(acme.owner.pk))
    assert not TeamMembership.objects.filter(user=acme.member, left_at=None).exists()
    assert Exposure.objects.get().account == acme.account
    assert RotationJob.objects.get().account == acme.account
    assert User.objects.get(pk=rival.member.pk).is_active
    assert "Offboarding" in text_of(browser, page(acme.member))


def test_nobody_offboards_themselves(acme: Company) -> None:
    shown = post(acme.browser(), page(acme.owner, "offboard"), user_name="owner@acme.example")
    assert "You cannot offboard yourself" in shown
    assert page(acme.owner, "offboard") not in text_of(acme.browser(), page(acme.owner))
    assert User.objects.get(pk=acme.owner.pk).is_active


def test_the_last_owner_is_warned_about(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    assert "is the last Owner" not in text_of(acme.browser(), page(second, "offboard"))
    people.set_role(acme.owner, Role.MEMBER, actor=TESTS)
    assert "is the last Owner" in text_of(acme.browser(staff()), page(second, "offboard"))


def staff() -> User:
    return User.objects.create(workspace=None, user_name="support@platform.example")


def test_who_is_out_already_is_not_offboarded_again(acme: Company) -> None:
    offboarding.offboard(acme.member, actor=TESTS, cause="left")
    shown = post(acme.browser(), page(acme.member, "offboard"), user_name="member@acme.example")
    assert "disabled already" in shown
    assert Offboarding.objects.count() == 1


def test_an_offboardings_page_tells_each_password_and_its_rotation(acme: Company) -> None:
    populate(acme)
    done = Offboarding.objects.get()
    [row] = sections(acme.browser(), done)["Passwords they could have known"].rows
    assert "Router" in row[0]
    assert row[1] == 1
    assert "Open" in row[4]
    assert page(RotationJob.objects.get()) in row[7]

    post(acme.browser(), page(RotationJob.objects.get(), "changed_by_hand"), password="entered-by-hand-1")
    [row] = sections(acme.browser(), done)["Passwords they could have known"].rows
    assert "Changed by hand" in row[4]
    assert row[6].endswith(" s")
    shown = text_of(acme.browser(), page(done))
    assert "Closed with exceptions" in shown
    assert "1 changed on a person's word" in unescape(shown)


def test_offboardings_are_listed_by_state(acme: Company) -> None:
    populate(acme)
    for query, number in (("state=open", 1), ("state=complete", 0), ("q=leaver", 1), ("q=somebody", 0)):
        answer = acme.browser().get(f"/admin/rotation/offboarding/?{query}")
        assert answer.context["cl"].result_count == number


# Rotations


def test_a_rotation_says_in_words_why_it_waits(acme: Company) -> None:
    populate(acme)
    job = RotationJob.objects.get()
    shown = text_of(acme.browser(), page(job))
    assert "Only a person can change this password" in shown
    assert "This login is changed by hand." in shown
    [step] = sections(acme.browser(), job)["Steps"].rows
    assert (step[1], step[4]) == ("Queued", 1)


def test_a_stopped_rotation_is_tried_again(acme: Company) -> None:
    populate(acme)
    job = RotationJob.objects.get()
    post(acme.browser(), page(job, "retry"))
    job.refresh_from_db()
    assert (job.state, job.resume_state) == (JobState.WAITING, JobState.QUEUED)


def test_i_changed_it_seals_the_password_and_closes_the_exposures(acme: Company) -> None:
    populate(acme)
    job = RotationJob.objects.get()
    shown = post(acme.browser(), page(job, "changed_by_hand"), password="  entered-by-hand-1 ")
    job.refresh_from_db()
    assert job.state == JobState.DONE
    current = SecretVersion.objects.current().get(account=acme.account)
    assert accounts.open_version(current) == Secret("  entered-by-hand-1 ")
    assert Exposure.objects.get().outcome == Outcome.CHANGED_BY_HAND
    assert "entered-by-hand-1" not in shown


@pytest.mark.parametrize("act", ["retry", "changed_by_hand"])
def test_a_rotation_that_waits_for_nobody_is_left_alone(acme: Company, act: str) -> None:
    jobs.request(acme.workspace, [acme.account], cause="test")
    job = RotationJob.objects.get()
    shown = post(acme.browser(), page(job, act), password="entered-by-hand-1")
    assert "does not wait for anybody" in shown
    assert page(job, act) not in text_of(acme.browser(), page(job))
    assert RotationJob.objects.get().state == JobState.QUEUED
    assert SecretVersion.objects.filter(account=acme.account).count() == 1


def test_rotations_are_listed_by_state(acme: Company) -> None:
    populate(acme)
    for query, number in (("state=needs_human", 1), ("state=live", 1), ("state=done", 0), ("state=running", 0)):
        answer = acme.browser().get(f"/admin/rotation/rotationjob/?{query}")
        assert answer.context["cl"].result_count == number


# Accounts

DATABASE = {
    "name": "Reporting", "username": "report", "connector": "postgres", "is_privileged": "on",
    "postgres__host": "db.acme.example", "postgres__port": "5433", "postgres__database": "reports",
    "postgres__sslmode": "require", "password_length": "24", "password_classes": ["lower", "digit"],
    "password_excluded": "'",
}  # fmt: skip


def test_an_account_is_added_with_its_connectors_settings(acme: Company) -> None:
    answer = acme.browser().post("/admin/workspace/account/add/", {**DATABASE, "admin_account": str(acme.account.pk)})
    account = Account.objects.get(name="Reporting")
    assert answer["Location"] == page(account, "password")
    assert account.workspace == acme.workspace
    assert account.target == {"host": "db.acme.example", "port": 5433, "database": "reports", "sslmode": "require"}
    assert (account.connector, account.is_privileged, account.admin_account) == ("postgres", True, acme.account)
    assert (account.password_length, account.password_classes, account.password_excluded) == (
        24,
        ["lower", "digit"],
        "'",
    )


@pytest.mark.parametrize(
    "given",
    [
        {"connector": "ssh", "ssh__host": "web1", "ssh__port": 22, "ssh__host_key": f"SHA256:{'A' * 43}",
         "ssh__end_processes": "all"},
        {"connector": "ldap", "ldap__host": "dc1", "ldap__port": 389, "ldap__directory": "active_directory",
         "ldap__tls": "starttls", "ldap__bind_as": "{username}@corp.example"},
    ],
)  # fmt: skip
def test_every_setting_of_a_connector_is_in_the_form(acme: Company, given: dict[str, Any]) -> None:
    acme.browser().post("/admin/workspace/account/add/", {**DATABASE, **given})
    target = Account.objects.get(name="Reporting").target
    assert target == {name.partition("__")[2]: value for name, value in given.items() if "__" in name}


def test_what_a_setting_means_is_said_beside_it(acme: Company) -> None:
    shown = text_of(acme.browser(), "/admin/workspace/account/add/")
    for words in ("Without it no password is sent", "services included", "How a user name becomes", "travel readable"):
        assert words in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"postgres__host": ""}, "Is needed."), ({"postgres__port": "0"}, "greater than or equal to 1"),
        ({"username": ""}, "must be named"), ({"connector": "nothing"}, "Select a valid choice"),
        ({"name": "router"}, "There is an account called router already"),
        ({"password_classes": []}, "required"), ({"password_length": "7"}, "greater than or equal to 8"),
    ],
)  # fmt: skip
def test_what_an_account_cannot_be_is_said(acme: Company, changed: dict[str, Any], said: str) -> None:
    assert said in post(acme.browser(), "/admin/workspace/account/add/", **{**DATABASE, **changed})
    assert Account.objects.filter(workspace=acme.workspace).count() == 1


def test_an_account_is_edited(acme: Company) -> None:
    post(acme.browser(), page(acme.account, "edit"), **{**DATABASE, "name": "Gateway"})
    acme.account.refresh_from_db()
    assert (acme.account.name, acme.account.connector) == ("Gateway", "postgres")
    assert acme.account.target["host"] == "db.acme.example"
    shown = text_of(acme.browser(), page(acme.account, "edit"))
    assert 'value="db.acme.example"' in shown


@pytest.mark.parametrize("whose", ["rival", "own"])
def test_an_admin_account_is_another_one_of_the_same_workspace(acme: Company, rival: Company, whose: str) -> None:
    forged = rival.account if whose == "rival" else acme.account
    shown = post(acme.browser(), page(acme.account, "edit"), **{**DATABASE, "admin_account": str(forged.pk)})
    assert "Select a valid choice" in shown
    acme.account.refresh_from_db()
    assert (acme.account.name, acme.account.admin_account) == ("Router", None)


def test_a_password_is_entered_and_shown_on_no_page(acme: Company) -> None:
    shown = post(acme.browser(), page(acme.account, "password"), password=" entered 1 ")
    assert accounts.open_version(SecretVersion.objects.current().get(account=acme.account)) == Secret(" entered 1 ")
    for text in (
        shown,
        text_of(acme.browser(), page(acme.account)),
        text_of(acme.browser(), page(acme.account, "password")),
    ):
        assert "entered 1" not in text


def test_a_refused_password_is_not_sent_back(acme: Company) -> None:
    shown = post(acme.browser(), page(acme.account, "password"), password="nul\x00nul-secret")
    assert "nul-secret" not in shown
    assert SecretVersion.objects.filter(account=acme.account).count() == 1


@pytest.mark.parametrize("kind", ["team", "user"])
def test_access_is_granted_to_a_team_or_a_person(acme: Company, kind: str) -> None:
    holder = teams.create(acme.workspace, "Night shift", actor=TESTS) if kind == "team" else acme.owner
    shown = post(acme.browser(), page(acme.account, "grant"), **{kind: str(holder.pk), "role": "manager"})
    given = Grant.objects.exclude(pk=acme.grant.pk).get()
    assert (given.holder, given.role, given.account) == (holder, GrantRole.MANAGER, acme.account)
    assert given.granted_by["id"] == str(acme.owner.pk)
    assert page(given, "end") in shown


def test_a_grant_names_one_holder_with_access(acme: Company, rival: Company) -> None:
    gone = acme.person("gone")
    deactivation.deactivate(gone, actor=TESTS, reason="left")
    for data in (
        {}, {"user": str(acme.member.pk), "team": str(acme.team.pk)}, {"user": str(gone.pk)},
        {"user": str(rival.member.pk)}, {"team": str(rival.team.pk)}, {"team": str(acme.team.pk)},
    ):  # fmt: skip
        shown = post(acme.browser(), page(acme.account, "grant"), role="owner", **data)
        assert "Grant access to Router" in shown
    assert Grant.objects.filter(workspace=acme.workspace).get() == acme.grant


def test_the_list_tells_the_state_of_the_rotation_and_of_the_password(acme: Company) -> None:
    accounts.create(acme.workspace, "Empty", actor=TESTS)
    jobs.request(acme.workspace, [acme.account], cause="test")
    needs_person(acme)
    shown = text_of(acme.browser(), "/admin/workspace/account/")
    assert "Needs a person" in shown
    assert "not stored yet" in shown
    for query, name in (("password=missing", "Empty"), ("password=human", "Router"), ("privileged=yes", "Router")):
        answer = acme.browser().get(f"/admin/workspace/account/?{query}")
        assert [account.name for account in answer.context["cl"].queryset] == [name]
