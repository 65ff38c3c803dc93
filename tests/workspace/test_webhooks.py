"""Webhook endpoints: whose they are, where they may lead, and secrets that are shown once."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from tests.companies import TESTS, Company
from workspace import deliveries, webhooks
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid, Refused, Undecryptable
from workspace.models import CHOSEN_KINDS, AuditEvent, Delivery, Notice, WebhookEndpoint

pytestmark = pytest.mark.django_db

URL = "https://hooks.acme.example/cerby"


def endpoint_of(company: Company, url: str = URL) -> WebhookEndpoint:
    return webhooks.add(company.workspace, url, actor=Actor.person(company.owner))[0]


def verbs() -> list[str]:
    return [verb for verb in AuditEvent.objects.order_by("id").values_list("verb", flat=True) if "webhook" in verb]


def test_the_secret_is_sealed_and_returned_once(acme: Company) -> None:
    endpoint, secret = webhooks.add(acme.workspace, URL, actor=TESTS)
    assert secret.reveal().startswith("whsec_")
    assert secret.reveal().encode() not in bytes(endpoint.sealed)
    endpoint.refresh_from_db()
    assert webhooks.signing_secrets(endpoint) == [secret]


def test_a_sealed_secret_moved_to_another_endpoint_does_not_open(acme: Company, rival: Company) -> None:
    mine, theirs = endpoint_of(acme), endpoint_of(rival)
    mine.sealed = theirs.sealed
    with pytest.raises(Undecryptable):
        webhooks.signing_secrets(mine)


def test_a_former_secret_signs_beside_the_new_one_for_a_day(acme: Company) -> None:
    endpoint, former = webhooks.add(acme.workspace, URL, actor=TESTS)
    new = webhooks.rotate_secret(endpoint, actor=TESTS)
    endpoint.refresh_from_db()
    assert webhooks.signing_secrets(endpoint) == [new, former]
    WebhookEndpoint.objects.update(former_until=timezone.now() - timedelta(seconds=1))
    endpoint.refresh_from_db()
    assert webhooks.signing_secrets(endpoint) == [new]


def test_who_was_shown_the_secret_is_kept(acme: Company, rival: Company) -> None:
    endpoint = endpoint_of(acme)
    assert endpoint.shown_to == acme.owner
    webhooks.rotate_secret(endpoint, actor=Actor.person(rival.owner))  # as platform staff: of no workspace here
    endpoint.refresh_from_db()
    assert endpoint.shown_to is None


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.acme.example", "http://hooks.acme.example/", "ftp://hooks.acme.example/", "https://",
        "https://user:password@hooks.acme.example/", "https://hooks.acme.example/#part", "https://a b.example/",
        "https://hooks.acme.example:port/", "https://[::1/", "https://hooks.acme.example/\nx", "https://häcks.example/",
        "javascript:alert(1)", "https://x.example/" + "x" * 500,
    ],
)  # fmt: skip
def test_what_is_no_address_to_send_to_is_refused(acme: Company, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        endpoint_of(acme, url)
    assert refused.value.field == "url"


def test_plain_http_is_for_this_machine_alone_and_only_where_that_is_allowed(
    acme: Company, settings: pytest.FixtureRequest
) -> None:
    endpoint_of(acme, "http://127.0.0.1:8000/hook")
    settings.ALLOW_LOOPBACK_TARGETS = False  # type: ignore[attr-defined]  # pytest-django's
    with pytest.raises(Invalid):
        endpoint_of(acme, "http://127.0.0.1:8000/hook")


@pytest.mark.parametrize("kinds", [[], ["rumour"], ["test"]])
def test_kinds_are_those_there_are(acme: Company, kinds: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        webhooks.add(acme.workspace, URL, actor=TESTS, kinds=kinds)
    assert refused.value.field == "kinds"


def test_a_workspace_has_a_limited_number(acme: Company, rival: Company) -> None:
    for _ in range(webhooks.MOST):
        endpoint_of(acme)
    with pytest.raises(Refused):
        endpoint_of(acme)
    endpoint_of(rival)


def test_what_is_done_is_audited_without_the_address_or_the_secret(acme: Company) -> None:
    endpoint, secret = webhooks.add(acme.workspace, f"{URL}?token=in-the-address", actor=TESTS)
    webhooks.change(endpoint, URL, actor=TESTS, kinds=CHOSEN_KINDS, description="")
    webhooks.change(endpoint, URL, actor=TESTS, kinds=CHOSEN_KINDS, description="")
    webhooks.rotate_secret(endpoint, actor=TESTS)
    webhooks.send_test(endpoint, actor=TESTS)
    for _ in range(2):
        webhooks.disable(endpoint, actor=TESTS)
    for _ in range(2):
        webhooks.enable(endpoint, actor=TESTS)
    did = ["added", "changed", "secret_rotated", "tested", "disabled", "enabled"]
    assert verbs() == [f"webhook.{what}" for what in did]
    said = str(list(AuditEvent.objects.values()))
    assert "in-the-address" not in said
    assert secret.reveal() not in said


def test_a_disabled_endpoint_is_sent_nothing_and_waits_for_nothing(acme: Company) -> None:
    endpoint = endpoint_of(acme)
    waiting = webhooks.send_test(endpoint, actor=TESTS)
    webhooks.disable(endpoint, actor=TESTS)
    waiting.refresh_from_db()
    assert waiting.given_up_at is not None
    with pytest.raises(Refused):
        webhooks.send_test(endpoint, actor=TESTS)
    with pytest.raises(Refused):
        deliveries.send_again(waiting, actor=TESTS)
    webhooks.enable(endpoint, actor=TESTS)
    deliveries.send_again(waiting, actor=TESTS)
    assert [row.pk for row in deliveries.claim()] == [waiting.pk]


def test_a_test_is_of_no_kind_that_is_told_once(acme: Company) -> None:
    endpoint = endpoint_of(acme)
    for _ in range(2):
        webhooks.send_test(endpoint, actor=TESTS)
    assert Delivery.objects.filter(endpoint=endpoint, notice__kind=Notice.Kind.TEST).count() == 2


@pytest.mark.parametrize("column", ["notice", "endpoint", "recipient"])
def test_the_database_keeps_deliveries_within_a_workspace(acme: Company, rival: Company, column: str) -> None:
    mine, theirs = endpoint_of(acme), endpoint_of(rival)
    own = webhooks.send_test(mine, actor=TESTS).notice
    foreign = {"notice": webhooks.send_test(theirs, actor=TESTS).notice, "endpoint": theirs, "recipient": rival.owner}
    row = {"notice": own, "endpoint": None if column == "recipient" else mine, column: foreign[column]}
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(workspace=acme.workspace, **row)
        connection.check_constraints()


def test_secrets_never_show_themselves(acme: Company) -> None:
    secret = webhooks.add(acme.workspace, URL, actor=TESTS)[1]
    assert isinstance(secret, Secret)
    assert f"{secret!r}{secret}" == "******"
