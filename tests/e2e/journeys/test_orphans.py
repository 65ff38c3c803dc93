"""Orphans: what a departure left without an Owner is handed over, in one act or one by one."""

from playwright.sync_api import expect

from rotation.models import Orphan
from tests.companies import TESTS, Company
from tests.e2e.journeys.console import Console
from tests.rotation.leaving import leave, owned
from workspace import access
from workspace.models import GrantRole


def test_the_queue_is_confirmed_in_one_act_but_for_what_was_unticked(acme: Company, console: Console) -> None:
    manager = acme.person("manager")
    names = ("Instagram", "Payroll", "Website")
    accounts = {name: owned(acme, name, acme.member) for name in names}
    access.grant(accounts["Payroll"], manager, actor=TESTS, role=GrantRole.MANAGER)
    leave(acme.member)
    console.home()
    console.follow(console.figure("Accounts without an Owner"))
    expect(console.rows).to_have_count(3)
    expect(console.row("Payroll")).to_contain_text("Manager Person, who manages it")
    console.act("Confirm suggestions")
    boxes = console.content.get_by_role("checkbox")
    expect(boxes).to_have_count(3)
    console.content.get_by_label("Website").uncheck()
    console.press("Hand over")
    expect(console.rows).to_have_count(1)
    owners = {
        orphan.account.name: orphan.successor
        for orphan in Orphan.objects.for_workspace(acme.workspace).filter(settled_at__isnull=False)
    }
    assert owners == {"Instagram": acme.owner, "Payroll": manager}
    assert accounts["Payroll"].grants.get(user=manager, ended_at=None).role == GrantRole.OWNER

    console.open("Website")
    console.act("Name an Owner")
    console.choose("The next Owner", "manager", "manager@acme.example")
    console.press("Hand over")
    console.menu("Orphans")
    expect(console.rows).to_have_count(0)
    assert accounts["Website"].grants.get(user=manager, ended_at=None).role == GrantRole.OWNER
