"""A guest past their time is disabled for the identity provider, whether or not the sweep has come by."""

from collections.abc import Callable

import pytest
from django.db.models.functions import Now

from rotation.departures import guests
from rotation.models import Offboarding
from tests.companies import Company
from tests.scim.dialects.http import Answer, Provider
from tests.scim.leaving import OFF, UNKNOWN, ended, patch_op, put_body
from workspace.models import AuditEvent, User

pytestmark = pytest.mark.django_db

ON = {**OFF, "value": True}


@pytest.fixture(params=["before the sweep", "after the sweep"])
def expired(acme: Company, request: pytest.FixtureRequest) -> User:
    User.objects.filter(pk=acme.member.pk).update(expires_at=Now())
    if request.param == "after the sweep":
        assert guests.end_expired() == 1
    return acme.member


def departures(user: User) -> list[tuple[str, str]]:
    return [(each.cause, each.actor["label"]) for each in Offboarding.objects.filter(user=user)]


BY_TIME = [(guests.EXPIRED, guests.EXPIRY.label)]


def test_they_are_not_active_in_any_answer(okta: Provider, acme: Company, expired: User) -> None:
    assert okta.get(f"/Users/{expired.id}").ok()["active"] is False
    shown = {each["id"]: each["active"] for each in okta.get("/Users").ok()["Resources"]}
    assert shown == {str(expired.id): False, str(acme.owner.id): True}
    for question, found in {
        "active eq true": [acme.owner], "active eq false": [expired], "active ne true": [expired],
        "not (active eq true)": [expired], "active pr": [acme.owner, expired],
        f'userName eq "{expired.user_name}" and active eq true': [],
    }.items():  # fmt: skip
        answer = okta.get(f"/Users?filter={question}").ok()
        assert {each["id"] for each in answer["Resources"]} == {str(user.id) for user in found}, question
    ordered = okta.get("/Users?sortBy=active").ok()["Resources"]
    assert [each["active"] for each in ordered] == [False, True]


LETS_IN: dict[str, Callable[[Provider, Company, str], Answer]] = {
    "PATCH": lambda okta, acme, path: okta.patch(path, ON),
    "PUT": lambda okta, acme, path: okta.put(path, put_body(acme, active=True)),
    "POST": lambda okta, acme, path: okta.post("/Users", put_body(acme, active=True)),
}


@pytest.mark.parametrize("way", sorted(LETS_IN))
def test_they_are_let_in_as_anybody_disabled(okta: Provider, acme: Company, expired: User, way: str) -> None:
    answer = LETS_IN[way](okta, acme, f"/Users/{expired.id}").ok(201 if way == "POST" else 200)
    assert (answer["id"], answer["active"], answer.get("groups")) == (str(expired.id), True, None)
    expired.refresh_from_db()
    assert (expired.has_access, expired.expires_at) == (True, None)
    assert departures(expired) == BY_TIME
    verbs = AuditEvent.objects.filter(subject_id=str(expired.pk), verb__in=["person.deactivated", "person.reactivated"])
    assert list(verbs.order_by("id").values_list("verb", flat=True)) == ["person.deactivated", "person.reactivated"]
    assert guests.end_expired() == 0


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE", "title"])
def test_what_leaves_them_out_settles_their_departure(
    okta: Provider, acme: Company, expired: User, method: str
) -> None:
    path = f"/Users/{expired.id}"
    body = {"PATCH": patch_op(OFF), "PUT": put_body(acme), "DELETE": None}.get(
        method, patch_op({"op": "replace", "path": "title", "value": "Countess"})
    )
    answer = okta.send("PATCH" if method == "title" else method, path, body)
    assert answer.status == (204 if method == "DELETE" else 200)
    if method == "title":
        assert (answer.body["active"], answer.body["title"]) == (False, "Countess")
    expired.refresh_from_db()
    assert expired.is_active is False
    assert departures(expired) == BY_TIME


def test_an_off_that_is_refused_settles_it_too(okta: Provider, acme: Company) -> None:
    User.objects.filter(pk=acme.member.pk).update(expires_at=Now())
    assert ended(okta.patch(f"/Users/{acme.member.id}", OFF, UNKNOWN))
    assert departures(acme.member) == BY_TIME
