"""Before a departure: what would be changed, by whom, how long it takes, and who would be missed as an Owner."""

from datetime import timedelta
from typing import Any

import pytest

from rotation.departures import offboarding
from rotation.departures.previews import Consequence
from rotation.models import MassRemoval, RotationJob
from tests.companies import TESTS, Company
from tests.rotation.leaving import many_accounts, owned, rotated
from tests.workspace import strangers
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.models import Account, RotationPolicy

pytestmark = pytest.mark.django_db


def database(company: Company, name: str = "Database", *, host: str = "db.example") -> Account:
    """A privileged PostgreSQL account that the member may use."""
    account = accounts.create(
        company.workspace, name, actor=TESTS, password=Secret("x"), connector="postgres", username="app",
        target={"host": host}, is_privileged=True,
    )  # fmt: skip
    access.grant(account, company.member, actor=TESTS)
    return account


def test_a_preview_changes_nothing_and_names_what_would_happen(acme: Company) -> None:
    database(acme)
    access.reveal(acme.account, acme.member, actor=TESTS)
    before = strangers.everything(acme)
    seen = offboarding.preview(acme.member)

    assert [(item.account.name, item.consequence, item.revealed_at is not None) for item in seen.known] == [
        ("Database", Consequence.BY_ITSELF, False), ("Router", Consequence.BY_PERSON, True),
    ]  # fmt: skip
    assert (seen.grants, seen.memberships, seen.api_keys, seen.sessions) == (1, 1, 1, 0)
    assert strangers.everything(acme) == before


@pytest.mark.parametrize(
    ("policy", "staying"),
    [
        (RotationPolicy.PRIVILEGED, set()), (RotationPolicy.ALL, set()), (RotationPolicy.REVEALED, {"Router"}),
        (RotationPolicy.NONE, {"Router", "Database"}),
    ],
)  # fmt: skip
def test_the_policy_is_part_of_it(acme: Company, policy: RotationPolicy, staying: set[str]) -> None:
    access.reveal(database(acme), acme.member, actor=TESTS)
    acme.workspace.rotation_policy = policy
    acme.workspace.save()
    acme.member.refresh_from_db()
    seen = offboarding.preview(acme.member)
    assert seen.policy is policy
    assert {item.account.name for item in seen.becoming(Consequence.STAYS)} == staying


def test_an_admin_reset_without_an_admin_account_is_a_persons_work(acme: Company) -> None:
    """Whatever the connector could do with one."""
    account = database(acme)
    Account.objects.filter(pk=account.pk).update(connector="nothing_known")
    assert offboarding.preview(acme.member).known[0].consequence is Consequence.BY_PERSON


def test_what_only_they_own_is_named(acme: Company) -> None:
    alone, shared = owned(acme, "Alone", acme.member), owned(acme, "Shared", acme.member)
    access.grant(shared, acme.owner, actor=TESTS, role="owner")
    without_password = accounts.create(acme.workspace, "Empty", actor=TESTS)
    access.grant(without_password, acme.member, actor=TESTS, role="owner")

    seen = offboarding.preview(acme.member)
    assert seen.owned_alone == [alone, without_password]
    assert {item.account.name: item.is_owned_alone for item in seen.known} == {
        "Alone": True, "Router": False, "Shared": False,
    }  # fmt: skip


def test_programs_are_told_who_is_suggested_for_what_only_they_own(acme: Company, rival: Company) -> None:
    alone, managed = owned(acme, "Alone", acme.member), owned(acme, "Managed", acme.member)
    manager = acme.person("manager")
    access.grant(managed, manager, actor=TESTS, role="manager")
    assert offboarding.preview(acme.member).record()["owned_alone"] == [
        {"account": "Alone", "id": alone.pk, "successor": acme.owner.user_name, "why": "workspace_owner"},
        {"account": "Managed", "id": managed.pk, "successor": manager.user_name, "why": "manager"},
    ]


def test_the_time_is_the_median_of_the_same_host_else_of_the_same_kind(acme: Company) -> None:
    here, there = database(acme), database(acme, "Elsewhere", host="other.example")
    for seconds in (2, 4, 60):
        rotated(acme, here, seconds=seconds)
    seen = {item.account: item.pace for item in offboarding.preview(acme.member).known}
    for account in (here, there):
        pace = seen[account]
        assert pace is not None
        assert (pace.seconds, pace.rotations) == (4, 3)
    rotated(acme, there, seconds=10)
    seen = {item.account: item.pace for item in offboarding.preview(acme.member).known}
    assert [seen[account].seconds for account in (here, there)] == [4, 10]  # type: ignore[union-attr]
    assert offboarding.preview(acme.member).expected == timedelta(seconds=10)


def test_without_history_no_time_is_made_up(acme: Company, rival: Company) -> None:
    database(acme)
    rotated(rival, database(rival), seconds=3)  # another's history is no history of ours
    seen = offboarding.preview(acme.member)
    assert (seen.expected, seen.without_history) == (None, 1)
    assert seen.record()["expected_seconds"] is None


def test_a_rotation_that_was_held_back_tells_nothing_of_its_time(acme: Company) -> None:
    account = database(acme)
    rotated(acme, account, seconds=3)
    job = rotated(acme, account, seconds=3600)
    hold = MassRemoval.objects.create(workspace=acme.workspace, removed=1, people=2, held_until=job.requested_at)
    RotationJob.objects.filter(pk=job.pk).update(hold=hold)
    pace = offboarding.preview(acme.member).known[0].pace
    assert pace is not None
    assert pace.rotations == 1


def test_statements_do_not_grow_with_accounts(acme: Company, django_assert_max_num_queries: Any) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 10_000, busy)
    acme.member.refresh_from_db()
    with django_assert_max_num_queries(10):
        offboarding.preview(acme.member)
    busy.refresh_from_db()
    with django_assert_max_num_queries(10):
        seen = offboarding.preview(busy)
    assert len(seen.known) == len(seen.owned_alone) == 10_000
