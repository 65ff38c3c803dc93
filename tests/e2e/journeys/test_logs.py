"""The provisioning log says why Okta was refused; the audit log is verified and taken away as a file."""

import json

import pytest
from playwright.sync_api import expect

from demo.okta import Group, OktaTenant, Person
from demo.scim_client import OktaError
from scim.models import ProvisioningEvent
from tests.companies import Company
from tests.e2e.journeys.console import Console
from workspace import audit
from workspace.models import AuditEvent


def test_a_refusal_is_found_with_what_to_do_about_it(acme: Company, console: Console, okta: OktaTenant) -> None:
    okta.assign(Person("ada@acme.example", "Ada", "Pushed"))
    stranger = Person("nobody@acme.example", "No", "Body", scim_id=str(acme.account.pk))
    with pytest.raises(OktaError) as refused:
        okta.push_group(Group("Engineering", [stranger]))
    console.home()
    console.follow(console.figure("Refused in 14 days"))
    expect(console.rows).to_have_count(1)
    console.open("Refused")
    console.says(refused.value.detail)
    console.says("What to do")
    console.menu("Provisioning log")
    console.filter("result", "Done")
    expect(console.row("ada@acme.example")).to_have_count(1)
    events = ProvisioningEvent.objects.for_workspace(acme.workspace)
    assert events.filter(status__gte=400).count() == 1


def test_the_audit_log_is_searched_verified_and_exported(acme: Company, console: Console) -> None:
    console.go(f"/admin/workspace/user/{acme.member.pk}/change/")
    console.act("Change role")
    console.content.get_by_label("Role").select_option("admin")
    console.press("Change role")
    while audit.seal(acme.workspace):
        pass
    console.menu("Audit log")
    console.search("role_changed")
    expect(console.rows).to_have_count(1)
    console.menu("Audit log")
    console.act("Verify chain")
    console.press("Verify")
    expect(console.page.locator("body")).to_contain_text("The chain holds")
    console.menu("Audit log")
    console.act("Export chain")
    file = console.download(console.content.get_by_role("button", name="Download"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    events = AuditEvent.objects.filter(workspace=acme.workspace)
    assert len(lines) >= events.exclude(verb__in=["audit.exported", "audit.verified"]).count()
    assert events.filter(verb="audit.exported", actor_id=acme.owner.pk).count() == 1
    assert not any("rival" in json.dumps(line) for line in lines)
