"""What no address takes: the same refusal everywhere, in the words of each entrance."""

import json
from typing import Any

import pytest
from django.test import Client

from tests.companies import Company
from workspace import policy, request_checks

pytestmark = pytest.mark.django_db

PAGES = (
    "/",
    "/login/",
    "/admin/",
    "/admin/workspace/user/",
    "/certificates/keys/x",
    "/nothing/",
    "/static/web/web.css",
)


def refused(answer: Any, status: int) -> str:
    """The sentence of a refusal, once its form was looked at."""
    assert answer.status_code == status
    if answer.request["PATH_INFO"].startswith("/api/"):
        body = json.loads(answer.content)
        assert (answer["Content-Type"], body["status"]) == ("application/problem+json", status)
        assert {"type", "title", "detail", "code"} <= body.keys()
        return str(body["detail"])
    assert answer["Content-Type"].startswith("text/html")
    assert answer["Content-Security-Policy"] in {policy.STRICT, policy.CONSOLE}
    return str(answer.content.decode())


@pytest.mark.parametrize("path", [*PAGES, "/api/v1/me", "/api/v1/accounts", "/api/v1/removals"])
def test_u_0000_in_an_address_or_a_cookie_is_400(acme: Company, settings: Any, path: str) -> None:
    for client in (acme.browser(), Client(), Client(headers={"authorization": f"Bearer {acme.api_key}"})):
        for target in (f"{path}?q=%00", f"{path}?x=1&a%00b", f"{path}%00"):
            assert "U+0000" in refused(client.get(target), 400)
        client.cookies.clear()
        assert "U+0000" in refused(client.get(path, HTTP_COOKIE='x="a\\000b"'), 400)


@pytest.mark.parametrize("query", ["%2500", "%", "%0", "0=%C3%BC", "a%20b"])
def test_what_only_looks_like_it_is_read(acme: Company, query: str) -> None:
    assert acme.browser().get("/", QUERY_STRING=f"q={query}").status_code == 200


@pytest.mark.parametrize("kid", ["%00", "a%00b"])
def test_the_key_of_a_certificate(kid: str) -> None:
    assert Client().get(f"/certificates/keys/{kid}").status_code == 400
    assert Client().get("/certificates/keys/unknown").status_code == 404


def test_the_choices_of_a_select_box(acme: Company) -> None:
    asked = "/admin/autocomplete/?app_label=workspace&model_name=grant&field_name=account&term="
    assert acme.browser().get(asked + "%00").status_code == 400
    assert acme.browser().get(asked + "Rou").json()["results"]


@pytest.mark.parametrize(("announced", "status"), [("9" * 30, 413), ("x", 400), ("-1", 400), ("1e9", 400), ("٣", 400)])
def test_a_length_is_judged_before_anything_is_read(acme: Company, announced: str, status: int) -> None:
    for path in ("/login/", "/admin/workspace/team/add/", "/api/v1/keys"):
        refused(acme.browser().post(path, CONTENT_LENGTH=announced), status)
    answer = acme.okta().post("/scim/v2/Users", "{}", content_type="application/scim+json", CONTENT_LENGTH=announced)
    assert (answer.status_code, answer.json()["status"]) == (status, str(status))


def test_a_form_for_two_thousand_people_is_read(acme: Company) -> None:
    answer = acme.browser().post(f"/admin/workspace/user/{acme.member.pk}/role/", {"people": ["x"] * 2105, "role": "y"})
    assert answer.status_code == 200
    assert "Change the role" in answer.content.decode()


# JSON at the API


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"label": ' * 30 + "1" + "}" * 30, '{"label": "k", "proof": "\\ud800"}', '{"\\u0000": 1}',
     '{"label": 1' + "0" * 5000 + "}", '{"label": "k", "proof": ["\\udfff"]}', "NaN", "\ud800"],
)  # fmt: skip
def test_json_that_cannot_be_kept_is_a_problem(acme: Company, body: str) -> None:
    sent = body.encode("utf-8", "surrogatepass")
    for client in (acme.browser(), Client(headers={"authorization": f"Bearer {acme.api_key}"})):
        refused(client.post("/api/v1/keys", sent, content_type="application/json"), 400)


@pytest.mark.parametrize(
    ("path", "largest"),
    [
        ("/scim/v2/Users", 16 * 1024 * 1024),
        ("/login/", request_checks.FORM_BYTES),
        ("/api/v1/keys", request_checks.FORM_BYTES),
        ("/scim/v2", request_checks.FORM_BYTES),
    ],
)
def test_only_a_provider_may_send_much(settings: Any, path: str, largest: int) -> None:
    settings.SCIM_PAYLOAD_BYTES = 16 * 1024 * 1024
    assert request_checks.limit_of(path) == largest
    settings.SCIM_PAYLOAD_BYTES = 1024
    assert request_checks.limit_of(path) == 1024
