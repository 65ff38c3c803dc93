"""The support desk's commands on SCIM tokens."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from tests.companies import TESTS, Company
from tests.terminal import run

pytestmark = pytest.mark.django_db


def okta_gets_in(token: str) -> bool:
    answer = Client(headers={"authorization": f"Bearer {token}"}).get("/scim/v2/Users")
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


def test_a_token_is_issued_and_works(acme: Company) -> None:
    answer = run("issue_scim_token", "acme", "--label", "Production", "--days", "30", "--show-token")
    token = ScimToken.objects.get(pk=answer.data["id"])

    assert okta_gets_in(answer.data["token"])
    assert answer.data["scim_base_url"] == f"{settings.BASE_URL}/scim/v2/"
    assert (token.label, token.workspace) == ("Production", acme.workspace)
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)


def test_a_token_that_would_not_be_shown_is_not_issued(acme: Company) -> None:
    answer = run("issue_scim_token", "acme", "--label", "x")
    assert (answer.code, "--show-token" in answer.said) == (2, True)
    assert ScimToken.objects.count() == 1


@pytest.mark.parametrize("arguments", [("--label", " "), ("--label", "x" * 81), ("--label", "x", "--days", "0")])
def test_a_token_needs_a_label_and_a_lifetime(acme: Company, arguments: tuple[str, ...]) -> None:
    assert run("issue_scim_token", "acme", *arguments, "--show-token").code == 1
    assert ScimToken.objects.count() == 1


@pytest.mark.parametrize("by", ["label", "id"])
def test_a_revoked_token_opens_nothing(acme: Company, rival: Company, by: str) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    assert okta_gets_in(acme.scim_token)
    for _ in range(2):
        answer = run("revoke_scim_token", "acme", token.label if by == "label" else token.id)
        assert (answer.code, answer.data["id"]) == (0, str(token.id))
    assert "revoked before" in answer.said
    assert not okta_gets_in(acme.scim_token)
    assert okta_gets_in(rival.scim_token)
    assert acme.scim_token not in answer.out


def test_a_label_that_means_two_tokens_is_refused(acme: Company) -> None:
    tokens.issue(acme.workspace, "Okta", actor=TESTS)
    answer = run("revoke_scim_token", "acme", "Okta")
    assert (answer.code, "Give the id" in answer.said) == (1, True)
    assert not ScimToken.objects.exclude(revoked_at=None).exists()


def test_the_label_of_a_replaced_token_means_the_one_that_works(acme: Company) -> None:
    old = ScimToken.objects.get(workspace=acme.workspace)
    new, _ = tokens.regenerate(old, actor=TESTS, overlap=timedelta())
    assert run("revoke_scim_token", "acme", "Okta").data["id"] == str(new.id)


def test_a_label_that_was_used_again_means_the_live_token(acme: Company) -> None:
    run("revoke_scim_token", "acme", "Okta")
    new, _ = tokens.issue(acme.workspace, "Okta", actor=TESTS)
    assert run("revoke_scim_token", "acme", "Okta").data["id"] == str(new.id)
    assert run("revoke_scim_token", "acme", "Unknown").code == 1
