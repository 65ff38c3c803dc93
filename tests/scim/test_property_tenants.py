"""Two tenants: nothing that acme's token may ask, whatever it is made of, reveals or changes anything of the rival's.

Two rules are held against every request. The rival's rows are the same afterwards, to the byte. And an id of the
rival's is worth exactly as much as an id that never existed: the same request with the one or the other is answered
alike, and leaves acme alike, so that not even the existence of a person can be told.
"""

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from scim.models import ScimToken
from tests import generators
from tests.companies import TESTS, Company
from tests.generators import examples
from tests.scim.requests import FILTERS, FOREIGN, OWN, Request, fitting, wild
from tests.scim.rows import digest
from workspace import deactivation

pytestmark = [pytest.mark.django_db, pytest.mark.generated, generators.timeout(900)]

# What differs between two runs of one request, and says nothing of anybody.
_PASSING = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r'|(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<version>W/\\"[0-9a-f]+\\")|(?P<cursor>"nextCursor":"[^"]+")',
    re.IGNORECASE,
)


class Neighbours:
    """acme, whose token is used, beside the rival, each with somebody active, somebody gone and a team."""

    def __init__(self, acme: Company, rival: Company) -> None:
        self.rival = rival.workspace
        leaver, foreign = acme.person("leaver"), rival.person("leaver")
        for gone in (leaver, foreign):
            deactivation.deactivate(gone, actor=TESTS, reason="left")
        token = ScimToken.objects.get(workspace=rival.workspace).pk
        own = [acme.member.pk, leaver.pk, acme.team.pk]
        theirs: list[UUID] = [rival.member.pk, foreign.pk, rival.team.pk, token, rival.account.pk]
        self.own = dict(zip(OWN, map(str, own), strict=True))
        self.theirs = dict(zip(FOREIGN, map(str, theirs), strict=True))
        # Alike up to the last digits: as the text it is, an id may begin with a letter, and then be a name, or not.
        self.nobodys = {name: identifier[:24] + uuid4().hex[:12] for name, identifier in self.theirs.items()}
        self.client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {acme.scim_token}"})
        self.before = digest(self.rival)

    def ask(self, request: Request, foreign: dict[str, str]) -> tuple[int, str]:
        """The answer, and what acme then sees of itself; undone afterwards. Ids of the request stay nameless."""
        filled = request.filled({**self.own, **foreign})
        with transaction.atomic():
            response = self._send(filled)
            seen = [response.content.decode()]
            seen += [self._send(Request("GET", target, (), b"")).content.decode() for target in ("/Users", "/Groups")]
            assert digest(self.rival) == self.before
            transaction.set_rollback(True)
        for text in seen:
            self._reveals_nothing(text, filled)
        return response.status_code, self._nameless("\n".join(seen), foreign)

    def _send(self, request: Request) -> HttpResponse:
        headers = dict(request.headers)
        content_type = headers.pop("content-type", "")
        response: Any = self.client.generic(
            request.method, f"/scim/v2{request.target}", request.body, content_type=content_type, headers=headers
        )
        return response  # type: ignore[no-any-return]

    def _reveals_nothing(self, text: str, request: Request) -> None:
        assert "rival" not in text.lower()
        sent = (request.target.encode() + request.body).lower()
        for identifier in self.theirs.values():
            assert identifier not in text or identifier.encode() in sent

    def _nameless(self, text: str, foreign: dict[str, str]) -> str:
        names = {identifier: name for name, identifier in {**self.own, **foreign}.items()}
        return _PASSING.sub(lambda found: names.get(found[0].lower(), f"‹{found.lastgroup}›"), text)


@pytest.fixture
def neighbours(acme: Company, rival: Company) -> Neighbours:
    return Neighbours(acme, rival)


def names_the_rival(request: Request) -> bool:
    return request.filled(dict.fromkeys(FOREIGN, "")) != request


def test_no_request_that_names_the_rival_learns_or_changes_anything(neighbours: Neighbours) -> None:
    @examples(200)
    @given(fitting().filter(names_the_rival))
    def rule(request: Request) -> None:
        assert neighbours.ask(request, neighbours.theirs) == neighbours.ask(request, neighbours.nobodys)

    rule()


def test_no_odd_request_does_either(neighbours: Neighbours) -> None:
    @examples(150)
    @given(wild())
    def rule(request: Request) -> None:
        assert neighbours.ask(request, neighbours.theirs) == neighbours.ask(request, neighbours.nobodys)

    rule()


@pytest.mark.parametrize("kind", ["Users", "Groups", ""])
def test_no_filter_reaches_across(neighbours: Neighbours, kind: str) -> None:
    address = f"/{kind}/.search" if kind else "/.search"

    @examples(60)
    @given(FILTERS, st.sampled_from(FOREIGN))
    def rule(text: str, name: str) -> None:
        widened = f'{text} or id eq "{name}" or id pr'
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": widened, "count": 1000}
        request = Request("POST", address, (("content-type", "application/scim+json"),), json.dumps(body).encode())
        assert neighbours.ask(request, neighbours.theirs) == neighbours.ask(request, neighbours.nobodys)

    rule()


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["Users", "Groups"])
@pytest.mark.parametrize("name", FOREIGN)
def test_an_id_of_the_rivals_is_an_id_of_nobody(neighbours: Neighbours, kind: str, method: str, name: str) -> None:
    body = b'{"userName":"x@acme.example","displayName":"X","Operations":[{"op":"replace","value":{"active":false}}]}'
    headers = (("content-type", "application/scim+json"),)
    request = Request(method, f"/{kind}/{name}", headers, body if method in {"PUT", "PATCH"} else b"")
    found = neighbours.ask(request, neighbours.theirs)
    assert found == neighbours.ask(request, neighbours.nobodys)
    assert found[0] == 404
