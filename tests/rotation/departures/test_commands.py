"""The support desk's and the API's view of departures: orphans, explain_access, the preview over HTTP."""

import pytest
from django.test import Client

from rotation.departures import offboarding
from rotation.models import Orphan
from tests.companies import TESTS, Company
from tests.rotation.leaving import leave, owned
from tests.terminal import run
from tests.workspace import strangers
from workspace import access, keys, teams
from workspace.models import AuditEvent, GrantRole, User
from workspace.vault import ledger

pytestmark = pytest.mark.django_db


# orphans


def test_the_queue_is_listed_with_suggestions_and_nothing_changes(acme: Company, rival: Company) -> None:
    owned(acme, "One", acme.member)
    leave(acme.member)
    owned(rival, "Theirs", rival.member)
    leave(rival.member)
    before = strangers.everything(acme)
    answer = run("orphans", "acme")
    (row,) = answer.data["orphans"]
    assert (row["account"], row["successor"], row["why"]) == ("One", "owner@acme.example", "workspace_owner")
    assert (answer.data["dry_run"], answer.data["handed_over"]) == (True, 0)
    assert strangers.everything(acme) == before
    assert run("orphans", "acme", "--confirm", "--dry-run").data["handed_over"] == 0


def test_confirmed_they_are_handed_over_as_support(acme: Company) -> None:
    account = owned(acme, "One", acme.member)
    leave(acme.member)
    assert run("orphans", "acme", "--confirm", "--reason", "Asked by the Owner").data["handed_over"] == 1
    assert ledger.ways(acme.owner, account).reaching().get().role == GrantRole.OWNER
    event = AuditEvent.objects.get(verb="orphan.handed_over")
    assert event.actor_label.startswith("orphans by ")
    assert "Asked by the Owner" in event.actor_label


def test_one_account_goes_to_whom_support_names(acme: Company, rival: Company) -> None:
    owned(acme, "One", acme.member)
    leave(acme.member)
    other = acme.person("other")
    assert run("orphans", "acme", "--to", "other@acme.example", "--confirm").code == 2
    assert run("orphans", "acme", "--account", "One", "--to", str(rival.owner.pk), "--confirm").code == 1
    assert run("orphans", "acme", "--account", "Nothing").code == 1
    run("orphans", "acme", "--account", "ONE", "--to", "other@acme.example", "--confirm")
    assert Orphan.objects.get().successor == other


# explain_access


def test_every_way_past_and_present_is_explained(acme: Company) -> None:
    access.reveal(acme.account, acme.member, actor=TESTS)
    own = access.grant(acme.account, acme.member, actor=TESTS, role=GrantRole.MANAGER)
    access.end(own, actor=TESTS, reason="Handed on")
    answer = run("explain_access", "acme", "member@acme.example", "router").data
    assert [(way["through"], way["role"], way["why_it_ended"]) for way in answer["ways"]] == [
        ("team Operations", "collaborator", ""), ("their own grant", "manager", "Handed on"),
    ]  # fmt: skip
    assert (answer["reaches_it_now"], answer["could_know_a_living_password"]) == (True, True)
    assert [row["version"] for row in answer["reveals"]] == [1]
    teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
    leave(User.objects.get(pk=acme.member.pk))
    answer = run("explain_access", "acme", "member@acme.example", "Router").data
    assert answer["ways"][0]["why_it_ended"] == "left the team"
    assert (answer["reaches_it_now"], answer["could_know_a_living_password"]) == (False, True)
    assert [row["outcome"] for row in answer["exposures"]] == ["open"]


def test_who_was_never_in_the_team_while_it_had_the_account_had_no_way(acme: Company) -> None:
    late = acme.person("late")
    teams.add_members(acme.team, [late.pk], actor=TESTS)
    teams.remove_members(acme.team, [late.pk], actor=TESTS)
    access.end(acme.grant, actor=TESTS, reason="over")
    teams.add_members(acme.team, [late.pk], actor=TESTS)
    ways = run("explain_access", "acme", str(late.pk), "Router").data["ways"]
    assert [way["why_it_ended"] for way in ways] == ["left the team"]


def test_explaining_shows_no_password_and_changes_nothing(acme: Company) -> None:
    before = strangers.everything(acme)
    answer = run("explain_access", "acme", "member@acme.example", "Router", json=False)
    assert acme.account_password.reveal() not in answer.out
    assert strangers.everything(acme) == before


def test_another_workspaces_people_and_accounts_are_explained_to_nobody(acme: Company, rival: Company) -> None:
    owned(rival, "Theirs", rival.member)
    assert run("explain_access", "acme", str(rival.member.pk), "Router").code == 1
    assert run("explain_access", "acme", "member@acme.example", "Theirs").code == 1


# The preview over HTTP


def bearer(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {keys.issue(user, 'script', actor=TESTS)[1].reveal()}"})


def test_an_owner_sees_the_same_preview_over_http_and_nobody_else_does(acme: Company, rival: Company) -> None:
    path = f"/api/v1/people/{acme.member.pk}/offboarding-preview"
    answer = bearer(acme.owner).get(path)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    body, command = answer.json(), run("offboard", "acme", "member@acme.example", "--cause", "x", "--dry-run").data
    assert body["needing_a_person"] == command["needing_a_person"] == 1
    assert [row["account"] for row in body["passwords"]] == [row["account"] for row in command["passwords"]]
    assert len(offboarding.preview(acme.member).known) == 1
    assert bearer(acme.member).get(path).status_code == 403
    assert bearer(rival.owner).get(path).status_code == 404
    assert Client().get(path).status_code == 401
    assert bearer(acme.owner).post(path).status_code == 405
