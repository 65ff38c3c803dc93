"""Teams: members change whole or not at all, and the ledger keeps what was."""

import pytest

from tests.companies import TESTS, Company
from workspace import teams
from workspace.errors import Conflict, Invalid, NotFound
from workspace.models import TeamMembership

pytestmark = pytest.mark.django_db


def test_ended_memberships_are_kept(acme: Company) -> None:
    teams.remove_members(acme.team, [acme.member.id], actor=TESTS)
    teams.add_members(acme.team, [acme.member.id], actor=TESTS)
    rows = TeamMembership.objects.filter(team=acme.team, user=acme.member)
    assert sorted(row.left_at is None for row in rows) == [False, True]


def test_who_is_a_member_already_stays_one_and_nothing_is_written(acme: Company) -> None:
    change = teams.add_members(acme.team, [acme.member.id], actor=TESTS)
    assert (change.joined, change.left, change.skipped) == (frozenset(), frozenset(), frozenset())
    assert TeamMembership.objects.filter(team=acme.team).count() == 1


def test_a_rivals_person_joins_no_team(acme: Company, rival: Company) -> None:
    with pytest.raises(Invalid):
        teams.add_members(acme.team, [rival.member.id], actor=TESTS)
    change = teams.set_members(acme.team, [rival.member.id, acme.owner.id], actor=TESTS)
    assert change.skipped == {rival.member.id}
    assert change.joined == {acme.owner.id}


def test_a_rivals_team_is_not_found(acme: Company, rival: Company) -> None:
    with pytest.raises(NotFound):
        teams.find(acme.workspace, rival.team.id)


def test_a_disbanded_team_frees_its_name(acme: Company) -> None:
    with pytest.raises(Conflict):
        teams.create(acme.workspace, "OPERATIONS", actor=TESTS)
    teams.disband(acme.team, actor=TESTS)
    assert teams.create(acme.workspace, "Operations", actor=TESTS)


@pytest.mark.parametrize("name", ["", "   ", "x" * 255, "a\x00b"])
def test_a_name_that_cannot_be_is_refused(acme: Company, name: str) -> None:
    with pytest.raises(Invalid):
        teams.create(acme.workspace, name, actor=TESTS)
