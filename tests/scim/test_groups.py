"""Groups as Okta and Entra push them, custom app and catalogue app."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scim.models import ProvisioningEvent
from tests.companies import TESTS, Company
from tests.scim.test_users import send
from workspace import access, deactivation, teams
from workspace.models import AuditEvent, Team, TeamMembership, User

pytestmark = pytest.mark.django_db


def members(team_id: str) -> set[str]:
    live = TeamMembership.objects.filter(team_id=team_id, left_at=None)
    return {str(user_id) for user_id in live.values_list("user_id", flat=True)}


def patch(company: Company, team_id: object, *operations: dict[str, Any]) -> Any:
    return send(company.okta(), "PATCH", f"/Groups/{team_id}", {"Operations": list(operations)})


@pytest.fixture
def crowd(acme: Company) -> list[str]:
    return [str(acme.person(f"p{number}").id) for number in range(4)]


def test_a_custom_app_pushes_a_group_by_filter_create_read_and_put(acme: Company, crowd: list[str]) -> None:
    okta = acme.okta()
    assert send(okta, "GET", '/Groups?filter=displayName eq "Engineers"').data["totalResults"] == 0
    made = send(okta, "POST", "/Groups", {"displayName": "Engineers", "members": []})
    assert (made.status_code, made.data["members"]) == (201, [])
    whole = send(okta, "GET", f"/Groups/{made.data['id']}").data
    wanted = [{"value": user_id, "display": "x"} for user_id in crowd[:2]]
    answer = send(okta, "PUT", f"/Groups/{whole['id']}", {**whole, "members": wanted})

    assert answer.status_code == 200
    assert {member["value"] for member in answer.data["members"]} == members(whole["id"]) == set(crowd[:2])
    assert send(okta, "PUT", f"/Groups/{whole['id']}", {**whole, "members": []}).status_code == 200
    assert members(whole["id"]) == set()


def test_a_put_without_members_leaves_them(acme: Company) -> None:
    answer = send(acme.okta(), "PUT", f"/Groups/{acme.team.id}", {"displayName": "Ops"})
    assert answer.data["displayName"] == "Ops"
    assert members(str(acme.team.id)) == {str(acme.member.id)}


def test_a_catalogue_app_renames_and_mixes_member_changes_in_one_request(acme: Company, crowd: list[str]) -> None:
    teams.add_members(acme.team, [acme.owner.id], actor=TESTS)
    answer = patch(
        acme, acme.team.id,
        {"op": "replace", "value": {"id": str(acme.team.id), "displayName": "Platform"}},
        {"op": "remove", "path": f'members[value eq "{acme.member.id}"]'},
        {"op": "add", "path": "members", "value": [{"value": crowd[0], "display": "p0"}, {"value": crowd[1]}]},
    )  # fmt: skip
    assert (answer.status_code, answer.data["displayName"]) == (200, "Platform")
    assert members(str(acme.team.id)) == {str(acme.owner.id), crowd[0], crowd[1]}


def test_push_now_replaces_the_members_and_an_empty_one_empties(acme: Company, crowd: list[str]) -> None:
    values = [{"value": user_id} for user_id in crowd]
    assert patch(acme, acme.team.id, {"op": "replace", "path": "members", "value": values}).status_code == 200
    assert members(str(acme.team.id)) == set(crowd)
    assert patch(acme, acme.team.id, {"op": "replace", "path": "members", "value": []}).status_code == 200
    assert members(str(acme.team.id)) == set()


def test_entra_removes_by_a_value_list_and_only_those(acme: Company, crowd: list[str]) -> None:
    teams.add_members(acme.team, [User.objects.get(pk=pk).pk for pk in crowd], actor=TESTS)
    patch(acme, acme.team.id, {"op": "Remove", "path": "members", "value": [{"value": crowd[0]}]})
    assert members(str(acme.team.id)) == {str(acme.member.id), *crowd[1:]}


def test_one_unknown_member_does_not_reject_the_batch_and_is_written_down(acme: Company, rival: Company) -> None:
    strangers = [str(uuid4()), str(rival.member.id)]
    values = [{"value": pk} for pk in [*strangers, str(acme.owner.id)]]
    answer = patch(acme, acme.team.id, {"op": "add", "path": "members", "value": values})

    assert answer.status_code == 200
    assert members(str(acme.team.id)) == {str(acme.member.id), str(acme.owner.id)}
    event = AuditEvent.objects.filter(verb="team.members_changed", workspace=acme.workspace).latest("id")
    assert event.detail["skipped"] == sorted(strangers)


def test_a_batch_of_strangers_only_is_refused(acme: Company, rival: Company) -> None:
    answer = patch(acme, acme.team.id, {"op": "add", "path": "members", "value": [{"value": str(rival.member.id)}]})
    assert (answer.status_code, answer.data["scimType"]) == (400, "invalidValue")
    assert "Assign the person" in answer.data["detail"]


def test_a_disabled_person_joins_no_team(acme: Company, crowd: list[str]) -> None:
    deactivation.deactivate(User.objects.get(pk=crowd[0]), actor=TESTS, reason="left")
    patch(acme, acme.team.id, {"op": "add", "path": "members", "value": [{"value": crowd[0]}, {"value": crowd[1]}]})
    assert members(str(acme.team.id)) == {str(acme.member.id), crowd[1]}


def test_a_push_of_disabled_people_alone_is_answered_and_written_down(acme: Company, crowd: list[str]) -> None:
    """It was sent before the deactivation and came after it: nothing is left to do, and a refusal would be retried."""
    deactivation.deactivate(User.objects.get(pk=crowd[0]), actor=TESTS, reason="left")
    answer = patch(acme, acme.team.id, {"op": "add", "path": "members", "value": [{"value": crowd[0]}]})
    assert (answer.status_code, members(str(acme.team.id))) == (200, {str(acme.member.id)})
    event = ProvisioningEvent.objects.for_workspace(acme.workspace).latest("at")
    assert event.attributes == ["members (some are no active person here)"]


def test_pages_of_groups_by_index_hold_each_team_once(acme: Company, rival: Company) -> None:
    made = [teams.create(acme.workspace, f"Team {number}", actor=TESTS) for number in range(7)]
    teams.disband(made[3], actor=TESTS)
    expected = Team.objects.for_workspace(acme.workspace).filter(disbanded_at=None).order_by("id")
    pages = [send(acme.okta(), "GET", f"/Groups?startIndex={start}&count=3").data for start in (1, 4, 7, 10)]
    assert [group["id"] for page in pages for group in page["Resources"]] == [str(team.id) for team in expected]
    assert {page["totalResults"] for page in pages} == {len(expected)}


def test_a_patch_that_fails_half_way_changes_nothing(acme: Company, crowd: list[str]) -> None:
    other = teams.create(acme.workspace, "Taken", actor=TESTS)
    answer = patch(
        acme, acme.team.id,
        {"op": "add", "path": "members", "value": [{"value": crowd[0]}]},
        {"op": "replace", "value": {"displayName": "taken"}},
    )  # fmt: skip
    assert (answer.status_code, answer.data["scimType"]) == (409, "uniqueness")
    assert members(str(acme.team.id)) == {str(acme.member.id)}
    assert Team.objects.get(pk=other.pk).display_name == "Taken"


def test_linking_a_group_finds_it_and_keeps_name_and_members_until_push_now(acme: Company, crowd: list[str]) -> None:
    found = send(acme.okta(), "GET", '/Groups?filter=displayName eq "operations"').data["Resources"]
    assert [group["id"] for group in found] == [str(acme.team.id)]
    assert members(str(acme.team.id)) == {str(acme.member.id)}
    patch(acme, acme.team.id, {"op": "replace", "path": "members", "value": [{"value": crowd[0]}]})
    assert Team.objects.get(pk=acme.team.pk).display_name == "Operations"


def test_unlinking_disbands_the_team_ends_its_grants_and_frees_the_name(acme: Company) -> None:
    assert send(acme.okta(), "DELETE", f"/Groups/{acme.team.id}").status_code == 204
    assert send(acme.okta(), "GET", f"/Groups/{acme.team.id}").status_code == 404
    assert not access.reachable_accounts(acme.member).exists()
    assert send(acme.okta(), "POST", "/Groups", {"displayName": "Operations"}).status_code == 201


def test_a_display_name_is_unique_in_any_letter_case(acme: Company, rival: Company) -> None:
    answer = send(acme.okta(), "POST", "/Groups", {"displayName": "OPERATIONS"})
    assert (answer.status_code, answer.data["scimType"]) == (409, "uniqueness")


@pytest.mark.parametrize("count", [1, 1000])
def test_member_changes_take_a_fixed_number_of_statements(acme: Company, count: int) -> None:
    people_made = User.objects.bulk_create(
        User(workspace=acme.workspace, user_name=f"{number}@acme.example", password="!") for number in range(count)
    )
    operations = [
        {"op": "add", "path": "members", "value": [{"value": str(user.id)}]} for user in people_made
    ]  # as Okta sends them: one operation each
    client = acme.okta()
    send(client, "GET", "/Groups?count=1")  # the token's use is noted once a minute
    with CaptureQueriesContext(connection) as queries:
        answer = send(client, "PATCH", f"/Groups/{acme.team.id}", {"Operations": operations})
    assert answer.status_code in {200, 204}
    assert len(members(str(acme.team.id))) == count + 1
    assert len(queries) <= 20


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_rivals_group_is_a_404_and_stays_as_it_is(acme: Company, rival: Company, method: str) -> None:
    body = {"displayName": "Mine", "members": [], "Operations": [{"op": "replace", "path": "members", "value": []}]}
    answer = send(acme.okta(), method, f"/Groups/{rival.team.id}", body if method in {"PUT", "PATCH"} else None)

    assert answer.status_code == 404
    assert members(str(rival.team.id)) == {str(rival.member.id)}
    assert Team.objects.get(pk=rival.team.pk).display_name == "Operations"


def test_no_group_filter_reaches_a_rival(acme: Company, rival: Company) -> None:
    query = f'filter=members eq "{rival.member.id}" or displayName pr'
    found = send(acme.okta(), "GET", f"/Groups?{query}").data["Resources"]
    assert [group["id"] for group in found] == [str(acme.team.id)]


def test_entra_probes_a_member_by_filter_and_reads_groups_without_members(acme: Company) -> None:
    query = f'filter=id eq "{acme.team.id}" and members eq "{acme.member.id}"&excludedAttributes=members'
    found = send(acme.okta(), "GET", f"/Groups?{query}").data["Resources"]
    assert [set(group) for group in found] == [{"schemas", "id", "displayName", "meta"}]


def test_members_are_json_whatever_their_names_hold(acme: Company) -> None:
    names = ['quote"d@acme.example', "back\\slash@acme.example", "naïve☃@acme.example", 'nul"\\u0000"@acme.example']
    for number, name in enumerate(names):
        person = acme.person(f"p{number}")
        User.objects.filter(pk=person.pk).update(user_name=name)
        teams.add_members(acme.team, [person.id], actor=TESTS)
    group = send(acme.okta(), "GET", f"/Groups/{acme.team.id}").data
    assert len(group["members"]) == len(names) + 1
    listed = send(acme.okta(), "GET", "/Groups").data["Resources"]
    assert [each["members"] for each in listed if each["id"] == group["id"]] == [group["members"]]
    bare = send(acme.okta(), "GET", f"/Groups/{acme.team.id}?attributes=members.value").data
    assert bare["members"] == [{"value": member["value"]} for member in group["members"]]
