"""The provisioning log in the console: what was refused, why, and what to do, for one's own workspace."""

import pytest

from scim import causes
from scim.models import ProvisioningEvent, ScimToken
from tests.companies import Company
from tests.console_world import text_of
from tests.scim.test_users import OKTA_OFF, create_body, send

pytestmark = pytest.mark.django_db

LIST = "/admin/scim/provisioningevent/"


def test_a_refusal_is_explained_in_words_with_what_to_do(acme: Company, rival: Company) -> None:
    send(acme.okta(), "POST", "/Users", create_body("member"))
    shown = text_of(acme.browser(), LIST)
    assert "Refused 409" in shown
    assert "What to do:" in shown
    assert "Provision User" in shown
    page = text_of(acme.browser(), f"{LIST}{ProvisioningEvent.objects.get().pk}/change/")
    assert "member@acme.example" in page
    assert "409 uniqueness" in page


def test_a_write_names_what_changed_and_whom_it_was_about(acme: Company, rival: Company) -> None:
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_OFF)
    send(rival.okta(), "PATCH", f"/Users/{rival.member.id}", OKTA_OFF)
    shown = text_of(acme.browser(), LIST)
    assert "Changed: active." in shown
    assert "member@acme.example" in shown
    assert "rival" not in shown


@pytest.mark.parametrize(
    ("query", "number"), [("result=done", 1), ("result=refused", 2), ("about=people", 2), ("about=other", 1)]
)
def test_the_log_is_filtered_by_the_address(acme: Company, query: str, number: int) -> None:
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_OFF)
    send(acme.okta(), "POST", "/Users", create_body("owner"))
    send(acme.okta(), "GET", "/Nothing")
    assert acme.browser().get(f"{LIST}?{query}").context["cl"].result_count == number


def test_every_refusal_has_a_cause_with_a_remedy(acme: Company) -> None:
    event = ProvisioningEvent(status=400, token=ScimToken.objects.get(workspace=acme.workspace))
    for status in (400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 501):
        event.status = status
        cause = causes.of(event)
        assert cause is not None
        assert cause.words.endswith(".")
        assert cause.remedy
    event.status = 201
    assert causes.of(event) is None
