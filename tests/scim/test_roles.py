"""The role of somebody without access: kept as it was asked for, and given on the day the provider lets them in."""

from typing import Any

import pytest

from rotation.departures import offboarding
from tests.companies import TESTS, Company
from tests.scim.test_users import OKTA_OFF, OKTA_ON, create_body, operation, send
from workspace import people
from workspace.models import Role, User

pytestmark = pytest.mark.django_db

ADMIN: list[dict[str, Any]] = [{"value": "admin", "display": "Admin"}]
MAKE_ADMIN = operation("replace", path="roles", value=ADMIN)


@pytest.fixture
def away(acme: Company) -> str:
    """The path of a disabled person."""
    path = f"/Users/{acme.member.id}"
    send(acme.okta(), "PATCH", path, OKTA_OFF)
    return path


def role_of(company: Company) -> str:
    return User.objects.get(pk=company.member.pk).role


def test_a_role_sent_to_a_disabled_person_waits_and_is_given_on_their_return(acme: Company, away: str) -> None:
    answer = send(acme.okta(), "PATCH", away, MAKE_ADMIN)
    assert (answer.status_code, answer.data["roles"], answer.data["active"]) == (200, ADMIN, False)
    assert role_of(acme) == Role.MEMBER
    assert send(acme.okta(), "PATCH", away, OKTA_ON).data["roles"] == ADMIN
    assert role_of(acme) == Role.ADMIN


@pytest.mark.parametrize("names_roles", [True, False])
def test_a_put_that_lets_somebody_in_gives_the_role_that_waits(acme: Company, away: str, names_roles: bool) -> None:
    whole = send(acme.okta(), "PATCH", away, MAKE_ADMIN).data
    if not names_roles:
        del whole["roles"]
    assert send(acme.okta(), "PUT", away, {**whole, "active": True}).data["active"] is True
    assert role_of(acme) == Role.ADMIN


def test_a_create_that_revives_somebody_gives_the_role_that_waits(acme: Company, away: str) -> None:
    send(acme.okta(), "PATCH", away, MAKE_ADMIN)
    assert send(acme.okta(), "POST", "/Users", create_body("member")).status_code == 201
    assert role_of(acme) == Role.ADMIN


def test_a_person_made_without_access_gets_their_role_when_they_are_let_in(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body(active=False, roles=ADMIN))
    assert (made.status_code, made.data["roles"]) == (201, ADMIN)
    user = User.objects.get(pk=made.data["id"])
    assert (user.is_active, user.role) == (False, Role.MEMBER)
    send(acme.okta(), "PATCH", f"/Users/{user.pk}", OKTA_ON)
    user.refresh_from_db()
    assert (user.is_active, user.role) == (True, Role.ADMIN)


def test_a_role_that_waits_can_be_taken_back(acme: Company, away: str) -> None:
    send(acme.okta(), "PATCH", away, MAKE_ADMIN)
    assert "roles" not in send(acme.okta(), "PATCH", away, operation("remove", path="roles")).data
    send(acme.okta(), "PATCH", away, OKTA_ON)
    assert role_of(acme) == Role.MEMBER


@pytest.mark.parametrize("how", ["put", "patch", "console"])
def test_the_role_a_person_leaves_with_does_not_wait_for_them(acme: Company, how: str) -> None:
    path = f"/Users/{acme.member.id}"
    whole = send(acme.okta(), "PATCH", path, MAKE_ADMIN).data
    assert whole["roles"] == ADMIN
    if how == "put":  # of our own document, as Okta does it: the roles in it are an echo
        assert "roles" not in send(acme.okta(), "PUT", path, {**whole, "active": False}).data
    elif how == "patch":
        assert "roles" not in send(acme.okta(), "PATCH", path, OKTA_OFF).data
    else:
        offboarding.offboard(acme.member, actor=TESTS, cause="left")
    assert "roles" not in send(acme.okta(), "GET", path).data
    assert "roles" not in send(acme.okta(), "PATCH", path, OKTA_ON).data
    assert role_of(acme) == Role.MEMBER


def test_an_owner_who_lets_somebody_in_gives_no_role_by_it(acme: Company, away: str) -> None:
    send(acme.okta(), "PATCH", away, MAKE_ADMIN)
    people.reactivate(acme.member, actor=TESTS)
    assert role_of(acme) == Role.MEMBER
    assert "roles" not in send(acme.okta(), "GET", away).data


def test_to_be_an_owner_does_not_wait_where_the_workspace_forbids_it(acme: Company, away: str) -> None:
    owner = operation("replace", path="roles", value=[{"value": "owner"}])
    assert send(acme.okta(), "PATCH", away, owner).status_code == 403
    assert send(acme.okta(), "POST", "/Users", create_body(active=False, roles=[{"value": "owner"}])).status_code == 403
    acme.workspace.provider_assigns_owner = True
    acme.workspace.save()
    assert send(acme.okta(), "PATCH", away, owner).status_code == 200
    acme.workspace.provider_assigns_owner = False
    acme.workspace.save()
    assert send(acme.okta(), "PATCH", away, OKTA_ON).status_code == 403
    assert not User.objects.get(pk=acme.member.pk).is_active


def test_a_filter_finds_the_role_that_waits(acme: Company, rival: Company, away: str) -> None:
    send(acme.okta(), "PATCH", away, MAKE_ADMIN)
    for query in ('roles eq "admin"', 'roles[value eq "admin"] and active eq false', 'roles co "dmi"'):
        found = send(acme.okta(), "GET", f"/Users?filter={query}").data
        assert [user["id"] for user in found["Resources"]] == [str(acme.member.id)]
    assert send(acme.okta(), "GET", '/Users?filter=roles eq "member"').data["totalResults"] == 0
