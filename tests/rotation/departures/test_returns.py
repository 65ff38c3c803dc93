"""Who comes back gets nothing by itself; what they had is offered as a set, and given back in one act."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation.departures import returns, safeguard
from rotation.models import Exposure, MassRemoval, Offboarding, Outcome
from tests.companies import TESTS, Company
from tests.rotation.leaving import leave, many_accounts, many_people, owned
from workspace import access, accounts, people, teams
from workspace.audit import Actor
from workspace.errors import Invalid, Refused
from workspace.models import Account, AuditEvent, Grant, GrantRole, User

pytestmark = pytest.mark.django_db


def returned(company: Company) -> tuple[User, list[Account]]:
    """The member, who had two accounts of their own and one through the team, left and is back."""
    had = [owned(company, "Alpha", company.member), accounts.create(company.workspace, "Beta", actor=TESTS)]
    access.grant(had[1], company.member, actor=TESTS)
    leave(company.member)
    return people.reactivate(company.member, actor=TESTS), had


def held(user: User) -> set[str]:
    return set(Grant.objects.filter(user=user, ended_at=None).values_list("account__name", flat=True))


def by(user: User) -> Actor:
    return Actor.person(user)


def test_a_returning_person_gets_no_grant_back_and_is_offered_what_they_had(acme: Company) -> None:
    user, had = returned(acme)
    assert held(user) == set()
    assert [(offer.account_id, offer.role) for offer in returns.offered(user)] == [
        (had[0].pk, GrantRole.OWNER), (had[1].pk, GrantRole.COLLABORATOR),
    ]  # fmt: skip


def test_who_never_left_is_offered_nothing(acme: Company) -> None:
    assert returns.offered(acme.member) == []


def test_an_owner_gives_it_back_in_one_act(acme: Company) -> None:
    user, had = returned(acme)
    ended = list(Grant.objects.filter(user=user).values())
    assert returns.restore(user, [account.pk for account in had], actor=by(acme.owner)) == 2
    assert held(user) == {"Alpha", "Beta"}
    assert returns.offered(user) == []
    assert list(Grant.objects.filter(user=user, ended_at__isnull=False).values()) == ended  # the ledger is as it was
    event = AuditEvent.objects.get(verb="person.grants_restored")
    assert (event.actor_id, event.subject_id) == (acme.owner.pk, user.pk)
    assert set(event.detail["accounts"]) == {str(account.pk) for account in had}


def test_a_part_can_be_given_back_and_the_rest_stays_offered(acme: Company) -> None:
    user, had = returned(acme)
    returns.restore(user, [had[1].pk], actor=by(acme.owner))
    assert held(user) == {"Beta"}
    assert [offer.account_id for offer in returns.offered(user)] == [had[0].pk]


@pytest.mark.parametrize("role", list(GrantRole))
def test_who_may_share_an_account_may_give_it_back(acme: Company, role: GrantRole) -> None:
    user, had = returned(acme)
    sharer = acme.person("sharer")
    access.grant(had[0], sharer, actor=TESTS, role=role)
    if role is GrantRole.COLLABORATOR:
        with pytest.raises(Refused, match="may share"):
            returns.restore(user, [had[0].pk], actor=by(sharer))
        return
    with pytest.raises(Refused, match="may share"):
        returns.restore(user, [account.pk for account in had], actor=by(sharer))
    assert returns.restore(user, [had[0].pk], actor=by(sharer)) == 1


def test_a_team_of_managers_may_share_and_whoever_left_it_may_not(acme: Company) -> None:
    user, had = returned(acme)
    sharer = acme.person("sharer")
    teams.add_members(acme.team, [sharer.pk], actor=TESTS)
    access.grant(had[0], acme.team, actor=TESTS, role=GrantRole.MANAGER)
    assert access.shareable(sharer, [had[0].pk]) == {had[0].pk}
    teams.remove_members(acme.team, [sharer.pk], actor=TESTS)
    with pytest.raises(Refused):
        returns.restore(user, [had[0].pk], actor=by(sharer))


def test_tokens_and_strangers_give_nothing_back(acme: Company, rival: Company) -> None:
    user, had = returned(acme)
    for actor in (by(rival.owner), Actor("token", rival.owner.pk, "Okta"), by(user)):
        with pytest.raises(Refused):
            returns.restore(user, [had[0].pk], actor=actor)
    assert held(user) == set()


def test_what_was_never_theirs_is_not_given(acme: Company, rival: Company) -> None:
    user, had = returned(acme)
    for account in (acme.account, rival.account):
        with pytest.raises(Invalid):
            returns.restore(user, [had[0].pk, account.pk], actor=by(acme.owner))
    assert held(user) == set()


def test_who_is_still_disabled_gets_nothing(acme: Company) -> None:
    account = owned(acme, "Alpha", acme.member)
    leave(acme.member)
    with pytest.raises(Refused, match="Reactivate"):
        returns.restore(acme.member, [account.pk], actor=by(acme.owner))


def test_only_what_ended_with_the_last_departure_is_offered(acme: Company) -> None:
    before = accounts.create(acme.workspace, "Before", actor=TESTS)
    access.end(access.grant(before, acme.member, actor=TESTS), actor=TESTS, reason="long ago")
    user, had = returned(acme)
    returns.restore(user, [had[0].pk], actor=by(acme.owner))
    leave(user)
    back = people.reactivate(user, actor=TESTS)
    assert [offer.account_id for offer in returns.offered(back)] == [had[0].pk]


def test_what_is_archived_expired_or_held_again_is_not_offered(acme: Company) -> None:
    gone, late, again = (accounts.create(acme.workspace, name, actor=TESTS) for name in ("Gone", "Late", "Again"))
    soon = timezone.now() + timedelta(hours=1)
    for account, until in ((gone, None), (late, soon), (again, None)):
        access.grant(account, acme.member, actor=TESTS, expires_at=until)
    leave(acme.member)
    user = people.reactivate(acme.member, actor=TESTS)
    Account.objects.filter(pk=gone.pk).update(archived_at=timezone.now())
    Grant.objects.filter(account=late).update(expires_at=timezone.now() - timedelta(seconds=1))
    access.grant(again, user, actor=TESTS)
    assert returns.offered(user) == []


def test_statements_do_not_grow_with_what_is_given_back(acme: Company, django_assert_max_num_queries: Any) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 500, busy)
    leave(busy)
    back = people.reactivate(busy, actor=TESTS)
    with django_assert_max_num_queries(16):
        chosen = [offer.account_id for offer in returns.offered(back)]
        assert returns.restore(back, chosen, actor=by(acme.owner)) == 500


# A removal of many people that was a mistake


@pytest.fixture
def removal(acme: Company) -> MassRemoval:
    """Twelve people left, each of whom owned an account, and it was called off."""
    acme.workspace.mass_removal_people = 3
    acme.workspace.save()
    for number, user in enumerate(many_people(acme, 12)):
        owned(acme, f"Of {number:02}", user)
        leave(user)
    found = MassRemoval.objects.get()
    safeguard.cancel(found, actor=TESTS)
    return found


def leavers(removal: MassRemoval) -> list[User]:
    return [row.user for row in removal.offboardings.select_related("user").order_by("user__user_name")]


def test_the_people_of_a_mistake_are_let_in_in_one_act(
    acme: Company, removal: MassRemoval, django_assert_max_num_queries: Any
) -> None:
    gone = leavers(removal)
    with django_assert_max_num_queries(24):
        assert returns.let_in_again(removal, [user.pk for user in gone[1:]], actor=by(acme.owner)) == 11
    for number, user in enumerate(gone):
        user.refresh_from_db()
        assert (user.is_active, held(user)) == ((number > 0), {f"Of {number:02}"} if number else set())
    closed = Exposure.objects.filter(outcome=Outcome.RESTORED)
    assert closed.count() == 11
    assert Offboarding.objects.filter(completed_at=None).get().user == gone[0]
    assert returns.left_open(removal) == 1
    assert AuditEvent.objects.filter(verb="offboarding.completed").count() == 11


def test_before_it_is_called_off_nobody_is_let_in(acme: Company) -> None:
    acme.workspace.mass_removal_people = 3
    acme.workspace.save()
    gone = many_people(acme, 12)
    for user in gone:
        leave(user)
    with pytest.raises(Refused, match="off first"):
        returns.let_in_again(MassRemoval.objects.get(), [gone[0].pk], actor=TESTS)


def test_nobody_else_is_let_in_by_it(acme: Company, rival: Company, removal: MassRemoval) -> None:
    other = acme.person("other")
    leave(other)
    Offboarding.objects.filter(user=other).update(hold=None)
    leave(rival.member)
    assert returns.let_in_again(removal, [other.pk, rival.member.pk], actor=TESTS) == 0
    for user in (other, rival.member):
        user.refresh_from_db()
        assert not user.is_active


def test_an_exposure_closes_when_the_team_is_back_as_well(acme: Company, removal: MassRemoval) -> None:
    user = leavers(removal)[0]
    Grant.objects.filter(user=user).update(team=acme.team, user=None)
    returns.let_in_again(removal, [user.pk], actor=TESTS)
    still = Exposure.objects.open().filter(user=user)
    assert still.exists()  # nothing of it is within reach yet
    access.grant(still.get().account, acme.team, actor=TESTS)
    teams.add_members(acme.team, [user.pk], actor=TESTS)
    assert returns.close_in_again() == 1
    assert not still.exists()
