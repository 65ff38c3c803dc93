"""Who could have known what: computed from the ledger as it was, in whatever order things ended."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.companies import TESTS, Company
from workspace import access, accounts, deactivation, teams
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import Account, AuditEvent, Grant, Reveal, SecretVersion, TeamMembership, User

pytestmark = pytest.mark.django_db


def known(user: User) -> set[str]:
    return {Account.objects.get(pk=item.account_id).name for item in access.could_have_known(user)}


def test_a_team_members_reach_is_the_teams(acme: Company, rival: Company) -> None:
    assert list(access.reachable_accounts(acme.member)) == [acme.account]
    assert list(access.reachable_accounts(acme.owner)) == []
    assert known(acme.member) == {"Router"}
    assert known(rival.owner) == set()


def test_a_group_removal_before_the_deactivation_changes_nothing(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    assert not access.reachable_accounts(acme.member).exists()
    assert known(acme.member) == {"Router"}


def test_a_password_set_after_the_access_ended_is_not_known(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    accounts.store_password(acme.account, Secret("second"), actor=TESTS)
    SecretVersion.objects.filter(account=acme.account, number=1).update(proved_dead_at=timezone.now())
    assert known(acme.member) == set()


def test_a_former_password_counts_until_it_is_proved_dead(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    accounts.store_password(acme.account, Secret("second"), actor=TESTS)
    (item,) = access.could_have_known(acme.member)
    assert SecretVersion.objects.get(pk=item.version_id).number == 1


def test_a_candidate_is_known_to_nobody_and_never_shown(acme: Company) -> None:
    accounts.add_candidate(acme.account, Secret("not yet"))
    (item,) = access.could_have_known(acme.member)
    assert SecretVersion.objects.get(pk=item.version_id).number == 1
    assert access.reveal(acme.account, acme.member, actor=TESTS) == acme.account_password


def test_a_membership_and_a_grant_that_never_overlapped_give_nothing(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    later = accounts.create(acme.workspace, "Later", actor=TESTS, password=Secret("x"))
    access.grant(later, acme.team, actor=TESTS)
    assert known(acme.member) == {"Router"}


def test_access_that_had_ended_before_the_version_was_shown_gives_nothing(acme: Company) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    TeamMembership.objects.filter(user=acme.member).update(joined_at=long_ago, left_at=long_ago + timedelta(days=1))
    Grant.objects.filter(pk=acme.grant.pk).update(granted_at=long_ago)
    assert known(acme.member) == set()


def test_reveal_is_written_down_before_it_is_handed_out(acme: Company) -> None:
    secret = access.reveal(acme.account, acme.member, actor=TESTS)
    assert secret == acme.account_password
    assert Reveal.objects.filter(user=acme.member, account=acme.account).count() == 1
    assert AuditEvent.objects.filter(verb="account.revealed", subject_id=acme.account.pk).count() == 1
    (item,) = access.could_have_known(acme.member)
    assert item.revealed_at is not None


def test_no_access_no_reveal(acme: Company, rival: Company) -> None:
    for user in (acme.owner, rival.member):
        with pytest.raises(NotFound):
            access.reveal(acme.account, user, actor=TESTS)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    with pytest.raises(NotFound):
        access.reveal(acme.account, acme.member, actor=TESTS)
    assert not Reveal.objects.exists()


def test_a_grant_stays_within_one_workspace(acme: Company, rival: Company) -> None:
    with pytest.raises(Invalid):
        access.grant(acme.account, rival.member, actor=TESTS)
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(workspace=acme.workspace, account=acme.account, user=rival.member)
        connection.check_constraints()


def test_a_second_grant_to_the_same_holder_is_a_conflict(acme: Company) -> None:
    with pytest.raises(Conflict):
        access.grant(acme.account, acme.team, actor=TESTS)


@pytest.mark.parametrize("holders", ["both", "neither"])
def test_the_database_lets_a_grant_name_exactly_one_holder(acme: Company, holders: str) -> None:
    names: dict[str, Any] = {"user": acme.owner, "team": acme.team} if holders == "both" else {}
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.create(workspace=acme.workspace, account=acme.account, **names)


def test_what_a_person_could_have_known_is_one_statement(acme: Company, django_assert_num_queries: Any) -> None:
    for number in range(5):
        account = accounts.create(acme.workspace, f"A{number}", actor=TESTS, password=Secret("x"))
        access.grant(account, acme.member, actor=TESTS)
    with django_assert_num_queries(1):
        assert len(access.could_have_known(acme.member)) == 6


def test_the_newest_version_counts_with_the_first_look_at_any(acme: Company) -> None:
    access.reveal(acme.account, acme.member, actor=TESTS)
    accounts.store_password(acme.account, Secret("second"), actor=TESTS)
    access.reveal(acme.account, acme.member, actor=TESTS)
    looks = list(Reveal.objects.filter(user=acme.member).order_by("at"))
    (known,) = access.could_have_known(acme.member)
    assert [look.version.number for look in looks] == [1, 2]
    assert (known.version_id, known.revealed_at) == (looks[1].version_id, looks[0].at)


def test_whoever_typed_a_password_knows_it_without_any_grant(acme: Company, rival: Company) -> None:
    accounts.store_password(acme.account, Secret("typed"), actor=Actor.person(acme.owner))
    (item,) = access.could_have_known(acme.owner)
    assert SecretVersion.objects.get(pk=item.version_id).number == 2
    assert item.revealed_at is not None


def test_whoever_points_an_account_elsewhere_counts_as_knowing_its_password(acme: Company) -> None:
    accounts.update(acme.account, actor=Actor.person(acme.owner), target={"host": "elsewhere"})
    assert known(acme.owner) == {"Router"}


def test_what_was_seen_counts_even_where_the_ledgers_times_do_not_meet(acme: Company) -> None:
    """A removal's time is taken before its commit; a password shown in between was seen all the same."""
    access.reveal(acme.account, acme.member, actor=TESTS)
    TeamMembership.objects.filter(user=acme.member).update(
        joined_at=timezone.now() - timedelta(days=9), left_at=timezone.now() - timedelta(days=8)
    )
    assert known(acme.member) == {"Router"}


def test_access_ends_although_another_machines_clock_was_ahead(acme: Company) -> None:
    direct = access.grant(acme.account, acme.member, actor=TESTS)
    ahead = timezone.now() + timedelta(seconds=30)
    Grant.objects.update(granted_at=ahead)
    TeamMembership.objects.update(joined_at=ahead)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    direct.refresh_from_db()
    assert direct.ended_at == ahead
    access.end(acme.grant, actor=TESTS, reason="x")
    assert not Grant.objects.filter(ended_at=None, workspace=acme.workspace).exists()


def test_a_team_disbanded_meanwhile_is_granted_nothing(acme: Company) -> None:
    stale = acme.team
    teams.disband(teams.find(acme.workspace, stale.pk), actor=TESTS)
    with pytest.raises(Invalid, match="disbanded"):
        access.grant(accounts.create(acme.workspace, "New", actor=TESTS), stale, actor=TESTS)


# Whoever says where passwords are sent receives them


def pointed(company: Company, name: str, *, by: Actor, **fields: Any) -> Account:
    return accounts.create(
        company.workspace, name, actor=by, connector="http_api", target={"host": "mine.example"}, username="x", **fields
    )


def known_to(user: User) -> set[tuple[str, int]]:
    versions = {version.pk: version for version in SecretVersion.objects.select_related("account")}
    found = [versions[item.version_id] for item in access.could_have_known(user)]
    return {(version.account.name, version.number) for version in found}


def test_whoever_points_an_account_elsewhere_knows_what_it_is_administered_with(acme: Company, rival: Company) -> None:
    root = accounts.create(acme.workspace, "Root", actor=TESTS, password=Secret("root-1"))
    assert known_to(acme.owner) == set()
    pointed(acme, "Trap", by=Actor.person(acme.owner), admin_account=root)
    assert known_to(acme.owner) == {("Root", 1)}
    assert known_to(rival.owner) == set()


def test_whoever_changes_who_administers_an_account_knows_that_one_too(acme: Company) -> None:
    root = accounts.create(acme.workspace, "Root", actor=TESTS, password=Secret("root-1"))
    trap = pointed(acme, "Trap", by=TESTS)
    accounts.update(trap, actor=Actor.person(acme.owner), admin_account=root)
    assert known_to(acme.owner) == {("Root", 1)}


def test_later_passwords_reach_whoever_pointed_the_account(acme: Company) -> None:
    root = accounts.create(acme.workspace, "Root", actor=TESTS, password=Secret("root-1"))
    trap = pointed(acme, "Trap", by=Actor.person(acme.owner), admin_account=root)
    for account in (root, trap):
        accounts.make_current(accounts.add_candidate(account, Secret(f"next of {account}")), at=timezone.now())
    assert known_to(acme.owner) == {("Root", 2), ("Trap", 1)}
    accounts.update(trap, actor=TESTS, target={"host": "ours.example"})
    accounts.make_current(accounts.add_candidate(trap, Secret("after it was put right")), at=timezone.now())
    assert known_to(acme.owner) == {("Root", 2), ("Trap", 1)}
