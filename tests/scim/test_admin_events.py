"""The provisioning log in the console: what was refused, why, and what to do, for one's own workspace."""

from datetime import datetime

import pytest
from django.test import Client

from scim import causes, tokens
from scim.models import ProvisioningEvent, ScimToken
from tests.companies import TESTS, Company
from tests.console_world import support, text_of
from tests.scim.test_users import OKTA_OFF, OKTA_ON, create_body, send

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


def at(event: ProvisioningEvent, day: str) -> None:
    ProvisioningEvent.objects.filter(pk=event.pk).update(at=datetime.fromisoformat(f"{day}T12:00:00Z"))


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("at_from=2026-02-01", 2), ("at_to=2026-02-01", 2), ("at_from=2026-02-01&at_to=2026-02-01", 1),
        ("at_from=2026-01-31&at_to=2026-02-02", 3), ("at_from=2026-03-01", 0), ("at_from=&at_to=", 3),
        ("at_from=yesterday", 0), ("at_to=9999-12-31", 0), ("at_from=2026-01-31&result=refused", 1),
    ],
)  # fmt: skip
def test_the_log_is_filtered_by_days(acme: Company, query: str, number: int) -> None:
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_OFF)
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_ON)
    send(acme.okta(), "POST", "/Users", create_body("owner"))
    days = ("2026-01-31", "2026-02-01", "2026-02-02")
    for event, day in zip(ProvisioningEvent.objects.order_by("pk"), days, strict=True):
        at(event, day)
    assert acme.browser().get(f"{LIST}?{query}").context["cl"].result_count == number


def test_the_log_is_filtered_by_token(acme: Company, rival: Company) -> None:
    send(acme.okta(), "PATCH", f"/Users/{acme.member.id}", OKTA_OFF)
    send(rival.okta(), "PATCH", f"/Users/{rival.member.id}", OKTA_OFF)
    other, secret = tokens.issue(acme.workspace, "second", actor=TESTS)
    okta = Client(headers={"authorization": f"Bearer {secret.reveal()}"})
    for _ in range(2):
        send(okta, "PATCH", f"/Users/{acme.member.id}", OKTA_ON)
    mine = ScimToken.objects.get(workspace=acme.workspace, label="Okta")
    theirs = ScimToken.objects.get(workspace=rival.workspace)

    def found(company: Company, token: object) -> int:
        return int(company.browser().get(f"{LIST}?token={token}").context["cl"].result_count)

    assert (found(acme, mine.pk), found(acme, other.pk)) == (1, 2)
    assert found(acme, theirs.pk) == found(acme, "none") == found(rival, mine.pk) == 0
    shown = text_of(acme.browser(), LIST)
    assert str(other.pk) in shown
    assert str(theirs.pk) not in shown
    assert f"{LIST}?token={other.pk}" in text_of(acme.browser(), f"/admin/scim/scimtoken/{other.pk}/change/")
    staff = acme.browser(support())
    assert staff.get(f"{LIST}?token={theirs.pk}").context["cl"].result_count == 1
    assert str(mine.pk) not in text_of(staff, f"{LIST}?workspace__id__exact={rival.workspace.pk}")
