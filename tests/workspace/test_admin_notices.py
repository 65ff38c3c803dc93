"""The console's pages of notices, deliveries and webhook endpoints: each act calls its verb, secrets show once."""

import re
from typing import Any

import pytest
from django.urls import reverse

from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import text_of, told_something
from workspace import deactivation, deliveries, webhooks
from workspace.models import Delivery, Notice, NoticeSettings, Role, WebhookEndpoint

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


def page(name: str, row: Any = None) -> str:
    return reverse(f"admin:workspace_{name}", args=[row.pk] if row else [])


def endpoint_of(company: Company) -> WebhookEndpoint:
    told_something(company)
    return WebhookEndpoint.objects.for_workspace(company.workspace).get()


def test_an_owner_adds_an_endpoint_and_sees_its_secret_this_once(acme: Company) -> None:
    browser = acme.browser()
    answer = browser.post(
        page("webhookendpoint_add"),
        {
            "url": "https://hooks.acme.example/", "description": "Tickets", "kinds": ["orphan", "token_expiring"],
            "proof": PASSWORD,
        },
    )
    endpoint = WebhookEndpoint.objects.get()
    (secret,) = SECRET.findall(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    assert [each.reveal() for each in webhooks.signing_secrets(endpoint)] == [secret]
    assert (endpoint.workspace, endpoint.kinds) == (acme.workspace, ["orphan", "token_expiring"])
    assert not SECRET.search(text_of(browser, page("webhookendpoint_change", endpoint)))


def test_an_address_that_cannot_be_is_refused_beside_its_field(acme: Company) -> None:
    data = {"url": "http://plain.example/", "kinds": ["orphan"], "proof": PASSWORD}
    answer = acme.browser().post(page("webhookendpoint_add"), data)
    assert "must begin with https://" in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_a_new_secret_is_shown_once(acme: Company) -> None:
    endpoint, browser = endpoint_of(acme), acme.browser()
    answer = browser.post(page("webhookendpoint_rotate", endpoint), {"proof": PASSWORD})
    (secret,) = SECRET.findall(answer.content.decode())
    endpoint.refresh_from_db()
    assert webhooks.signing_secrets(endpoint)[0].reveal() == secret


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": "not my password"}])
def test_a_secret_asks_for_a_proof(acme: Company, proof: dict[str, str]) -> None:
    endpoint, browser = endpoint_of(acme), acme.browser()
    before = [each.reveal() for each in webhooks.signing_secrets(endpoint)]
    for address in (page("webhookendpoint_add"), page("webhookendpoint_rotate", endpoint)):
        assert 'name="proof"' in text_of(browser, address)
        answer = browser.post(address, {"url": "https://hooks.acme.example/", "kinds": ["orphan"], **proof})
        assert not SECRET.search(answer.content.decode())
    endpoint.refresh_from_db()
    assert [each.reveal() for each in webhooks.signing_secrets(endpoint)] == before
    assert WebhookEndpoint.objects.count() == 1


def test_an_endpoint_is_edited_tried_disabled_and_enabled(acme: Company) -> None:
    endpoint, browser = endpoint_of(acme), acme.browser()
    browser.post(
        page("webhookendpoint_edit", endpoint),
        {"url": "https://new.acme.example/", "description": "New", "kinds": ["orphan"]},
    )
    browser.post(page("webhookendpoint_test", endpoint))
    assert Delivery.objects.filter(notice__kind=Notice.Kind.TEST).count() == 1
    browser.post(page("webhookendpoint_disable", endpoint))
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.kinds) == ("https://new.acme.example/", ["orphan"])
    assert endpoint.disabled_at is not None
    assert "Disabled here" in text_of(browser, page("webhookendpoint_change", endpoint))
    browser.post(page("webhookendpoint_enable", endpoint))
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


def test_an_endpoint_whose_secret_a_leaver_saw_says_so(acme: Company) -> None:
    endpoint, second = endpoint_of(acme), acme.person("second", role=Role.OWNER)
    browser = acme.browser(second)
    assert "no Owner any more" not in text_of(browser, page("webhookendpoint_change", endpoint))
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    assert "no Owner any more" in text_of(browser, page("webhookendpoint_change", endpoint))


def test_a_delivery_is_sent_again_from_its_page(acme: Company) -> None:
    told_something(acme)
    row, browser = Delivery.objects.get(), acme.browser()
    deliveries.failed(deliveries.claim()[0], "The receiver answered 500.", status=500, for_good=True)
    assert "The receiver answered 500." in text_of(browser, page("delivery_change", row))
    browser.post(page("delivery_send_again", row))
    assert [taken.pk for taken in deliveries.claim()] == [row.pk]


def test_a_notice_is_settled_from_its_page(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        told_something(company)
    notice = Notice.objects.for_workspace(acme.workspace).get()
    browser = acme.browser()
    browser.post(page("notice_settle", notice))
    notice.refresh_from_db()
    assert notice.resolved_at is not None
    assert Notice.objects.for_workspace(rival.workspace).open().count() == 1
    assert "Settled" in text_of(browser, page("notice_changelist"))


@pytest.mark.parametrize("kinds", [["orphan"], []])
def test_an_owner_chooses_what_is_told_by_mail(acme: Company, rival: Company, kinds: list[str]) -> None:
    acme.browser().post(
        page("workspace_notifications", acme.workspace), {"mail_kinds": kinds, "exposure_hours": "48"}
    )
    assert (NoticeSettings.of(acme.workspace).mail_kinds, NoticeSettings.of(acme.workspace).exposure_hours) == (
        kinds, 48,
    )  # fmt: skip
    assert NoticeSettings.of(rival.workspace).exposure_hours == 24


def test_a_server_without_mail_says_so_where_mail_is_chosen(acme: Company, settings: Any) -> None:
    path = page("workspace_notifications", acme.workspace)
    assert "sends no mail" not in text_of(acme.browser(), path)
    settings.SENDS_MAIL = False
    assert "sends no mail" in text_of(acme.browser(), path)


@pytest.mark.parametrize(
    ("name", "query", "shows"),
    [
        ("notice", "state=open", True), ("notice", "state=settled", False), ("notice", "kind=orphan", True),
        ("notice", "kind=token_expiring", False), ("delivery", "state=waiting", True),
        ("delivery", "state=arrived", False), ("delivery", "way=webhook", True), ("delivery", "way=mail", False),
        ("webhookendpoint", "state=enabled", True), ("webhookendpoint", "state=failing", False),
    ],
)  # fmt: skip
def test_lists_are_filtered_by_their_address(acme: Company, name: str, query: str, shows: bool) -> None:
    told_something(acme)
    answer = acme.browser().get(f"{page(f'{name}_changelist')}?{query}")
    assert answer.context["cl"].result_count == int(shows)
