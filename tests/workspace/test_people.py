"""People: access ends whole and at once, and comes back empty."""

import pytest

from tests.companies import TESTS, Company
from workspace import deactivation, people, pseudonymisation
from workspace.errors import Conflict, Refused
from workspace.models import ApiKey, Grant, Role, Session, TeamMembership
from workspace.people import Profile

pytestmark = pytest.mark.django_db


def test_deactivation_ends_sessions_keys_memberships_grants_and_role(acme: Company, rival: Company) -> None:
    people.set_role(acme.member, Role.ADMIN, actor=TESTS)
    acme.browser(acme.member)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")

    assert not Session.objects.filter(user=acme.member).exists()
    assert not ApiKey.objects.filter(user=acme.member, revoked_at=None).exists()
    assert not TeamMembership.objects.filter(user=acme.member, left_at=None).exists()
    acme.member.refresh_from_db()
    assert (acme.member.is_active, acme.member.role) == (False, Role.MEMBER)
    assert TeamMembership.objects.filter(user=rival.member, left_at=None).exists()
    assert Grant.objects.filter(ended_at=None).count() == 2  # the teams keep theirs


def test_a_reactivated_user_gets_no_grant_back(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    back = people.reactivate(acme.member, actor=TESTS)

    assert back.is_active
    assert back.pk == acme.member.pk
    assert not Grant.objects.filter(user=back, ended_at=None).exists()
    assert not TeamMembership.objects.filter(user=back, left_at=None).exists()


def test_a_user_name_is_unique_in_its_workspace_in_any_letter_case(acme: Company, rival: Company) -> None:
    with pytest.raises(Conflict, match="another person"):
        people.provision(acme.workspace, Profile("MEMBER@acme.example"), actor=TESTS)
    assert people.provision(rival.workspace, Profile("member@acme.example"), actor=TESTS)


def test_a_person_with_access_is_not_purged(acme: Company) -> None:
    with pytest.raises(Refused):
        pseudonymisation.pseudonymise(acme.member, actor=TESTS)
