"""SCIM tokens in the console: shown once, revoked at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from tests.companies import Company
from tests.console_world import text_of
from tests.workspace.test_admin_acts import page, post
from workspace.errors import Refused

pytestmark = pytest.mark.django_db

LIST = "/admin/scim/scimtoken/"


def test_a_token_is_shown_once_with_the_base_url(acme: Company, settings: Any) -> None:
    answer = acme.browser().post(f"{LIST}add/", {"label": "Okta production", "days": "90"})
    secret = answer.context["secret"]
    token = tokens.authenticate(secret, address=None)
    assert (token.workspace, token.label) == (acme.workspace, "Okta production")
    assert timedelta(days=89) < token.expires_at - timezone.now() <= timedelta(days=90)
    assert token.created_by["id"] == str(acme.owner.pk)
    assert "no-store" in answer["Cache-Control"]
    assert f"{settings.BASE_URL}/scim/v2/" in answer.content.decode()
    for path in (LIST, page(token), page(token, "revoke"), "/admin/workspace/auditevent/"):
        assert secret[-20:] not in text_of(acme.browser(), path)


@pytest.mark.parametrize(
    "data", [{"label": "", "days": "9"}, {"label": "x", "days": "0"}, {"label": "x" * 81, "days": "9"}]
)
def test_a_token_needs_a_label_and_a_lifetime(acme: Company, data: dict[str, str]) -> None:
    post(acme.browser(), f"{LIST}add/", **data)
    assert ScimToken.objects.filter(workspace=acme.workspace).count() == 1


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
