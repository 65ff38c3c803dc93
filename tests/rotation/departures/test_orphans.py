"""Accounts whose only Owner left: found however it came, given a suggestion, handed over, never out of reach."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from rotation import sweep
from rotation.departures import orphans
from rotation.departures.orphans import Why
from rotation.models import Orphan, OrphanOutcome
from tests.companies import TESTS, Company
from tests.rotation.leaving import leave, many_accounts, owned
from workspace import access, deactivation, people, teams
from workspace.audit import Actor
from workspace.errors import Invalid, Refused
from workspace.models import Account, AuditEvent, Grant, GrantRole, Notice, User
from workspace.vault import ledger

pytestmark = pytest.mark.django_db


def queue(company: Company) -> set[str]:
    return {orphan.account.name for orphan in orphans.open_orphans(company.workspace)}


def orphan_of(account: Account) -> Orphan:
    return orphans.open_orphans(account.workspace).get(account=account)


def suggestion(account: Account) -> tuple[User, Why]:
    found = orphans.suggest([account.pk])[account.pk]
    return found.user, found.why


def test_what_nobody_else_owned_goes_into_the_queue(acme: Company, rival: Company) -> None:
    owned(acme, "Alone", acme.member)
    shared = owned(acme, "Shared", acme.member)
    access.grant(shared, acme.owner, actor=TESTS, role=GrantRole.OWNER)
    done = leave(acme.member)

    orphan = Orphan.objects.get()
    assert (orphan.account.name, orphan.former_owner, orphan.offboarding) == ("Alone", acme.member, done)
    assert queue(rival) == set()
    notice = Notice.objects.get(kind=Notice.Kind.ORPHAN)
    assert (notice.subject_id, notice.summary) == (done.pk, "Without an Owner: Alone.")


def test_what_never_had_an_owner_is_no_orphan(acme: Company) -> None:
    leave(acme.member)
    sweep.upkeep()
    assert not Orphan.objects.exists()


def test_an_owner_by_team_is_an_owner_while_somebody_is_in_it(acme: Company) -> None:
    account = owned(acme, "Shared", acme.member)
    crew = teams.create(acme.workspace, "Owners of it", actor=TESTS)
    access.grant(account, crew, actor=TESTS, role=GrantRole.OWNER)
    second = acme.person("second")
    teams.add_members(crew, [second.pk], actor=TESTS)
    leave(acme.member)
    assert queue(acme) == set()
    leave(second)
    assert queue(acme) == {"Shared"}


@pytest.mark.parametrize("how", ["grant ended", "team emptied", "team disbanded", "two at once"])
def test_an_owner_lost_by_another_way_is_found_by_the_sweep(acme: Company, how: str) -> None:
    account = owned(acme, "Lost", acme.member)
    if how == "grant ended":
        access.end(ledger.ways(acme.member, account).reaching().get().grant, actor=TESTS, reason="over")
    elif how == "two at once":  # each departure saw the other's grant
        deactivation.deactivate(acme.member, actor=TESTS, reason="past the verb that looks for orphans")
    else:
        access.end(ledger.ways(acme.member, account).reaching().get().grant, actor=TESTS, reason="over")
        access.grant(account, acme.team, actor=TESTS, role=GrantRole.OWNER)
        sweep.upkeep()
        assert queue(acme) == set()
        if how == "team emptied":
            teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
        else:
            teams.disband(acme.team, actor=TESTS)
    sweep.upkeep()
    sweep.upkeep()
    assert queue(acme) == {"Lost"}
    assert Orphan.objects.count() == 1


def test_the_sweep_looks_at_what_was_lost_lately_only(acme: Company) -> None:
    account = owned(acme, "Lost", acme.member)
    long_ago = timezone.now() - timedelta(days=1)
    Grant.objects.filter(account=account).update(granted_at=long_ago, ended_at=long_ago)
    sweep.upkeep()
    assert queue(acme) == set()


def test_a_manager_is_suggested_before_all_others(acme: Company) -> None:
    account = owned(acme, "Alone", acme.person("gone"))
    access.grant(account, acme.team, actor=TESTS)
    access.reveal(account, acme.member, actor=TESTS)
    manager = acme.person("manager")
    access.grant(account, manager, actor=TESTS, role=GrantRole.MANAGER)
    assert suggestion(account) == (manager, Why.MANAGER)


def test_a_persons_own_managership_counts_before_a_teams(acme: Company) -> None:
    account = owned(acme, "Alone", acme.person("gone"))
    access.grant(account, acme.team, actor=TESTS, role=GrantRole.MANAGER)
    assert suggestion(account) == (acme.member, Why.MANAGER)
    own = acme.person("own")
    access.grant(account, own, actor=TESTS, role=GrantRole.MANAGER)
    assert suggestion(account) == (own, Why.MANAGER)


def test_without_a_manager_it_is_who_used_it_last_and_still_may(acme: Company) -> None:
    account = owned(acme, "Alone", acme.person("gone"))
    access.grant(account, acme.team, actor=TESTS)
    first, last, moved = (acme.person(name) for name in ("first", "last", "moved"))
    teams.add_members(acme.team, [first.pk, last.pk, moved.pk], actor=TESTS)
    for user in (first, last, moved):
        access.reveal(account, user, actor=TESTS)
    teams.remove_members(acme.team, [moved.pk], actor=TESTS)
    assert suggestion(account) == (last, Why.RECENT_USER)


def test_else_it_is_the_workspaces_owner_and_without_one_nobody(acme: Company) -> None:
    account = owned(acme, "Alone", acme.person("gone"))
    access.grant(account, acme.team, actor=TESTS)  # nobody of it ever looked
    assert suggestion(account) == (acme.owner, Why.WORKSPACE_OWNER)
    leave(acme.owner)
    assert orphans.suggest([account.pk]) == {}


def test_nobody_is_suggested_who_is_leaving_or_a_guest(acme: Company) -> None:
    account = owned(acme, "Alone", acme.member)
    guest = acme.person("guest")
    people.set_expiry(guest, timezone.now() + timedelta(days=1), actor=TESTS)
    access.end(ledger.ways(acme.member, account).reaching().get().grant, actor=TESTS, reason="-")
    for user in (guest, acme.member):
        access.grant(account, user, actor=TESTS, role=GrantRole.MANAGER)
    for_a_week = acme.person("week")
    access.grant(
        account, for_a_week, actor=TESTS, role=GrantRole.MANAGER, expires_at=timezone.now() + timedelta(days=7)
    )
    found = orphans.suggest([account.pk], leaving=acme.member)[account.pk]
    assert (found.user, found.why) == (acme.owner, Why.WORKSPACE_OWNER)


def test_a_suggestion_never_crosses_workspaces(acme: Company, rival: Company) -> None:
    both = orphans.suggest([acme.account.pk, rival.account.pk])
    assert (both[acme.account.pk].user, both[rival.account.pk].user) == (acme.owner, rival.owner)


def test_confirming_makes_the_successor_owner_and_ends_the_lesser_grant(acme: Company) -> None:
    account = owned(acme, "Alone", acme.member)
    manager = acme.person("manager")
    access.grant(account, manager, actor=TESTS, role=GrantRole.MANAGER)
    leave(acme.member)
    orphans.confirm(orphan_of(account), manager, actor=Actor.person(acme.owner))

    grant = Grant.objects.get(user=manager, ended_at=None)
    assert (grant.role, grant.granted_by["id"]) == (GrantRole.OWNER, str(acme.owner.pk))
    assert Grant.objects.get(user=manager, ended_at__isnull=False).end_reason == orphans.HANDED_OVER
    orphan = Orphan.objects.get()
    assert (orphan.successor, orphan.outcome) == (manager, OrphanOutcome.HANDED_OVER)
    event = AuditEvent.objects.get(verb="orphan.handed_over")
    assert (event.subject_id, event.detail["holder"]) == (account.pk, str(manager.pk))
    assert Notice.objects.get(kind=Notice.Kind.ORPHAN).resolved_at is not None


def test_a_successor_is_an_active_person_of_the_workspace(acme: Company, rival: Company) -> None:
    account = owned(acme, "Alone", acme.member)
    leave(acme.member)
    for stranger in (acme.member, rival.owner):
        with pytest.raises(Invalid, match="active person"):
            orphans.confirm(orphan_of(account), stranger, actor=TESTS)
    assert queue(acme) == {"Alone"}


def test_anothers_orphans_are_nobody_elses_to_confirm(acme: Company, rival: Company) -> None:
    account = owned(rival, "Theirs", rival.member)
    leave(rival.member)
    with pytest.raises(Refused):
        orphans.confirm_many(acme.workspace, {orphan_of(account).pk: acme.owner.pk}, actor=TESTS)
    assert queue(rival) == {"Theirs"}


def test_what_was_settled_meanwhile_is_refused_and_nothing_is_half_done(acme: Company) -> None:
    one, two = owned(acme, "One", acme.member), owned(acme, "Two", acme.member)
    leave(acme.member)
    first, second = orphan_of(one), orphan_of(two)
    orphans.confirm(first, acme.owner, actor=TESTS)
    with pytest.raises(Refused, match="Look at the queue again"):
        orphans.confirm_many(acme.workspace, {first.pk: acme.owner.pk, second.pk: acme.owner.pk}, actor=TESTS)
    assert queue(acme) == {"Two"}


@pytest.mark.parametrize(("how", "outcome"), [("granted", "owned_again"), ("archived", "archived")])
def test_what_is_owned_again_or_gone_leaves_the_queue(acme: Company, how: str, outcome: str) -> None:
    account = owned(acme, "Alone", acme.member)
    leave(acme.member)
    if how == "granted":
        access.grant(account, acme.owner, actor=TESTS, role=GrantRole.OWNER)
    else:
        Account.objects.filter(pk=account.pk).update(archived_at=timezone.now())
    sweep.upkeep()
    assert Orphan.objects.get().outcome == outcome
    assert Notice.objects.get(kind=Notice.Kind.ORPHAN).resolved_at is not None


def test_a_notice_stays_open_while_something_of_the_departure_waits(acme: Company) -> None:
    one, _ = owned(acme, "One", acme.member), owned(acme, "Two", acme.member)
    leave(acme.member)
    orphans.confirm(orphan_of(one), acme.owner, actor=TESTS)
    assert Notice.objects.get(kind=Notice.Kind.ORPHAN).resolved_at is None


def test_statements_do_not_grow_with_accounts(acme: Company, django_assert_max_num_queries: Any) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 2_000, busy)
    with django_assert_max_num_queries(40):
        leave(busy)
    waiting = list(orphans.open_orphans(acme.workspace))
    assert len(waiting) == 2_000
    with django_assert_max_num_queries(2):
        found = orphans.suggest([orphan.account_id for orphan in waiting])
    with django_assert_max_num_queries(40):
        chosen = {orphan.pk: found[orphan.account_id].user.pk for orphan in waiting}
        assert orphans.confirm_many(acme.workspace, chosen, actor=TESTS) == 2_000
    assert Grant.objects.filter(user=acme.owner, role=GrantRole.OWNER, ended_at=None).count() == 2_000


def test_an_account_is_orphaned_once_and_within_its_workspace(acme: Company, rival: Company) -> None:
    account = owned(acme, "Alone", acme.member)
    leave(acme.member)
    with pytest.raises(IntegrityError), transaction.atomic():
        Orphan.objects.create(workspace=acme.workspace, account=account)
    for column in ("successor", "former_owner"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Orphan.objects.update(**{column: rival.owner})
            connection.check_constraints()
