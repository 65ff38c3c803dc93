"""Thousands of requests that nobody would send: never a 5xx, and every refusal is a SCIM error."""

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests import generators
from tests.companies import TESTS, Company
from tests.generators import examples
from tests.scim.dialects.http import ERROR
from tests.scim.requests import Request, fitting, wild
from tests.scim.rows import digest
from workspace import deactivation

pytestmark = [pytest.mark.django_db, pytest.mark.generated, generators.timeout(1200)]

REQUESTS = 5_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
AFTER_A_WRITE = (
    "/Users",
    "/Groups?sortBy=displayName&sortOrder=descending",
    "/Users?filter=title+pr+or+emails.value+co+%22a%22",
)
CREDENTIALS = ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer \xff", "Bearer scim_x_y", "x" * 9000, "Bearer a b"]


class Surface:
    """Sends requests in-process, counts them and holds each answer to the rules. Every example is undone."""

    def __init__(self, acme: Company, rival: Company) -> None:
        leaver, foreign = acme.person("leaver"), rival.person("leaver")
        deactivation.deactivate(leaver, actor=TESTS, reason="left")
        self.token = acme.scim_token
        self.ids = {
            "«person»": str(acme.member.pk), "«leaver»": str(leaver.pk), "«team»": str(acme.team.pk),
            "«foreign person»": str(rival.member.pk), "«foreign leaver»": str(foreign.pk),
            "«foreign team»": str(rival.team.pk), "«foreign token»": str(uuid4()),
            "«foreign account»": str(rival.account.pk),
        }  # fmt: skip
        self.client = Client(raise_request_exception=False)
        self.answers: Counter[int] = Counter()

    def play(self, request: Request, credential: str | None = None) -> None:
        """The request, and after a write what anybody would read next; then all of it is rolled back."""
        with transaction.atomic():
            response = self.send(request.filled(self.ids), credential)
            if response.status_code in {200, 201, 204} and request.method not in {"GET", "HEAD"}:
                for target in AFTER_A_WRITE:
                    assert self.send(Request("GET", target, (), b""), None).status_code == 200
            transaction.set_rollback(True)

    def send(self, request: Request, credential: str | None) -> HttpResponse:
        headers = dict(request.headers)
        content_type = headers.pop("content-type", "")
        headers["authorization"] = f"Bearer {self.token}" if credential is None else credential
        response: Any = self.client.generic(
            request.method, f"/scim/v2{request.target}", request.body, content_type=content_type, headers=headers
        )
        self.answers[response.status_code] += 1
        check(request, response)
        return response  # type: ignore[no-any-return]


def check(request: Request, response: HttpResponse) -> None:
    status, text = response.status_code, response.content
    unserved = status == 501 and re.match(r"/Me\b", request.target)
    assert status < 500 or unserved, (status, text)
    assert status in {200, 201, 204, 304} or status >= 400, (status, response.headers)
    assert (text == b"") >= (status in {204, 304})
    if request.method == "HEAD" or not text:
        assert status < 400 or request.method == "HEAD"
        return
    document = json.loads(text)
    assert response.headers["Content-Type"].startswith("application/scim+json")
    if status >= 400:
        assert document["schemas"] == [ERROR]
        assert document["status"] == str(status)
        assert isinstance(document["detail"], str)
        assert document["detail"]
    assert (status == 401) == ("WWW-Authenticate" in response.headers)
    assert (status == 405) == ("Allow" in response.headers)


@pytest.fixture
def surface(acme: Company, rival: Company) -> Surface:
    return Surface(acme, rival)


def test_no_request_breaks_the_server(surface: Surface, rival: Company, capsys: pytest.CaptureFixture[str]) -> None:
    before = digest(rival.workspace)

    @examples(1_300)
    @given(fitting())
    def likely(request: Request) -> None:
        surface.play(request)

    @examples(600)
    @given(wild())
    def unlikely(request: Request) -> None:
        for method in METHODS:
            surface.play(replace(request, method=method))

    @examples(100)
    @given(wild(), st.sampled_from(CREDENTIALS))
    def uninvited(request: Request, credential: str) -> None:
        surface.play(request, credential)

    likely()
    unlikely()
    uninvited()
    with capsys.disabled():
        print(f"\n{surface.answers.total()} requests: {dict(sorted(surface.answers.items()))}")  # noqa: T201
    assert surface.answers.total() >= REQUESTS
    assert {200, 201, 204, 400, 401, 404, 405} <= surface.answers.keys()
    assert digest(rival.workspace) == before
