"""The token decides the workspace, and nothing else lets anybody in."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from tests.companies import TESTS, Company
from workspace.crypto import Secret
from workspace.errors import Conflict, Invalid
from workspace.models import Notice

pytestmark = pytest.mark.django_db


def knock(authorization: str | None) -> Any:
    headers = {"authorization": authorization} if authorization is not None else {}
    return Client(headers=headers).get("/scim/v2/Users")


def test_bearer_and_the_bare_token_are_accepted(acme: Company) -> None:
    assert knock(f"Bearer {acme.scim_token}").status_code == 200
    assert knock(f"bearer   {acme.scim_token}").status_code == 200
    assert knock(acme.scim_token).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic abc def", "cerby_scim_" + "a" * 48])
def test_anything_else_is_a_scim_401(acme: Company, authorization: str | None) -> None:
    answer = knock(authorization)
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/scim+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["status"] == "401"
    assert answer.json()["detail"]


def test_a_browser_session_opens_no_door(acme: Company) -> None:
    assert acme.browser().get("/scim/v2/Users").status_code == 401


def test_an_api_key_opens_no_door(acme: Company) -> None:
    assert knock(f"Bearer {acme.api_key}").status_code == 401


def test_a_token_with_one_character_changed_is_refused_without_a_query(
    acme: Company, django_assert_num_queries: Any
) -> None:
    last = "a" if acme.scim_token[-1] != "a" else "b"
    with django_assert_num_queries(0):
        assert knock(f"Bearer {acme.scim_token[:-1]}{last}").status_code == 401


def test_a_revoked_token_says_so_to_its_holder(acme: Company, rival: Company) -> None:
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    assert "revoked" in knock(f"Bearer {acme.scim_token}").json()["detail"]
    assert knock(f"Bearer {rival.scim_token}").status_code == 200


def test_owners_are_told_once_that_an_ended_token_is_still_used(acme: Company, rival: Company) -> None:
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    for _ in range(2):
        assert knock(f"Bearer {acme.scim_token}").status_code == 401
    notice = Notice.objects.get(kind=Notice.Kind.TOKEN_REFUSED)
    assert (notice.workspace, "Okta" in notice.summary) == (acme.workspace, True)
    assert acme.scim_token[-20:] not in notice.summary


def test_an_expired_token_says_so_to_its_holder(acme: Company) -> None:
    ScimToken.objects.filter(workspace=acme.workspace).update(expires_at=timezone.now() - timedelta(days=1))
    assert "expired" in knock(f"Bearer {acme.scim_token}").json()["detail"]


def test_a_regenerated_token_overlaps_and_then_the_old_one_says_so(acme: Company, rival: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    lifetime = token.expires_at - token.created_at
    new, text = tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=2))
    assert knock(acme.scim_token).status_code == knock(text.reveal()).status_code == 200
    assert abs(new.expires_at - new.created_at - lifetime) < timedelta(minutes=1)
    ScimToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    assert "was replaced" in knock(acme.scim_token).json()["detail"]
    assert knock(text.reveal()).status_code == knock(rival.scim_token).status_code == 200


def test_an_overlap_of_none_ends_the_old_token_at_once(acme: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    _, text = tokens.regenerate(token, actor=TESTS, overlap=timedelta())
    assert (knock(acme.scim_token).status_code, knock(text.reveal()).status_code) == (401, 200)


def test_an_overlap_never_lengthens_the_old_token(acme: Company) -> None:
    end = timezone.now() + timedelta(hours=1)
    ScimToken.objects.filter(workspace=acme.workspace).update(expires_at=end)
    token = ScimToken.objects.get(workspace=acme.workspace)
    tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=168))
    token.refresh_from_db()
    assert token.expires_at == end


def test_a_token_is_regenerated_once_and_not_after_it_was_revoked(acme: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    new, _ = tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=1))
    with pytest.raises(Conflict, match="replaced already"):
        tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=1))
    tokens.revoke(new, actor=TESTS)
    with pytest.raises(Conflict, match="revoked"):
        tokens.regenerate(new, actor=TESTS, overlap=timedelta(hours=1))


@pytest.mark.parametrize("hours", [-1, 169])
def test_an_overlap_is_of_0_to_168_hours(acme: Company, hours: int) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    with pytest.raises(Invalid, match="168"):
        tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=hours))


def test_the_database_lets_no_token_be_replaced_by_anothers(acme: Company, rival: Company) -> None:
    theirs = ScimToken.objects.get(workspace=rival.workspace)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScimToken.objects.filter(workspace=acme.workspace).update(replaced_by=theirs)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_token_is_stored_as_a_digest_only(acme: Company) -> None:
    row = ScimToken.objects.filter(workspace=acme.workspace).values().get()
    assert acme.scim_token not in str(row)
    assert bytes(row["digest"]) != acme.scim_token.encode()


def test_the_last_use_is_noted_at_most_once_a_minute(acme: Company) -> None:
    knock(acme.scim_token)
    first = ScimToken.objects.get(workspace=acme.workspace)
    assert (first.last_used_at is not None, first.last_used_from) == (True, "127.0.0.1")
    knock(acme.scim_token)
    assert ScimToken.objects.get(workspace=acme.workspace).last_used_at == first.last_used_at


@pytest.mark.parametrize(
    ("proxies", "forwarded", "noted"),
    [
        (0, "203.0.113.7", "127.0.0.1"), (1, "10.0.0.1, 203.0.113.7", "203.0.113.7"),
        (1, "203.0.113.7:443", "203.0.113.7"),
        (1, "[2001:db8::1]:443", "2001:db8::1"), (1, "2001:db8::1", "2001:db8::1"), (1, "unknown", None),
        (2, "203.0.113.7", "127.0.0.1"),
    ],
)  # fmt: skip
def test_the_address_of_the_last_use_is_what_the_trusted_proxy_saw(
    acme: Company, settings: Any, proxies: int, forwarded: str, noted: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert acme.okta().get("/scim/v2/Users", headers={"x-forwarded-for": forwarded}).status_code == 200
    assert ScimToken.objects.get(workspace=acme.workspace).last_used_from == noted


def test_discovery_answers_with_counters(acme: Company) -> None:
    for path, known in (("ResourceTypes", "User"), ("Schemas", "urn:ietf:params:scim:schemas:core:2.0:User")):
        listed = acme.okta().get(f"/scim/v2/{path}").json()
        assert listed["totalResults"] == len(listed["Resources"]) == listed["itemsPerPage"]
        assert acme.okta().get(f"/scim/v2/{path}/{known}").json()["id"] == known
        assert acme.okta().get(f"/scim/v2/{path}/none").status_code == 404
    assert acme.okta().get("/scim/v2/ServiceProviderConfig").json()["patch"] == {"supported": True}


def test_a_token_never_shows_in_a_repr(acme: Company) -> None:
    _, text = tokens.issue(acme.workspace, "second", actor=TESTS)
    assert isinstance(text, Secret)
    assert repr(text) == str(text) == f"{text}" == "***"
