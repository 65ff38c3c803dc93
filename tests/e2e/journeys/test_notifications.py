"""Notices: a webhook takes them and is sent one again; what is told by mail is chosen."""

from playwright.sync_api import expect

from rotation import courier
from tests.companies import PASSWORD, Company
from tests.e2e.journeys.console import Console
from tests.rotation.receiver import Receiver
from workspace import notices
from workspace.models import Delivery, Notice, NoticeSettings, WebhookEndpoint


def test_a_webhook_is_added_takes_a_notice_and_is_sent_it_again(acme: Company, console: Console) -> None:
    with Receiver() as receiver:
        console.menu("Webhook endpoints")
        console.add()
        console.fill("URL", receiver.url)
        console.fill("What is it?", "Ticket system")
        console.fill("Your password", PASSWORD)
        console.press("Add endpoint")
        secret = console.content.get_by_label("Signing secret").input_value()
        console.follow(console.content.get_by_role("link", name="Done"))
        assert secret not in console.page.content()
        console.act("Send test")
        console.press("Send test")
        courier.once()
        assert receiver.requests[-1].verified(secret)["type"] == "test"

        receiver.status = 503
        notices.tell(acme.workspace, Notice.Kind.ORPHAN, acme.account, summary="Router has no owner any more.")
        courier.once()
        console.menu("Deliveries")
        console.filter("way", "Webhook")
        waiting = console.row("Router has no owner any more.")
        expect(waiting).to_contain_text("Tried again by itself")
        receiver.status = 204
        console.follow(waiting.get_by_role("link").first)
        console.says("503")
        console.act("Send again")
        console.press("Send again")
        courier.once()
        console.page.reload()
        console.heading("Arrived")
        first, last = receiver.requests[-2:]
        assert first.headers["webhook-id"] == last.headers["webhook-id"]
        assert last.verified(secret)["type"].endswith("orphan")
    endpoint = WebhookEndpoint.objects.get(workspace=acme.workspace)
    delivery = Delivery.objects.get(endpoint=endpoint, notice__kind=Notice.Kind.ORPHAN)
    assert (delivery.delivered_at is not None, delivery.attempts >= 1) == (True, True)


def test_an_owner_chooses_what_is_told_by_mail_and_settles_a_notice(acme: Company, console: Console) -> None:
    notices.tell(acme.workspace, Notice.Kind.ORPHAN, acme.account, summary="Router has no owner any more.")
    console.menu("Workspace")
    console.open("Acme")
    console.act("Notifications")
    for box in console.content.get_by_role("checkbox").all():
        box.uncheck()
    console.content.get_by_label(Notice.Kind.MASS_REMOVAL.label).check()
    console.fill("An exposure is open for long after", "6")
    console.press("Save")
    expect(console.page.get_by_text("What is told from now on is sent like this.")).to_be_visible()
    chosen = NoticeSettings.of(acme.workspace)
    assert (chosen.mail_kinds, chosen.exposure_hours) == ([Notice.Kind.MASS_REMOVAL.value], 6)

    console.menu("Notices")
    console.open("Router has no owner any more.")
    console.act("Settle")
    console.press("Settle")
    console.heading("Settled")
    assert not Notice.objects.for_workspace(acme.workspace).open().exists()
