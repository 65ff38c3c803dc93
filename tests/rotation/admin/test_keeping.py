"""What an Owner does in the console about accounts: rotate, check, adopt, reset, set the policy; and exposures."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from rotation import jobs, verification
from rotation.models import Exposure, RotationJob, Verification
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.console_world import needs_person, populate, text_of
from tests.rotation.admin.test_console import DATABASE
from tests.rotation.leaving import leave
from tests.rotation.model_target import Server
from tests.rotation.running import run
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts, teams
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import Account, AuditEvent, GrantRole, SecretVersion

pytestmark = pytest.mark.django_db

LISTED = "/admin/workspace/account/"
EXPOSURES = "/admin/rotation/exposure/"


def count(company: Company, path: str, **query: str) -> int:
    found = company.browser().get(path, query).context["cl"]
    return int(found.result_count)


def another(company: Company, name: str) -> Account:
    return accounts.create(company.workspace, name, actor=TESTS, password=Secret(f"of {name}"))


# Rotating on demand


def test_an_owner_has_a_password_changed_now(acme: Company, server: Server) -> None:
    answer = acme.browser().post(page(acme.account, "rotate"), {"reason": "Seen in a screenshot"})
    job = RotationJob.objects.get()
    assert answer["Location"] == page(job)
    assert (job.cause, job.account) == ("On demand: Seen in a screenshot", acme.account)
    assert AuditEvent.objects.get(verb="rotation.requested").actor_id == acme.owner.pk
    assert run(job).state == JobState.DONE
    assert acme.account_password.reveal() not in server.accepted


def test_a_rotation_that_waits_is_gone_on_with_there(acme: Company) -> None:
    populate(acme)
    assert "waits already" in post(acme.browser(), page(acme.account, "rotate"))
    assert RotationJob.objects.count() == 1


def test_several_are_ticked_named_and_rotated(acme: Company, rival: Company) -> None:
    first, second, third = (another(acme, name) for name in ("One", "Two", "Three"))
    browser = acme.browser()
    ticked = [str(account.pk) for account in (first, second)]
    answer = browser.post(LISTED, {"action": "rotate_selected", "_selected_action": ticked})
    confirm = answer["Location"]
    assert not RotationJob.objects.exists()
    shown = text_of(browser, confirm)
    assert "One" in shown
    assert "It is changed by hand" in shown
    assert "Three" not in shown
    assert "1 rotation begins." in post(browser, confirm, accounts=[str(first.pk)], reason="")
    assert [job.account for job in RotationJob.objects.all()] == [first]
    assert "Select a valid choice" in post(browser, confirm, accounts=[str(third.pk)])
    assert RotationJob.objects.count() == 1
    assert RotationJob.objects.get().account.workspace == acme.workspace


def test_those_that_wait_already_are_said_and_the_others_begin(acme: Company) -> None:
    other = another(acme, "Other")
    jobs.request(acme.workspace, [acme.account], cause="test")
    needs_person(acme)
    path = f"{reverse('admin:workspace_account_rotate_many')}?account={acme.account.pk}&account={other.pk}"
    shown = post(acme.browser(), path, accounts=[str(acme.account.pk), str(other.pk)])
    assert "These wait already; go on under Rotations: Router." in shown
    assert "1 rotation begins." in shown


@pytest.mark.parametrize("query", ["", "?account=nonsense", "?account={theirs}"])
def test_nothing_is_rotated_that_is_not_ones_own(acme: Company, rival: Company, query: str) -> None:
    path = reverse("admin:workspace_account_rotate_many") + query.format(theirs=rival.account.pk)
    shown = post(acme.browser(), path, accounts=[str(rival.account.pk)])
    assert "Tick accounts in the list" in shown
    assert not RotationJob.objects.exists()


# Drift


@pytest.fixture
def drifted(acme: Company, server: Server) -> Account:
    """Somebody changed the password on the target, and the check has found it out."""
    server.accepted = {"set-behind-our-back"}
    verification.check(acme.account)
    return acme.account


def test_a_drifted_password_is_shown_and_found(acme: Company, drifted: Account) -> None:
    another(acme, "Good")
    shown = text_of(acme.browser(), page(drifted))
    assert "Password drifted" in shown
    assert "Rejected by the target" in shown
    assert "(Adopt)" in shown
    assert "Password drifted" in text_of(acme.browser(), LISTED)
    assert count(acme, LISTED, password="drifted") == 1


def test_the_password_in_force_is_adopted(acme: Company, drifted: Account) -> None:
    shown = post(acme.browser(), page(drifted, "adopt"), password="set-behind-our-back")
    assert "sealed and in use" in shown
    assert "set-behind-our-back" not in shown
    assert accounts.open_version(SecretVersion.objects.current().get(account=drifted)).reveal() == "set-behind-our-back"
    verification.check(drifted)
    assert Verification.objects.get().drifted_at is None
    assert "not known to differ" in text_of(acme.browser(), page(drifted, "adopt"))


def test_a_drifted_password_is_reset_by_the_admin_account(acme: Company, server: Server, drifted: Account) -> None:
    assert page(drifted, "reset") not in text_of(acme.browser(), page(drifted))
    assert "no admin account" in post(acme.browser(), page(drifted, "reset"))
    admin = accounts.create(acme.workspace, "Administration", actor=TESTS, password=Secret("the admin's"))
    server.admin_password = "the admin's"
    accounts.update(drifted, actor=TESTS, admin_account=admin)
    answer = acme.browser().post(page(drifted, "reset"))
    job = RotationJob.objects.get()
    assert answer["Location"] == page(job)
    assert run(job).state == JobState.DONE
    assert "set-behind-our-back" not in server.accepted


def test_a_check_is_asked_for_and_its_answer_shown(acme: Company, server: Server) -> None:
    assert "not checked yet" in text_of(acme.browser(), page(acme.account))
    post(acme.browser(), page(acme.account, "check_now"))
    assert verification.check_if_due(acme.account) is not None
    assert "Accepted by the target" in text_of(acme.browser(), page(acme.account))


def test_what_cannot_be_tried_is_not_checked(acme: Company) -> None:
    assert page(acme.account, "check_now") not in text_of(acme.browser(), page(acme.account))
    assert "cannot be tried from here" in post(acme.browser(), page(acme.account, "check_now"))
    assert not Verification.objects.exists()


@pytest.mark.parametrize("act", ["rotate", "check_now", "adopt", "reset"])
def test_anothers_password_is_not_touched(acme: Company, rival: Company, act: str) -> None:
    Verification.objects.create(
        workspace=rival.workspace, account=rival.account, verdict="drift", drifted_at=timezone.now()
    )
    assert "doesn’t exist" in post(acme.browser(), page(rival.account, act), password="forged")
    assert not RotationJob.objects.exists()
    assert SecretVersion.objects.filter(account=rival.account).count() == 1


# What an account's password is made of, and how it is looked after


def test_an_accounts_rules_and_intervals_are_set(acme: Company) -> None:
    rules = "minlength: 16; required: lower; required: digit; allowed: [-_]"
    given = {"password_rules": rules, "rotate_every_days": "90", "verify_every_hours": "0", "lockout_budget": "3"}
    post(acme.browser(), page(acme.account, "edit"), **{**DATABASE, **given})
    acme.account.refresh_from_db()
    assert acme.account.password_rules == rules
    assert (acme.account.rotate_every_days, acme.account.verify_every_hours, acme.account.lockout_budget) == (90, 0, 3)
    shown = text_of(acme.browser(), page(acme.account))
    for words in ("every 90 days", "only when asked", "3 at most"):
        assert words in shown
    post(acme.browser(), page(acme.account, "edit"), **DATABASE)
    acme.account.refresh_from_db()
    assert (acme.account.rotate_every_days, acme.account.verify_every_hours, acme.account.lockout_budget) == (
        None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password_rules": "minlength: 12; requires: lower"}, "Password rules, position 16"),
        ({"password_rules": "allowed: [abc"}, "is never closed"),
        ({"password_rules": "minlength: 100; maxlength: 90"}, "minlength is greater than maxlength"),
        ({"password_classes": ["digit"], "password_excluded": "0123456789"}, "excludes every character"),
        ({"lockout_budget": "1"}, "greater than or equal to 2"), ({"rotate_every_days": "-1"}, "greater than or equal"),
        ({"verify_every_hours": "-1"}, "greater than or equal to 0"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_with_the_place(acme: Company, changed: dict[str, Any], said: str) -> None:
    assert said in post(acme.browser(), page(acme.account, "edit"), **{**DATABASE, **changed})
    acme.account.refresh_from_db()
    assert acme.account.name == "Router"


def test_a_lockout_budget_of_one_is_refused_by_the_verbs(acme: Company) -> None:
    with pytest.raises(Invalid):
        accounts.update(acme.account, actor=TESTS, lockout_budget=1)
    with pytest.raises(Invalid):
        accounts.create(acme.workspace, "New", actor=TESTS, lockout_budget=1)


# Owners


def test_accounts_without_an_owner_are_marked_and_found(acme: Company) -> None:
    owned, teamed, lost = (another(acme, name) for name in ("Owned", "Teamed", "Lost"))
    leaver = acme.person("leaver")
    access.grant(owned, acme.member, actor=TESTS, role=GrantRole.OWNER)
    access.grant(teamed, acme.team, actor=TESTS, role=GrantRole.OWNER)
    access.grant(lost, leaver, actor=TESTS, role=GrantRole.OWNER)
    leave(leaver)
    assert count(acme, LISTED, owner="none") == 2  # Router never had one
    assert count(acme, LISTED, owner="some") == 2
    assert "No Owner" in text_of(acme.browser(), page(lost))
    assert "No Owner" not in text_of(acme.browser(), page(teamed))
    teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
    assert "No Owner" in text_of(acme.browser(), page(teamed))


# Exposures


def test_exposures_are_listed_by_what_is_known_and_what_became_of_it(acme: Company, rival: Company) -> None:
    populate(acme)
    populate(rival)
    for query, number in (
        ({}, 1), ({"state": "open"}, 1), ({"state": "closed"}, 0), ({"looked": "yes"}, 1), ({"looked": "no"}, 0),
        ({"privileged": "yes"}, 1), ({"because": "left"}, 1), ({"because": "lost"}, 0), ({"q": "leaver"}, 1),
    ):  # fmt: skip
        assert count(acme, EXPOSURES, **query) == number, query
    exposure = Exposure.objects.for_workspace(acme.workspace).get()
    shown = text_of(acme.browser(), page(exposure))
    assert page(exposure.account) in shown
    assert page(exposure.user) in shown
    assert page(RotationJob.objects.for_workspace(acme.workspace).get()) in shown
    assert "doesn’t exist" in text_of(
        acme.browser(), page(Exposure.objects.for_workspace(rival.workspace).get()), follow=True
    )


def test_exposures_are_taken_as_a_file(acme: Company) -> None:
    populate(acme)
    text = text_of(acme.browser(), f"{EXPOSURES}csv/?state=open")
    [row] = csv.DictReader(StringIO(text.removeprefix("\ufeff")))
    assert (row["userName"], row["account"], row["State"]) == ("leaver@acme.example", "Router", "Open")
    assert row["Rotation"] == "Needs a person"


def test_home_leads_to_the_open_exposures(acme: Company) -> None:
    populate(acme)
    Exposure.objects.update(opened_at=timezone.now() - timedelta(days=3))
    assert f"{EXPOSURES}?state=open" in text_of(acme.browser(), "/admin/")


