"""What Home says about provisioning: each workspace's own requests, a day a bar, and a page that updates itself."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from scim.models import ProvisioningEvent, ScimToken
from tests.companies import Company
from tests.console_world import populate
from tests.scim.test_users import create_body, send
from workspace.console import Card

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def card(browser: Client, title: str = "Okta", **kwargs: Any) -> Card:
    cards: list[Card] = browser.get("/admin/", **kwargs).context["cards"]
    return next(card for card in cards if card.title == title)


def counts(company: Company) -> dict[str, int]:
    return {figure.label: figure.count for figure in card(company.browser()).figures}


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time now, which stands still: no midnight passes."""
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


def test_requests_of_the_last_14_days_are_counted_in_ones_own_workspace(
    acme: Company, rival: Company, today: datetime
) -> None:
    assert "no request yet" in card(acme.browser()).figures[0].note
    for _ in range(2):
        send(acme.okta(), "POST", "/Users", create_body())  # the second is refused: the name is taken
    send(acme.okta(), "POST", "/Users", create_body("grace"))
    shown = card(acme.browser())
    assert {figure.label: figure.count for figure in shown.figures} == {
        "Done in 14 days": 2, "Refused in 14 days": 1, "Valid tokens": 1, "Ending within 20 days": 0
    }  # fmt: skip
    assert f"{today:%-d %B} 2 done, 1 refused" in shown.chart
    assert "last request" in shown.figures[0].note
    for figure in shown.figures:
        assert acme.browser().get(figure.link).context["cl"].result_count == figure.count
    theirs = card(rival.browser())
    assert [figure.count for figure in theirs.figures[:2]] == [0, 0]
    assert "is-refused" not in theirs.chart
    assert "no request yet" in theirs.figures[0].note


def test_older_requests_are_left_out(acme: Company, today: datetime) -> None:
    send(acme.okta(), "POST", "/Users", create_body())
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    for days, number in ((13, 1), (14, 0)):
        ProvisioningEvent.objects.update(at=midnight - timedelta(days=days) + timedelta(seconds=1))
        shown = card(acme.browser()).figures[0]
        assert shown.count == number
        assert acme.browser().get(shown.link).context["cl"].result_count == number


def test_a_token_is_warned_of_from_20_days_before_its_end(acme: Company, rival: Company) -> None:
    for days, number in ((21, 0), (19, 1)):
        ScimToken.objects.filter(workspace=acme.workspace).update(expires_at=timezone.now() + timedelta(days=days))
        assert counts(acme)["Ending within 20 days"] == number
    assert acme.browser().get("/admin/scim/scimtoken/?state=ending").context["cl"].result_count == 1
    assert counts(rival)["Ending within 20 days"] == 0


def test_the_oldest_open_exposure_is_told(acme: Company, rival: Company) -> None:
    populate(acme)
    assert "the oldest began" in card(acme.browser(), "Departures").figures[0].note
    assert not card(rival.browser(), "Departures").figures[0].note


def test_the_page_updates_itself_with_ones_own_figures(acme: Company, rival: Company) -> None:
    browser = acme.browser()
    page = browser.get("/admin/").content.decode()
    assert 'hx-get="/admin/" hx-trigger="every 30s"' in page
    assert "As of" in page
    send(acme.okta(), "POST", "/Users", create_body())
    answer = browser.get("/admin/", headers=HTMX)
    assert answer.content.startswith(b'<div id="home-cards"')
    assert [f.count for f in card(browser, headers=HTMX).figures[:2]] == [1, 0]
    assert [f.count for f in card(rival.browser(), headers=HTMX).figures[:2]] == [0, 0]
    assert "no-store" in answer["Cache-Control"]
