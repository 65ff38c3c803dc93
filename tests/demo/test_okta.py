"""The miniature Okta tenant, both of its styles, against the real SCIM server."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django.live_server_helper import LiveServer

from demo.okta import Group, OktaTenant, Person, Style
from demo.scim_client import OktaError
from tests.companies import TESTS, Company
from workspace import people, teams
from workspace.models import Team, TeamMembership, User
from workspace.people import Profile

Tenant = Callable[[Company], OktaTenant]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[*Style, "catalogue with PATCH of profiles"])
def tenant(request: pytest.FixtureRequest, live_server: LiveServer) -> Iterator[Tenant]:
    """Makes a tenant of each style, provisioning to a company."""
    made: list[OktaTenant] = []

    def make(company: Company) -> OktaTenant:
        patching = request.param not in list(Style)
        style = Style.CATALOGUE if patching else request.param
        base = f"{live_server.url}/scim/v2/"
        made.append(OktaTenant(base, company.scim_token, style=style, updates_by_patch=patching))
        return made[-1]

    yield make
    for okta in made:
        okta.close()


def ana() -> Person:
    return Person("ana@acme.example", "Ana", "Abel")


def row(person: Person) -> User:
    return User.objects.get(pk=person.scim_id)


def names(group: Group) -> set[str]:
    live = TeamMembership.objects.filter(team_id=group.scim_id, left_at=None)
    return set(live.values_list("user__user_name", flat=True))


def assigned(okta: OktaTenant, *names: str) -> list[Person]:
    folk = [Person(f"{name}@acme.example", name.title(), "Person") for name in names]
    for person in folk:
        okta.assign(person)
    return folk


def test_the_connection_test_passes(tenant: Tenant, acme: Company) -> None:
    tenant(acme).connection_test()


def test_a_wrong_token_is_named_as_the_cause(live_server: LiveServer, acme: Company) -> None:
    wrong, text = acme.scim_token[:-1] + "!", r"Error authenticating: Unauthorized\..*The token is not valid"
    with OktaTenant(f"{live_server.url}/scim/v2/", wrong) as okta, pytest.raises(OktaError, match=text) as failed:
        okta.connection_test()
    assert failed.value.status == 401


def test_the_bare_token_is_taken_too(live_server: LiveServer, acme: Company) -> None:
    with OktaTenant(f"{live_server.url}/scim/v2/", acme.scim_token, bare_token=True) as okta:
        okta.connection_test()


def test_a_stranger_is_created_with_the_whole_profile(tenant: Tenant, acme: Company) -> None:
    person = ana()
    assert tenant(acme).assign(person)
    made = row(person)
    assert (made.user_name, made.email, made.given_name) == (person.user_name, person.email, "Ana")
    assert (made.external_id, made.workspace, made.is_active) == (person.okta_id, acme.workspace, True)


def test_a_known_person_is_matched_in_any_letter_case(tenant: Tenant, acme: Company) -> None:
    known = people.provision(
        acme.workspace, Profile("ANA@acme.example", email="ANA@acme.example"), actor=TESTS, managed=False
    )
    person = ana()
    assert not tenant(acme).assign(person)
    assert person.scim_id == str(known.id)
    assert row(person).provisioned_at is not None


def test_profile_e_mail_and_user_name_follow_okta(tenant: Tenant, acme: Company) -> None:
    okta, person = tenant(acme), ana()
    okta.assign(person)
    okta.update_profile(person, given_name="Anna")
    okta.change_email(person, "anna@acme.example")
    okta.change_user_name(person, "anna.abel@acme.example")
    now = row(person)
    assert (now.given_name, now.email, now.user_name) == ("Anna", "anna@acme.example", "anna.abel@acme.example")


def test_a_recreated_user_name_is_a_rename(tenant: Tenant, acme: Company) -> None:
    okta, person = tenant(acme), ana()
    okta.assign(person)
    before = person.scim_id
    okta.change_user_name(person, "anna.abel@acme.example", recreate=True)
    assert person.scim_id == before
    assert row(person).is_active


def test_deactivating_and_reactivating_keeps_the_id(tenant: Tenant, acme: Company) -> None:
    okta, person = tenant(acme), ana()
    okta.assign(person)
    before = person.scim_id
    okta.deactivate(person)
    assert not row(person).is_active
    assert okta.read(person)["active"] is False
    okta.reactivate(person)
    assert row(person).is_active
    assert person.scim_id == before


def test_suspending_sends_nothing(tenant: Tenant, acme: Company) -> None:
    okta, person = tenant(acme), ana()
    okta.assign(person)
    okta.suspend(person)
    assert row(person).is_active


def test_a_pushed_group_has_exactly_its_assigned_members(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    ben, cleo = assigned(okta, "ben", "cleo")
    group = Group("Night shift", [ben, cleo, ana()])
    assert okta.push_group(group)
    assert names(group) == {ben.user_name, cleo.user_name}


def test_an_empty_group_is_pushed(tenant: Tenant, acme: Company) -> None:
    okta, group = tenant(acme), Group("Nobody")
    okta.push_group(group)
    assert names(group) == set()


def test_a_group_is_renamed(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    group = Group("Night shift", assigned(okta, "ben"))
    okta.push_group(group)
    okta.rename_group(group, "Late shift")
    assert Team.objects.get(pk=group.scim_id).display_name == "Late shift"
    assert names(group) == {"ben@acme.example"}


def test_member_changes_arrive_mixed_and_in_batches(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    okta.batch = 2
    folk = assigned(okta, "ben", "cleo", "dora", "emil", "fay")
    group = Group("Night shift", folk[:3])
    okta.push_group(group)
    okta.change_members(group, add=folk[3:], remove=folk[:2])
    assert names(group) == {person.user_name for person in folk[2:]}


def test_push_now_takes_strangers_out(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    group = Group("Night shift", assigned(okta, "ben"))
    okta.push_group(group)
    teams.add_members(Team.objects.get(pk=group.scim_id), [acme.member.id], actor=TESTS)
    okta.push_now(group)
    assert names(group) == {"ben@acme.example"}


def test_a_linked_group_keeps_name_and_members_until_push_now(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    group = Group("Ops from Okta", assigned(okta, "ben"))
    okta.link_group(group, acme.team.display_name)
    assert group.scim_id == str(acme.team.id)
    assert names(group) == {acme.member.user_name}
    okta.link_group(group, acme.team.display_name, rename=True)
    okta.push_now(group)
    acme.team.refresh_from_db()
    assert acme.team.display_name == "Ops from Okta"
    assert names(group) == {"ben@acme.example"}


def test_an_unlinked_group_stays_unless_it_is_deleted(tenant: Tenant, acme: Company) -> None:
    okta = tenant(acme)
    kept, deleted = Group("Kept"), Group("Deleted")
    for group in (kept, deleted):
        okta.push_group(group)
    okta.unlink_group(kept)
    okta.unlink_group(deleted, delete=True)
    assert Team.objects.for_workspace(acme.workspace).filter(disbanded_at=None, display_name="Kept").exists()
    assert not Team.objects.for_workspace(acme.workspace).filter(disbanded_at=None, display_name="Deleted").exists()


def test_an_import_reads_every_page(live_server: LiveServer, acme: Company) -> None:
    for number in range(203):
        people.provision(acme.workspace, Profile(f"p{number}@acme.example"), actor=TESTS)
    with OktaTenant(f"{live_server.url}/scim/v2/", acme.scim_token) as okta:
        found = okta.import_users()
    assert len({user["id"] for user in found}) == User.objects.filter(workspace=acme.workspace).count() == 205


def test_acmes_tenant_neither_sees_nor_touches_rivals_people(tenant: Tenant, acme: Company, rival: Company) -> None:
    okta = tenant(acme)
    person = Person(rival.member.user_name, "Not", "Theirs")
    assert okta.assign(person)
    assert person.scim_id != str(rival.member.id)
    person.scim_id = str(rival.member.id)
    with pytest.raises(OktaError) as failed:
        okta.deactivate(person)
    assert failed.value.status == 404
    rival.member.refresh_from_db()
    assert rival.member.is_active
    assert all(user["userName"] != rival.owner.user_name for user in okta.import_users())
