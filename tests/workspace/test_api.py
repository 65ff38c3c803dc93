"""The JSON API: one person's own accounts and keys, and nobody else's."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.companies import PASSWORD, TESTS, Company
from tests.workspace import strangers
from workspace import access, accounts, deactivation, keys
from workspace.crypto import Secret
from workspace.models import ApiKey, Reveal

pytestmark = pytest.mark.django_db

ROUTES = [route for route in strangers.routes() if route.startswith("api/")]


def program(company: Company, key: str | None = None) -> Client:
    """A program that uses the company's member's API key."""
    return Client(headers={"authorization": f"Bearer {company.api_key if key is None else key}"})


def assert_problem(response: Any, status: int, code: str) -> None:
    body = response.json()
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]


def test_a_person_is_told_who_they_are(acme: Company) -> None:
    assert program(acme).get("/api/v1/me").json() == {
        "id": str(acme.member.id),
        "user_name": "member@acme.example",
        "email": "member@acme.example",
        "name": "Member Person",
        "role": "member",
        "workspace": {"slug": "acme", "name": "Acme"},
    }


def test_the_list_shows_the_accounts_a_person_may_use_and_no_password(acme: Company) -> None:
    accounts.create(acme.workspace, "Nobody's", actor=TESTS, password=Secret("unseen"))
    response = program(acme).get("/api/v1/accounts")

    (row,) = response.json()["results"]
    assert response.json()["count"] == 1
    assert row.keys() == {"id", "name", "username", "is_privileged", "password_set_at"}
    assert (row["id"], row["name"], row["username"]) == (str(acme.account.id), "Router", "root")
    assert row["password_set_at"] is not None
    assert acme.account_password.reveal() not in response.content.decode()


def test_the_list_is_searched_and_paged_in_a_fixed_number_of_queries(
    acme: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        account = accounts.create(acme.workspace, f"Switch {number:02}", actor=TESTS, username=f"u{number}")
        access.grant(account, acme.member, actor=TESTS)
    client = program(acme)
    with django_assert_num_queries(4):  # the key, its use noted, the count, the page
        first = client.get("/api/v1/accounts?search=SWITCH&page_size=20").json()
    with django_assert_num_queries(4):
        second = client.get(first["next"]).json()

    assert first["count"] == 30
    names = [row["name"] for row in first["results"] + second["results"]]
    assert names == [f"Switch {number:02}" for number in range(30)]
    assert client.get("/api/v1/accounts?search=u7").json()["count"] == 1
    assert client.get("/api/v1/accounts?search=%25").json()["count"] == 0


def test_a_reveal_gives_the_password_and_is_recorded(acme: Company) -> None:
    response = program(acme).post(f"/api/v1/accounts/{acme.account.id}/reveal")

    assert response.json() == {"username": "root", "password": acme.account_password.reveal()}
    assert response["Cache-Control"] == "no-store"
    assert Reveal.objects.get().user == acme.member


def test_nothing_is_revealed_by_get(acme: Company) -> None:
    response = program(acme).get(f"/api/v1/accounts/{acme.account.id}/reveal")
    assert_problem(response, 405, "method_not_allowed")
    assert not Reveal.objects.exists()


def test_an_account_without_a_password_says_so(acme: Company) -> None:
    empty = accounts.create(acme.workspace, "Empty", actor=TESTS)
    access.grant(empty, acme.member, actor=TESTS)
    assert program(acme).get(f"/api/v1/accounts/{empty.id}").json()["password_set_at"] is None
    assert_problem(program(acme).post(f"/api/v1/accounts/{empty.id}/reveal"), 400, "invalid")


def test_an_ended_grant_ends_the_reveal(acme: Company) -> None:
    access.end(acme.grant, actor=TESTS, reason="over")
    assert_problem(program(acme).post(f"/api/v1/accounts/{acme.account.id}/reveal"), 404, "not_found")
    assert_problem(program(acme).get(f"/api/v1/accounts/{acme.account.id}"), 404, "not_found")


def test_an_account_of_a_colleague_is_not_there(acme: Company) -> None:
    _, key = keys.issue(acme.owner, "owner", actor=TESTS)
    assert_problem(program(acme, key.reveal()).get(f"/api/v1/accounts/{acme.account.id}"), 404, "not_found")


def test_a_key_is_issued_once_listed_without_its_text_and_revoked(acme: Company) -> None:
    client, body = program(acme), {"label": "backup", "proof": PASSWORD}
    response = acme.browser(acme.member).post("/api/v1/keys", body, content_type="application/json")
    issued = response.json()

    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert program(acme, issued["key"]).get("/api/v1/me").status_code == 200
    listed = client.get("/api/v1/keys")
    assert [row["label"] for row in listed.json()["results"]] == ["backup", "laptop"]
    assert issued["key"] not in listed.content.decode()

    for _ in range(2):
        assert client.delete(f"/api/v1/keys/{issued['id']}").status_code == 204
    assert_problem(program(acme, issued["key"]).get("/api/v1/me"), 401, "authentication_failed")
    assert [row["label"] for row in client.get("/api/v1/keys").json()["results"]] == ["laptop"]


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": 1}, {"proof": "not my password"}])
def test_a_session_issues_a_key_only_with_a_proof(acme: Company, proof: dict[str, Any]) -> None:
    browser = acme.browser(acme.member)
    answer = browser.post("/api/v1/keys", {"label": "backup", **proof}, content_type="application/json")
    assert_problem(answer, 403, "refused")
    assert ApiKey.objects.for_workspace(acme.workspace).count() == 1


def test_a_key_issues_no_other(acme: Company) -> None:
    body = {"label": "backup", "proof": PASSWORD}
    assert_problem(program(acme).post("/api/v1/keys", body, content_type="application/json"), 403, "refused")
    assert ApiKey.objects.for_workspace(acme.workspace).count() == 1


@pytest.mark.parametrize("body", ["{}", '{"label": ""}', '{"label": "a\\u0000b"}', '{"label": "\\ud800"}', "[]", "{"])
def test_a_key_without_a_proper_label_is_a_problem(acme: Company, body: str) -> None:
    response = program(acme).post("/api/v1/keys", body, content_type="application/json")
    assert_problem(response, 400, "parse_error" if body == "{" else "invalid")
    assert ApiKey.objects.for_workspace(acme.workspace).count() == 1


def test_the_list_of_keys_takes_a_fixed_number_of_queries(
    acme: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        keys.issue(acme.member, f"key {number}", actor=TESTS)
    with django_assert_num_queries(4):  # the key, its use noted, the count, the page
        assert program(acme).get("/api/v1/keys").json()["count"] == 11


def test_one_person_cannot_revoke_anothers_key(acme: Company) -> None:
    key, _ = keys.issue(acme.owner, "owner", actor=TESTS)
    assert_problem(program(acme).delete(f"/api/v1/keys/{key.id}"), 404, "not_found")
    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("credential", ["none", "mistyped", "scim", "revoked", "basic"])
def test_without_a_valid_key_every_address_is_a_401(acme: Company, route: str, credential: str) -> None:
    if credential == "revoked":
        keys.revoke(ApiKey.objects.for_workspace(acme.workspace).get(), actor=TESTS)
    headers = {
        "none": {},
        "mistyped": {"authorization": f"Bearer {acme.api_key[:-1]}"},
        "scim": {"authorization": f"Bearer {acme.scim_token}"},
        "revoked": {"authorization": f"Bearer {acme.api_key}"},
        "basic": {"authorization": "Basic bWVtYmVyOng="},
    }
    client = Client(headers=headers[credential])
    for method in strangers.METHODS:
        response = getattr(client, method)(strangers.address(route, acme))
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("route", ROUTES)
def test_a_disabled_persons_key_and_session_are_a_401_at_once(acme: Company, route: str) -> None:
    clients = [program(acme), acme.browser(acme.member)]
    assert [client.get("/api/v1/me").status_code for client in clients] == [200, 200]
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    for client in clients:
        assert client.get(strangers.address(route, acme)).status_code == 401


def test_a_session_needs_its_csrf_token_to_change_or_reveal(acme: Company) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.member)
    reveal = f"/api/v1/accounts/{acme.account.id}/reveal"
    assert browser.get("/api/v1/accounts").status_code == 200
    assert_problem(browser.post(reveal), 403, "permission_denied")
    assert not Reveal.objects.exists()

    browser.get("/keys/")  # a page with a form sets the cookie
    token = next(cookie.value for name, cookie in browser.cookies.items() if name.startswith("cerby_csrf"))
    signed = browser.post(reveal, content_type="application/json", headers={"X-CSRFToken": token})
    assert signed.status_code == 200


@pytest.mark.parametrize("who", ["member's key", "owner's session"])
@pytest.mark.parametrize("route", ROUTES)
def test_acme_sees_and_changes_nothing_of_rivals(acme: Company, rival: Company, route: str, who: str) -> None:
    client = program(acme) if who == "member's key" else acme.browser()
    before = strangers.everything(rival)
    for method in strangers.METHODS:
        response = getattr(client, method)(strangers.address(route, rival), content_type="application/json")
        assert response.status_code in ({404, 405} if "<" in route else {200, 201, 400, 405})
        text = response.content.decode()
        assert "rival" not in text
        assert not any(str(known) in text for known in strangers.ids(rival))
    assert strangers.everything(rival) == before
