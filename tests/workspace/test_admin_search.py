"""The audit log is searched by person, account, team, token, act, request and any id, within one's own workspace; the
provisioning log likewise."""

from typing import Any

import pytest
from django.test import Client

from rotation import jobs
from scim.models import ProvisioningEvent, ScimToken
from tests.companies import TESTS, Company
from tests.console_world import support, text_of
from tests.scim.test_users import OKTA_OFF, send
from workspace import access, audit, deactivation, pseudonymisation
from workspace.audit import Actor, Verb
from workspace.models import AuditEvent, GrantRole

pytestmark = pytest.mark.django_db

LOG = "/admin/workspace/auditevent/"
PROVISIONING = "/admin/scim/provisioningevent/"


def found(browser: Client, q: object, more: str = "", *, log: str = LOG) -> list[Any]:
    answer = browser.get(log, {"q": str(q), **dict(part.split("=") for part in more.split("&") if part)})
    assert answer.status_code == 200
    changes = answer.context["cl"]
    assert list(changes.result_list) == list(changes.queryset)
    assert changes.result_count == len(changes.queryset)
    return list(changes.result_list)


def verbs(events: list[AuditEvent]) -> set[str]:
    return {event.verb for event in events}


# Whom and what


def test_a_person_is_found_by_what_they_did_and_what_was_done_to_them(acme: Company, rival: Company) -> None:
    access.reveal(acme.account, acme.member, actor=Actor.person(acme.member))
    granted = access.grant(acme.account, acme.member, actor=Actor.person(acme.owner), role=GrantRole.MANAGER)
    access.end(granted, actor=Actor.person(acme.owner), reason="over")
    expected = {"person.provisioned", "api_key.issued", "account.revealed", "grant.given", "grant.ended"}
    browser = acme.browser()
    for q in ("member@acme.example", "MEMBER@acme.example", "Member", "member per", acme.member.pk, acme.member.pk.hex):
        events = found(browser, q)
        assert verbs(events) >= expected, q
        assert {event.workspace_id for event in events} == {acme.workspace.pk}
    assert not verbs(found(browser, acme.member.pk)) & {"workspace.created", "team.created"}
    assert found(browser, "member@rival.example") == found(browser, rival.member.pk) == []
    assert found(browser, "nobody of that name") == []


def test_an_exact_name_is_that_person_alone(acme: Company) -> None:
    longer = acme.person("member@acme.example.twin")
    assert longer.user_name.startswith("member@acme.example")
    assert longer.pk not in {event.subject_id for event in found(acme.browser(), "member@acme.example")}
    assert longer.pk in {event.subject_id for event in found(acme.browser(), "twin")}


def test_an_account_is_found_with_its_rotations(acme: Company, rival: Company) -> None:
    job = jobs.on_demand(acme.account, actor=Actor.person(acme.owner), cause="asked")
    for q in ("Router", "rout", acme.account.pk):
        events = found(acme.browser(), q)
        assert verbs(events) >= {"account.created", "grant.given", "rotation.requested"}, q
        assert {event.workspace_id for event in events} == {acme.workspace.pk}
    assert verbs(found(acme.browser(), job.pk)) == {"rotation.requested"}
    assert found(acme.browser(), rival.account.pk) == []


def test_a_team_and_a_token_are_found(acme: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_OFF)
    assert verbs(found(acme.browser(), "Operations")) >= {"team.created", "team.members_changed"}
    for q in ("Okta", token.pk):
        assert verbs(found(acme.browser(), q)) >= {"scim_token.issued", "person.deactivated"}


def test_an_act_is_found_by_its_verb_its_sentence_and_its_number(acme: Company) -> None:
    event = audit.record(acme.workspace, Verb.PERSON_ROLE_CHANGED, acme.member, actor=TESTS)
    AuditEvent.objects.create(workspace=acme.workspace, verb="person.vanished", actor_kind="system")
    for q in ("person.role_changed", "role_changed", "role in the workspace", event.pk):
        assert found(acme.browser(), q) == [event]
    assert verbs(found(acme.browser(), "person.vanished")) == {"person.vanished"}


def test_what_support_did_is_found_by_its_reason(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        actor = Actor.command("offboard", operator="sam", reason="ticket 4711")
        deactivation.deactivate(company.member, actor=actor, reason="left")
    events = found(acme.browser(), "ticket 4711")
    assert verbs(events) == {"person.deactivated"}
    assert {event.workspace_id for event in events} == {acme.workspace.pk}
    assert len(found(acme.browser(support()), "ticket 4711")) == 2


def test_a_search_goes_with_the_filters_and_with_another_order(acme: Company) -> None:
    access.reveal(acme.account, acme.member, actor=Actor.person(acme.member))
    assert verbs(found(acme.browser(), "member@acme.example", "about=account")) == {"account.revealed"}
    assert verbs(found(acme.browser(), "member@acme.example", "by=person")) == {"account.revealed"}
    upwards = found(acme.browser(), "member@acme.example", "o=0")
    assert upwards == sorted(upwards, key=lambda event: event.pk)
    assert len(upwards) == len(found(acme.browser(), "member@acme.example"))


def test_a_purged_person_is_found_by_the_pseudonym_alone(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    pseudonymisation.pseudonymise(acme.member, actor=TESTS)
    assert found(acme.browser(), "member@acme.example") == []
    assert "person.purged" in verbs(found(acme.browser(), f"purged-{acme.member.pk}"))
    assert "person.purged" in verbs(found(acme.browser(), acme.member.pk))


def test_more_people_of_a_name_than_are_looked_at_is_said(acme: Company) -> None:
    for number in range(11):
        acme.person(f"twin{number}")
    assert "More than 10 people are called like" in text_of(acme.browser(), f"{LOG}?q=twin")
    assert "More than 10" not in text_of(acme.browser(), f"{LOG}?q=twin1")


ODD = ["'", "''", "\\", "a:*", "!", "& | !", "%", "_", "ʼ…", "<->", "9" * 40, "-1", "x" * 5000, "é"]


@pytest.mark.parametrize("q", ODD)
def test_whatever_is_typed_is_answered(acme: Company, q: str) -> None:
    for log in (LOG, PROVISIONING):
        assert found(acme.browser(), q, log=log) == []


# The request


def test_what_was_done_in_a_request_is_found_by_its_id(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        okta = company.okta()
        okta.defaults["HTTP_X_REQUEST_ID"] = "okta-7"
        send(okta, "PATCH", f"/Users/{company.member.id}", OKTA_OFF)
    for log in (LOG, PROVISIONING):
        events = found(acme.browser(), "okta-7", log=log)
        assert events
        assert {(event.workspace_id, event.request_id) for event in events} == {(acme.workspace.pk, "okta-7")}
    assert "person.deactivated" in verbs(found(acme.browser(), "okta-7"))


def test_each_request_of_a_browser_has_an_id_and_a_worker_has_none(acme: Company) -> None:
    browser = acme.browser()
    browser.post(f"/admin/workspace/user/{acme.member.pk}/role/", {"role": "admin"})
    event = AuditEvent.objects.get(verb=Verb.PERSON_ROLE_CHANGED)
    assert len(event.request_id) == 32
    assert found(browser, event.request_id) == [event]
    assert f"?q={event.request_id}" in text_of(browser, f"{LOG}{event.pk}/change/")
    assert audit.record(acme.workspace, Verb.PERSON_UPDATED, acme.member, actor=TESTS).request_id == ""


def test_the_chain_holds_over_events_with_and_without_a_request(acme: Company) -> None:
    acme.browser().post(f"/admin/workspace/user/{acme.member.pk}/role/", {"role": "admin"})
    lines = list(audit.export(acme.workspace))
    assert {"request" in line for line in lines} == {True, False}
    assert audit.verify(acme.workspace) is None


# The provisioning log


def test_the_provisioning_log_is_searched(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        send(company.okta(), "PATCH", f"/Users/{company.member.id}", OKTA_OFF)
        send(company.okta(), "POST", "/Users", {"userName": "no schema", "active": "perhaps"})
    browser = acme.browser()
    about, refused = ProvisioningEvent.objects.for_workspace(acme.workspace).order_by("at")
    token = ScimToken.objects.get(workspace=acme.workspace)
    for q in ("member@acme.example", "Member", acme.member.pk, about.request_id, about.pk):
        assert found(browser, q, log=PROVISIONING) == [about], q
    for q in ("Okta", token.pk):
        assert found(browser, q, log=PROVISIONING) == [refused, about], q
    assert found(browser, refused.detail.split()[0], log=PROVISIONING) == [refused]
    assert found(browser, "Okta", "result=refused", log=PROVISIONING) == [refused]
    theirs = ScimToken.objects.get(workspace=rival.workspace)
    for q in (rival.member.pk, "member@rival.example", theirs.pk):
        assert found(browser, q, log=PROVISIONING) == []
