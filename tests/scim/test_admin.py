"""SCIM tokens in the console: shown once, revoked at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import text_of
from tests.workspace.test_admin_acts import page, post
from workspace.errors import Refused
from workspace.models import AuditEvent

pytestmark = pytest.mark.django_db

LIST = "/admin/scim/scimtoken/"


def test_a_token_is_shown_once_with_the_base_url(acme: Company, settings: Any) -> None:
    data = {"label": "Okta production", "scope": "users", "days": "90", "proof": PASSWORD}
    answer = acme.browser().post(f"{LIST}add/", data)
    secret = answer.context["secret"]
    token = tokens.authenticate(secret, address=None)
    assert (token.workspace, token.label, token.scope) == (acme.workspace, "Okta production", "users")
    assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)
    assert token.created_by["id"] == str(acme.owner.pk)
    assert "no-store" in answer["Cache-Control"]
    assert f"{settings.BASE_URL}/scim/v2/" in answer.content.decode()
    for path in (LIST, page(token), page(token, "revoke"), "/admin/workspace/auditevent/"):
        assert secret[-20:] not in text_of(acme.browser(), path)


@pytest.mark.parametrize(
    "data",
    [
        {"label": "", "days": "9"}, {"label": "x", "days": "0"}, {"label": "x" * 81, "days": "9"},
        {"label": "x", "days": "9", "scope": "none"}, {"label": "x", "days": "9", "scope": ""},
    ],
)  # fmt: skip
def test_a_token_needs_a_label_a_lifetime_and_a_scope(acme: Company, data: dict[str, str]) -> None:
    post(acme.browser(), f"{LIST}add/", **{"scope": "all", **data}, proof=PASSWORD)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": "not my password"}])
def test_issuing_and_regenerating_ask_for_a_proof(acme: Company, proof: dict[str, str]) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    browser = acme.browser()
    assert 'name="proof"' in text_of(browser, f"{LIST}add/")
    assert 'name="proof"' in text_of(browser, page(token, "regenerate"))
    post(browser, f"{LIST}add/", label="Okta production", scope="all", days="90", **proof)
    post(browser, page(token, "regenerate"), overlap_hours="24", **proof)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1


def test_who_has_just_signed_in_is_not_asked_again(acme: Company) -> None:
    browser = Client()
    browser.post("/login/", {"username": "owner@acme.example", "password": PASSWORD})
    assert 'name="proof"' not in text_of(browser, f"{LIST}add/")
    assert "secret" in browser.post(f"{LIST}add/", {"label": "Okta production", "scope": "all", "days": "90"}).context


def test_a_regenerated_token_is_shown_once_and_the_old_one_goes_on_for_a_while(acme: Company, rival: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    ScimToken.objects.filter(pk=token.pk).update(scope="groups")
    assert page(token, "regenerate") in text_of(acme.browser(), page(token))
    answer = acme.browser().post(page(token, "regenerate"), {"overlap_hours": "5", "proof": PASSWORD})
    secret = answer.context["secret"]
    new = tokens.authenticate(secret, address=None)
    assert (new.workspace, new.label, new.scope) == (acme.workspace, token.label, "groups")
    assert tokens.authenticate(acme.scim_token, address=None) == token
    token.refresh_from_db()
    assert timedelta(hours=4) < token.expires_at - timezone.now() <= timedelta(hours=5)
    assert "no-store" in answer["Cache-Control"]
    shown = text_of(acme.browser(), page(token))
    assert "Ending, replaced" in shown
    assert page(new) in shown
    assert page(token, "regenerate") not in shown
    assert "replaced already" in post(acme.browser(), page(token, "regenerate"), overlap_hours="5", proof=PASSWORD)
    for path in (LIST, page(token), page(new), page(new, "regenerate"), "/admin/workspace/auditevent/"):
        assert secret[-20:] not in text_of(acme.browser(), path)
    assert AuditEvent.objects.get(verb="scim_token.replaced").detail["replaced_by"] == str(new.pk)


@pytest.mark.parametrize("hours", ["-1", "169", "", "x"])
def test_the_overlap_is_between_0_and_168_hours(acme: Company, hours: str) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    post(acme.browser(), page(token, "regenerate"), overlap_hours=hours, proof=PASSWORD)
    token.refresh_from_db()
    assert (token.replaced_by, ScimToken.objects.count()) == (None, 1)


def test_nobody_regenerates_a_token_of_another_workspace(acme: Company, rival: Company) -> None:
    theirs = ScimToken.objects.get(workspace=rival.workspace)
    post(acme.browser(), page(theirs, "regenerate"), overlap_hours="0", proof=PASSWORD)
    assert acme.browser(acme.member).post(page(theirs, "regenerate"), {"overlap_hours": "0"}).status_code != 200
    theirs.refresh_from_db()
    assert theirs.replaced_by is None
    assert tokens.authenticate(rival.scim_token, address=None) == theirs
    assert ScimToken.objects.count() == 2


def test_a_replaced_token_is_not_about_to_expire(acme: Company) -> None:
    def soon() -> int:
        figures = [figure for card in acme.browser().get("/admin/").context["cards"] for figure in card.figures]
        return next(int(figure.count) for figure in figures if figure.label == "Ending within 20 days")

    token = ScimToken.objects.get(workspace=acme.workspace)
    ScimToken.objects.update(expires_at=timezone.now() + timedelta(days=19), created_at=timezone.now())
    assert soon() == 1
    new, _ = tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=1))
    ScimToken.objects.filter(pk=new.pk).update(expires_at=timezone.now() + timedelta(days=300))
    assert soon() == 0


def test_a_revoked_token_is_refused_from_then_on(acme: Company, rival: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    assert "refused from now on" in text_of(acme.browser(), page(token, "revoke"))
    tokens.authenticate(acme.scim_token, address=None)
    post(acme.browser(), page(token, "revoke"))
    with pytest.raises(Refused, match="revoked"):
        tokens.authenticate(acme.scim_token, address=None)
    assert tokens.authenticate(rival.scim_token, address=None)
    assert "revoked already" in post(acme.browser(), page(token, "revoke"))


def test_the_list_tells_state_last_use_and_expiry(acme: Company) -> None:
    tokens.authenticate(acme.scim_token, address="203.0.113.7")
    shown = text_of(acme.browser(), LIST)
    assert "203.0.113.7" in shown
    assert "Valid" in shown
    assert ScimToken.objects.get(workspace=acme.workspace).expires_at.isoformat() in shown
    ScimToken.objects.update(expires_at=timezone.now())
    assert acme.browser().get(f"{LIST}?state=expired").context["cl"].result_count == 1
    assert acme.browser().get(f"{LIST}?state=valid").context["cl"].result_count == 0


def test_the_list_is_filtered_by_scope(acme: Company, rival: Company) -> None:
    tokens.issue(acme.workspace, "looks only", actor=TESTS, scope="read")
    shown = acme.browser().get(f"{LIST}?scope=read")
    assert [row.label for row in shown.context["cl"].result_list] == ["looks only"]
    assert "Read only" in shown.content.decode()
    assert acme.browser().get(f"{LIST}?scope=all").context["cl"].result_count == 1
