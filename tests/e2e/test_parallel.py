"""Okta sends in parallel and out of order: nothing is lost, nobody who left is let in again, nothing deadlocks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections
from django.test import Client

from rotation.models import Exposure, Offboarding, RotationJob
from tests.companies import TESTS, Company
from tests.scim.test_users import OKTA_OFF, create_body, send
from tests.waiting import PATIENCE
from workspace import access, accounts, teams
from workspace.crypto import Secret
from workspace.models import Reveal, TeamMembership, User

AT_ONCE = 10


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run all calls in threads of their own, let loose together; their results in order."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            gate.wait(PATIENCE)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_parallel_deactivations_and_group_pushes_of_the_same_people_lose_nothing(acme: Company, rival: Company) -> None:
    leavers = [acme.person(f"leaver{number}") for number in range(AT_ONCE)]
    stayers = [acme.person(f"stayer{number}") for number in range(AT_ONCE)]
    groups = [teams.create(acme.workspace, f"Group {number}", actor=TESTS) for number in range(AT_ONCE)]
    account = accounts.create(acme.workspace, "Shared", actor=TESTS, password=Secret("x"), is_privileged=True)
    for group in groups:
        teams.add_members(group, [user.id for user in leavers], actor=TESTS)
    access.grant(account, groups[0], actor=TESTS)
    everybody = [{"value": str(user.id)} for user in [*leavers, *stayers]]

    def deactivate(user: User) -> Callable[[], Any]:
        return lambda: send(acme.okta(), "PATCH", f"/Users/{user.id}", OKTA_OFF)

    def push(index: int) -> Callable[[], Any]:
        body: dict[str, Any] = {"displayName": f"Group {index}", "members": everybody}
        operations = {"Operations": [{"op": "add", "path": "members", "value": everybody[index:]}]}
        path = f"/Groups/{groups[index].id}"
        if index % 2:
            return lambda: send(acme.okta(), "PUT", path, body)
        return lambda: send(acme.okta(), "PATCH", path, operations)

    answers = at_once([call for index in range(AT_ONCE) for call in (deactivate(leavers[index]), push(index))])

    assert [answer.status_code for answer in answers] == [200] * 2 * AT_ONCE
    assert not User.objects.filter(pk__in=[user.pk for user in leavers], is_active=True).exists()
    assert not TeamMembership.objects.filter(user__in=leavers, left_at=None).exists()
    for group in groups:
        assert TeamMembership.objects.filter(team=group, left_at=None, user__in=stayers).count() == AT_ONCE
    assert Offboarding.objects.filter(user__in=leavers).count() == AT_ONCE
    assert Exposure.objects.filter(account=account, offboarding__user__in=leavers).count() == AT_ONCE
    assert RotationJob.objects.live().filter(account=account).count() == 1
    assert User.objects.get(pk=rival.member.pk).is_active


def test_parallel_creates_of_one_user_name_give_one_201_and_409s(acme: Company) -> None:
    answers = at_once([lambda: send(acme.okta(), "POST", "/Users", create_body())] * AT_ONCE)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (AT_ONCE - 1)
    assert User.objects.filter(workspace=acme.workspace).named("ada@acme.example").count() == 1


def test_parallel_revivals_of_one_person_give_one_201_and_409s(acme: Company) -> None:
    made = send(acme.okta(), "POST", "/Users", create_body()).data
    send(acme.okta(), "PATCH", f"/Users/{made['id']}", OKTA_OFF)
    answers = at_once([lambda: send(acme.okta(), "POST", "/Users", create_body())] * AT_ONCE)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (AT_ONCE - 1)
    assert {answer.data["id"] for answer in answers if answer.status_code == 201} == {made["id"]}


def test_parallel_deliveries_of_one_deactivation_are_one_offboarding(acme: Company) -> None:
    path = f"/Users/{acme.member.id}"
    answers = at_once([lambda: send(acme.okta(), "PATCH", path, OKTA_OFF)] * AT_ONCE)
    assert {answer.status_code for answer in answers} == {200}
    assert Offboarding.objects.filter(user=acme.member).count() == 1


def test_parallel_single_member_changes_of_one_group_lose_nothing(acme: Company) -> None:
    users = [acme.person(f"p{number}") for number in range(AT_ONCE)]

    def add(user: User) -> Callable[[], Any]:
        operations = [{"op": "Add", "path": "members", "value": [{"value": str(user.id)}]}]
        return lambda: send(acme.okta(), "PATCH", f"/Groups/{acme.team.id}", {"Operations": operations})

    answers = at_once([add(user) for user in users])
    assert {answer.status_code for answer in answers} == {200}
    live = TeamMembership.objects.filter(team=acme.team, left_at=None)
    assert set(live.values_list("user_id", flat=True)) == {acme.member.id, *(user.id for user in users)}


def test_a_reveal_beside_a_departure_is_refused_or_counted(acme: Company) -> None:
    """Whoever saw the password is on the list: there is no moment in between."""

    def reveal() -> int:
        client = Client(headers={"authorization": f"Bearer {acme.api_key}"})
        return client.post(f"/api/v1/accounts/{acme.account.id}/reveal").status_code

    def leave() -> int:
        return int(send(acme.okta(), "DELETE", f"/Users/{acme.member.id}").status_code)

    *reveals, left = at_once([*[reveal] * 4, leave])
    assert left == 204
    assert set(reveals) <= {200, 401, 404}
    assert Reveal.objects.filter(user=acme.member).count() == reveals.count(200)
    assert Exposure.objects.get(account=acme.account).version.number == 1
    assert reveal() == 401
