"""The doctor finds what is wrong, says what to do, and looks at one workspace only."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from scim import causes, doctor, erasure, retention, tokens
from scim.doctor import Level
from scim.models import ProvisioningEvent, ScimToken
from tests.companies import TESTS, Company
from tests.scim.test_users import create_body, send
from tests.waiting import PATIENCE
from workspace import deactivation, notices, teams
from workspace.audit import Actor
from workspace.models import Notice, User

pytestmark = pytest.mark.django_db


def findings(company: Company, check: str) -> list[tuple[Level, str]]:
    return [(item.level, item.found) for item in doctor.examine(company.workspace) if check in item.check]


def test_a_base_url_that_does_not_answer_is_wrong(acme: Company, settings: Any) -> None:
    settings.BASE_URL = "http://127.0.0.1:1"
    assert findings(acme, "base URL")[0][0] is Level.WRONG
    assert findings(acme, "TLS") == [(Level.WRONG, "http://127.0.0.1:1 is not https")]


def test_an_answering_base_url_and_agreeing_clocks_are_fine(
    acme: Company, settings: Any, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BASE_URL = live_server.url
    monkeypatch.setattr(doctor, "ANSWER_SECONDS", PATIENCE)
    assert findings(acme, "base URL")[0][0] is Level.FINE
    assert findings(acme, "clock") == [(Level.FINE, "agrees")]


def test_tokens_are_looked_at(acme: Company, rival: Company) -> None:
    assert (Level.WRONG, "none was ever used") in findings(acme, "token")
    assert findings(acme, "connection test") == [(Level.ODD, "never seen")]
    send(acme.okta(), "GET", "/Users?startIndex=1&count=2")
    assert findings(acme, "connection test")[0][0] is Level.FINE
    ScimToken.objects.filter(workspace=acme.workspace).update(expires_at=timezone.now() + timedelta(days=5))
    assert findings(acme, "token")[0][0] is Level.ODD
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    assert findings(acme, "token") == [(Level.WRONG, "none is valid")]
    assert (Level.WRONG, "none was ever used") in findings(rival, "token")


def test_a_token_whose_maker_left_is_wrong(acme: Company, rival: Company) -> None:
    tokens.issue(acme.workspace, "by the owner", actor=Actor.person(acme.owner))
    assert not any("left" in found for _, found in findings(acme, "token"))
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    assert (Level.WRONG, "“by the owner” was issued by somebody who left") in findings(acme, "token")


def test_refusals_are_counted_by_cause(acme: Company, rival: Company) -> None:
    for _ in range(2):
        send(acme.okta(), "POST", "/Users", create_body("member"))
    send(acme.okta(), "GET", "/Users?filter=x eq 1")
    checks = [item.check for item in doctor.examine(acme.workspace)]
    assert "2 × name taken" in checks
    assert "1 × filter not understood" in checks
    assert findings(rival, "requests of") == [(Level.FINE, "none was refused")]


def test_people_whose_user_name_is_not_their_email_are_named(acme: Company) -> None:
    body = create_body(userName="alovelace")
    assert send(acme.okta(), "POST", "/Users", body).status_code == 201
    ((level, found),) = findings(acme, "userName")
    assert (level, "alovelace" in found) == (Level.ODD, True)


def test_a_group_used_for_assignment_and_push_shows(acme: Company) -> None:
    type(acme.team).objects.filter(pk=acme.team.pk).update(provisioned_at=timezone.now())
    assert findings(acme, "group used twice") == []
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    teams.add_members(acme.team, [acme.member.id], actor=TESTS)
    assert findings(acme, "group used twice")[0][0] is Level.ODD


def test_the_command_prints_findings_and_ends_with_1_when_something_is_wrong(acme: Company, rival: Company) -> None:
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("scim_doctor", "acme", "--format", "json", stdout=out)
    assert ended.value.returncode == 1
    found = json.loads(out.getvalue())
    assert found["workspace"] == "acme"
    assert found["findings"][0]["level"] == "wrong"
    assert all(item["advice"] for item in found["findings"] if item["level"] == "wrong")
    assert "rival" not in out.getvalue()


def test_a_request_with_an_ended_token_is_in_the_log_of_its_workspace(acme: Company, rival: Company) -> None:
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    send(acme.okta(), "GET", "/Users")
    event = ProvisioningEvent.objects.get()
    assert (event.workspace, event.status) == (acme.workspace, 401)
    cause = causes.of(event)
    assert cause is not None
    assert cause.name == "token refused"


def test_events_past_their_time_are_pruned_and_others_kept(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        send(company.okta(), "GET", "/Nothing")
    ProvisioningEvent.objects.for_workspace(acme.workspace).update(at=timezone.now() - timedelta(days=181))
    call_command("prune", "--dry-run", stdout=StringIO())
    assert ProvisioningEvent.objects.count() == 2
    call_command("prune", stdout=StringIO())
    assert ProvisioningEvent.objects.get().workspace == rival.workspace
    assert retention.prune(acme.workspace) == 0


def test_notices_past_their_time_are_pruned_and_others_kept(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        notices.tell(company.workspace, Notice.Kind.ORPHAN, company.account, summary="Router has no owner any more.")
    Notice.objects.for_workspace(acme.workspace).update(told_at=timezone.now() - timedelta(days=181))
    call_command("prune", "--dry-run", stdout=StringIO())
    assert Notice.objects.count() == 2
    call_command("prune", stdout=StringIO())
    assert Notice.objects.get().workspace == rival.workspace


def test_a_purged_persons_name_is_in_no_event(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        taken = f"member@{company.workspace.slug}.example"
        send(company.okta(), "POST", "/Users", create_body("member", userName=taken))
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    gone = erasure.purge(User.objects.get(pk=acme.member.pk), actor=TESTS)
    assert gone["log details"] == 1
    kept = {event.workspace.slug: event.detail for event in ProvisioningEvent.objects.all()}
    assert kept["acme"] == ""
    assert "member@rival.example" in kept["rival"]
