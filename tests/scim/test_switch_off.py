"""Provisioning is switched off: the tokens end at once, the people are kept, made local or offboarded, and an Owner
stays whatever happens."""

import os
import signal
import subprocess
import sys
from typing import Any, Final

import pytest
from django.db import connection
from django.test import Client

from cerby.environment import ROOT
from rotation.models import MassRemoval, Offboarding, RotationJob
from scim import switch_off, tasks, tokens
from scim.models import ScimToken, SwitchOff
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import everything_of, support, text_of
from tests.scim.test_users import create_body, send
from workspace import access, deactivation
from workspace.audit import Actor
from workspace.errors import Conflict, Invalid, Refused
from workspace.models import AuditEvent, Role, Team, User

pytestmark = pytest.mark.django_db

ADD: Final = "/admin/scim/switchoff/add/"


@pytest.fixture
def connected(acme: Company, rival: Company) -> list[User]:
    """People and a team whom Okta pushed to acme, one of them disabled; everybody else there is local."""
    for company in (acme, rival):
        made = [send(company.okta(), "POST", "/Users", create_body(f"okta{n}")).data["id"] for n in range(3)]
        group = {"displayName": "Pushed", "members": [{"value": pk} for pk in made]}
        assert send(company.okta(), "POST", "/Groups", group).status_code == 201
        User.objects.filter(workspace=company.workspace, user_name__startswith="okta").update(role=Role.MEMBER)
        make_local(company)
    gone = User.objects.get(workspace=acme.workspace, user_name="okta2@acme.example")
    deactivation.deactivate(gone, actor=TESTS, reason="left")
    return list(User.objects.filter(workspace=acme.workspace, user_name__startswith="okta").order_by("user_name"))


def make_local(company: Company) -> None:
    User.objects.filter(pk__in=[company.owner.pk, company.member.pk]).update(provisioned_at=None, adopted_at=None)
    Team.objects.filter(pk=company.team.pk).update(provisioned_at=None)


def finish(started: SwitchOff) -> SwitchOff:
    while switch_off.step(started.pk):
        pass
    started.refresh_from_db()
    assert started.finished_at is not None
    return started


def start(company: Company, what: str) -> SwitchOff:
    return switch_off.start(company.workspace, people=what, actor=Actor.person(company.owner))


def managed(company: Company) -> set[str]:
    rows = User.objects.filter(workspace=company.workspace, provisioned_at__isnull=False)
    return set(rows.values_list("user_name", flat=True))


@pytest.mark.parametrize("what", ["keep", "convert", "disable"])
def test_the_tokens_end_at_once_and_those_of_others_do_not(
    acme: Company, rival: Company, connected: list[User], what: str
) -> None:
    before = everything_of(rival)
    started = start(acme, what)
    assert started.tokens == 1
    assert send(acme.okta(), "GET", "/Users").status_code == 401
    finish(started)
    assert everything_of(rival) == before
    assert send(rival.okta(), "GET", "/Users").status_code == 200
    verbs = list(AuditEvent.objects.filter(subject_id=started.pk).order_by("pk").values_list("verb", flat=True))
    assert verbs[0] == "provisioning.switched_off"
    assert (verbs[1:] == ["provisioning.switch_off_completed"]) == (what != "keep")


def test_kept_people_stay_managed_and_a_new_token_goes_on(acme: Company, connected: list[User]) -> None:
    started = start(acme, "keep")
    assert started.finished_at is not None
    assert len(managed(acme)) == 3
    tokens.issue(acme.workspace, "again", actor=TESTS)


def test_converted_people_and_teams_are_local_and_lose_nothing(acme: Company, connected: list[User]) -> None:
    pushed = Team.objects.get(workspace=acme.workspace, display_name="Pushed")
    access.grant(acme.account, pushed, actor=TESTS)
    started = finish(start(acme, "convert"))
    assert (managed(acme), started.done, started.total) == (set(), 4, 4)
    pushed.refresh_from_db()
    assert pushed.provisioned_at is None
    assert [user.is_active for user in User.objects.filter(pk__in=[u.pk for u in connected]).order_by("user_name")] == [
        True, True, False,
    ]  # fmt: skip
    assert access.reachable_accounts(connected[0]).filter(pk=acme.account.pk).exists()
    assert not Offboarding.objects.filter(workspace=acme.workspace).exists()
    assert AuditEvent.objects.filter(verb="person.made_local").count() == 3
    page = f"/admin/workspace/user/{connected[0].pk}/edit/"
    assert "change it there" not in text_of(acme.browser(), page)


def test_disabled_people_are_offboarded_and_their_passwords_rotate(acme: Company, connected: list[User]) -> None:
    pushed = Team.objects.get(workspace=acme.workspace, display_name="Pushed")
    access.grant(acme.account, pushed, actor=TESTS)
    access.reveal(acme.account, connected[0], actor=Actor.person(connected[0]))
    started = finish(start(acme, "disable"))
    assert started.done == started.total == 6  # two departures, three people and a team
    left = Offboarding.objects.filter(workspace=acme.workspace)
    assert {row.user_id for row in left} == {connected[0].pk, connected[1].pk}
    assert {row.cause for row in left} == {switch_off.CAUSE}
    assert {row.actor["id"] for row in left} == {str(acme.owner.pk)}
    assert RotationJob.objects.filter(workspace=acme.workspace, account=acme.account).exists()
    assert not User.objects.filter(pk__in=[user.pk for user in connected], is_active=True).exists()
    assert User.objects.filter(pk__in=[acme.owner.pk, acme.member.pk], is_active=True).count() == 2
    assert managed(acme) == set()


def test_the_safeguard_holds_what_a_disabling_of_many_sets_off(acme: Company, connected: list[User]) -> None:
    acme.workspace.mass_removal_people, acme.workspace.mass_removal_percent = 2, 10
    acme.workspace.save()
    finish(start(acme, "disable"))
    removal = MassRemoval.objects.get(workspace=acme.workspace)
    assert Offboarding.objects.filter(hold=removal).count() == 2
    assert not User.objects.filter(pk__in=[user.pk for user in connected], is_active=True).exists()


def test_who_asks_stays_although_okta_manages_them(acme: Company, connected: list[User]) -> None:
    User.objects.filter(workspace=acme.workspace).update(provisioned_at=acme.owner.created_at)
    shown = text_of(acme.browser(), ADD)
    assert "Owners who stay, whatever you choose" in shown
    finish(start(acme, "disable"))
    acme.owner.refresh_from_db()
    assert (acme.owner.is_active, acme.owner.role, acme.owner.provisioned_at) == (True, Role.OWNER, None)
    assert list(User.objects.filter(workspace=acme.workspace, is_active=True)) == [acme.owner]


def test_the_last_owner_stays_when_who_asked_is_gone(acme: Company, connected: list[User]) -> None:
    second = acme.person("second", role=Role.OWNER)
    User.objects.filter(workspace=acme.workspace).update(provisioned_at=acme.owner.created_at)
    started = start(acme, "disable")
    deactivation.deactivate(acme.owner, actor=Actor.person(second), reason="left")
    finish(started)
    assert list(User.objects.filter(workspace=acme.workspace, is_active=True)) == [second]
    assert User.objects.get(pk=second.pk).is_owner


@pytest.mark.parametrize("who", ["member", "support", "rival", "system"])
def test_only_an_owner_of_the_workspace_switches_it_off(acme: Company, rival: Company, who: str) -> None:
    actors = {
        "member": Actor.person(acme.member), "support": Actor.person(support()), "rival": Actor.person(rival.owner),
        "system": TESTS,
    }  # fmt: skip
    with pytest.raises(Refused, match="An Owner"):
        switch_off.start(acme.workspace, people="convert", actor=actors[who])
    assert not ScimToken.objects.exclude(revoked_at=None).exists()


def test_one_at_a_time_and_no_token_is_issued_meanwhile(acme: Company, rival: Company, connected: list[User]) -> None:
    started = start(acme, "convert")
    with pytest.raises(Conflict, match="being switched off"):
        start(acme, "disable")
    with pytest.raises(Conflict, match="being switched off"):
        tokens.issue(acme.workspace, "new", actor=TESTS)
    tokens.issue(rival.workspace, "new", actor=TESTS)
    finish(started)
    tokens.issue(acme.workspace, "new", actor=TESTS)


def test_an_unknown_choice_is_refused(acme: Company) -> None:
    with pytest.raises(Invalid):
        start(acme, "delete")


def test_the_task_does_it_all_and_again_is_nothing(acme: Company, connected: list[User]) -> None:
    started = start(acme, "disable")
    tasks.go_on_switching_off(str(started.pk))
    started.refresh_from_db()
    done = (started.done, started.finished_at)
    tasks.go_on_switching_off(str(started.pk))
    started.refresh_from_db()
    assert (started.done, started.finished_at) == done
    assert started.finished_at is not None


_WORKER: Final = """
import sys, django
django.setup()
from scim import switch_off
from uuid import UUID
while switch_off.step(UUID(sys.argv[1])):
    print("step", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_loses_nothing(acme: Company, rival: Company) -> None:
    names = [f"okta{number}" for number in range(12)]
    for name in names:
        assert send(acme.okta(), "POST", "/Users", create_body(name)).status_code == 201
    make_local(acme)
    started = start(acme, "disable")
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(started.pk)], cwd=ROOT, env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        ) as worker:  # fmt: skip
            assert worker.stdin is not None
            assert worker.stdout is not None
            for _ in range(3):
                assert worker.stdout.readline() == "step\n"
                worker.stdin.write("go on\n")
            worker.send_signal(signal.SIGKILL)  # somewhere in the fourth
    started.refresh_from_db()
    assert started.finished_at is None
    assert started.done >= 6
    while not finished(started):
        switch_off.work(started.pk)
    assert started.done == started.total == 24
    left = Offboarding.objects.filter(workspace=acme.workspace).values_list("user__user_name", flat=True)
    assert sorted(left) == sorted(f"{name}@acme.example" for name in names)


def finished(started: SwitchOff) -> bool:
    started.refresh_from_db()
    return started.finished_at is not None


# The page


def post(browser: Client, **data: str) -> Any:
    return browser.post(ADD, {"people": "convert", "workspace_name": "Acme", "proof": PASSWORD, **data})


def test_the_page_names_what_is_affected_and_is_found(acme: Company, rival: Company, connected: list[User]) -> None:
    browser = acme.browser()
    for path in ("/admin/connect-okta/", "/admin/scim/scimtoken/"):
        assert ADD in text_of(browser, path)
    sections = browser.get(ADD).context["act"].sections
    assert [row[-1] for row in sections[0].rows] == [1, 2, 2, 1, 1]
    shown = text_of(browser, ADD)
    assert "2 people are not managed by Okta" in shown
    assert "rival" not in shown


def test_the_owner_types_the_name_gives_proof_and_sees_the_progress(acme: Company, connected: list[User]) -> None:
    answer = post(acme.browser())
    started = SwitchOff.objects.get()
    page = f"/admin/scim/switchoff/{started.pk}/change/"
    assert (answer.status_code, answer["Location"]) == (302, page)
    shown = acme.browser().get(page)
    assert "0 of 4 steps done" in shown.content.decode()
    assert b"Under way" in shown.content
    switch_off.step(started.pk)
    assert "3 of 4 steps done" in text_of(acme.browser(), page, headers={"X-Live": "1"})
    finish(started)
    assert "untick Enable" in text_of(acme.browser(), page)


@pytest.mark.parametrize(
    "data", [{"workspace_name": "Rival"}, {"workspace_name": ""}, {"proof": "wrong"}, {"proof": ""}, {"people": ""}]
)
def test_without_name_proof_and_choice_nothing_happens(acme: Company, rival: Company, data: dict[str, str]) -> None:
    assert post(acme.browser(), **data).status_code == 200
    assert not SwitchOff.objects.exists()
    assert send(acme.okta(), "GET", "/Users").status_code == 200


def test_support_sees_that_an_owner_does_it(acme: Company) -> None:
    browser = acme.browser(support())
    assert "An Owner of the workspace" in text_of(browser, ADD)
    post(browser)
    assert not SwitchOff.objects.exists()
