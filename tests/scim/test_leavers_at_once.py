"""Requests about one leaver that arrive at the same moment, each on a connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from rotation.models import Offboarding
from tests.companies import Company
from tests.scim.dialects.http import Answer, Provider, bearer
from tests.scim.leaving import OFF, UNKNOWN, ended
from workspace.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*acts: Callable[[], Answer]) -> list[Answer]:
    """What came of acts that begin together."""
    start = Barrier(len(acts))

    def on_its_own(act: Callable[[], Answer]) -> Answer:
        try:
            start.wait(60)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(on_its_own, acts))


def provider(company: Company, **more: str) -> Provider:
    return Provider({"authorization": bearer(company), **more}, "application/scim+json")


def patch(company: Company, *operations: Any, **more: str) -> Callable[[], Answer]:
    okta = provider(company, **more)
    return lambda: okta.patch(f"/Users/{company.member.id}", *operations)


def test_access_ends_by_one_of_them(acme: Company) -> None:
    answers = at_once(*[patch(acme, OFF, UNKNOWN, **{"if-match": "*"}) for _ in range(6)])
    assert [answer.status for answer in answers] == [400] * 6
    assert sorted(map(ended, answers)) == [False] * 5 + [True]
    assert Offboarding.objects.filter(user=acme.member).count() == 1


def test_of_those_that_name_a_version_one_is_too_late_or_an_ordinary_refusal(acme: Company) -> None:
    version = provider(acme).get(f"/Users/{acme.member.id}").headers["ETag"]
    answers = at_once(*[patch(acme, OFF, UNKNOWN, **{"if-match": version}) for _ in range(4)])
    assert sorted(answer.status for answer in answers) == [400, 412, 412, 412]
    assert sum(map(ended, answers)) == 1


def test_the_rest_of_a_departure_and_another_change_both_stay(acme: Company) -> None:
    path = f"/Users/{acme.member.id}"
    for number in range(8):
        User.objects.filter(pk=acme.member.pk).update(is_active=True)
        title, nick_name = (
            {"op": "replace", "path": name, "value": f"{name} {number}"} for name in ("title", "nickName")
        )
        for answer in at_once(patch(acme, OFF, title), patch(acme, nick_name)):
            answer.ok()
        found = provider(acme).get(path).ok()
        assert (found["active"], found["title"], found["nickName"]) == (False, f"title {number}", f"nickName {number}")
