"""Notices on their way: over real sockets to real receivers, signed as Standard Webhooks wants it, and by mail."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from standardwebhooks.webhooks import WebhookVerificationError

from rotation import courier
from rotation.connectors import dial
from rotation.connectors.base import TargetError
from rotation.connectors.http_client import HttpClient
from tests.companies import TESTS, Company
from tests.rotation.connectors.tls import TlsFront, self_signed
from tests.rotation.receiver import Receiver
from tests.waiting import PATIENCE
from workspace import deliveries, notices, people, webhooks
from workspace.models import Delivery, Notice, Role, WebhookEndpoint

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MAIL_DELAY_SECONDS = 0
    monkeypatch.setattr(courier, "SECONDS", PATIENCE)


def hook(company: Company, url: str) -> tuple[WebhookEndpoint, str]:
    endpoint, secret = webhooks.add(company.workspace, url, actor=TESTS)
    return endpoint, secret.reveal()


def point(endpoint: WebhookEndpoint, url: str) -> None:
    """Past the check of what is entered, as a name does that leads elsewhere by now."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(url=url)


def tell(company: Company, **facts: Any) -> Notice:
    notices.tell(
        company.workspace, Notice.Kind.ORPHAN, company.account, summary="Router has no owner any more.", **facts
    )
    return Notice.objects.for_workspace(company.workspace).latest("told_at")


def one(**filters: Any) -> Delivery:
    return Delivery.objects.filter(endpoint__isnull=False, **filters).get()


def status_of(url: str) -> int:
    return HttpClient(dial.Deadline(PATIENCE)).send("POST", url, headers={}, body=b"{}", read=False).status


@contextmanager
def server(serve: Any) -> Iterator[int]:
    """A port of this machine on which `serve` handles each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=serve, args=[client], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


# Webhooks


def test_a_receiver_verifies_what_it_is_sent(acme: Company, rival: Company) -> None:
    with Receiver() as receiver:
        secret = hook(acme, receiver.url)[1]
        foreign = hook(rival, "http://127.0.0.1:1/")[1]
        notice = tell(acme, former_owners=2)
        courier.once()
    (request,) = receiver.requests
    assert request.path == "/hooks/cerby?tenant=1"
    assert request.verified(secret) == {
        "type": "orphan",
        "timestamp": notice.told_at.isoformat(),
        "data": {
            "id": str(notice.pk),
            "workspace": {"id": str(acme.workspace.pk), "slug": "acme"},
            "summary": "Router has no owner any more.",
            "subject": {"kind": "account", "id": str(acme.account.pk)},
            "facts": {"former_owners": 2},
            "link": notices.link(notice),
        },
    }
    assert request.headers["webhook-id"] == f"msg_{notice.pk.hex}"
    with pytest.raises(WebhookVerificationError):
        request.verified(foreign)
    row = one()
    assert (row.delivered_at is not None, row.response_status, row.error) == (True, 204, "")


def test_a_changed_body_does_not_verify(acme: Company) -> None:
    with Receiver() as receiver:
        secret = hook(acme, receiver.url)[1]
        tell(acme)
        courier.once()
    (request,) = receiver.requests
    request.body = request.body.replace(b"orphan", b"orphaN")
    with pytest.raises(WebhookVerificationError):
        request.verified(secret)


def test_while_a_secret_is_replaced_both_verify(acme: Company) -> None:
    with Receiver() as receiver:
        endpoint, former = hook(acme, receiver.url)
        new = webhooks.rotate_secret(endpoint, actor=TESTS).reveal()
        tell(acme)
        courier.once()
    (request,) = receiver.requests
    assert request.verified(former) == request.verified(new)


def test_a_repeat_has_the_same_id(acme: Company) -> None:
    with Receiver() as receiver:
        hook(acme, receiver.url)
        tell(acme)
        courier.once()
        deliveries.send_again(one(), actor=TESTS)
        courier.once()
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_no_secret_is_in_what_is_sent(acme: Company) -> None:
    with Receiver() as receiver:
        secret = hook(acme, receiver.url)[1]
        tell(acme)
        courier.once()
    sent = str(receiver.requests)
    for hidden in (secret, secret.removeprefix("whsec_"), acme.account_password.reveal(), acme.scim_token):
        assert hidden not in sent


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_refusal_is_tried_again_and_its_body_is_not_kept(acme: Company, status: int) -> None:
    with Receiver(status, body=b"reflected: whsec_secret") as receiver:
        hook(acme, receiver.url)
        tell(acme)
        courier.once()
        assert courier.once() == 0  # not due again at once
    row = one()
    assert (row.delivered_at, row.given_up_at, row.response_status) == (None, None, status)
    assert row.error == f"The receiver answered {status}."
    assert "reflected" not in str(Delivery.objects.values().get(pk=row.pk))


def test_a_redirect_is_not_followed(acme: Company) -> None:
    with Receiver() as elsewhere, Receiver(307, location=elsewhere.url) as receiver:
        hook(acme, receiver.url)
        tell(acme)
        courier.once()
    assert elsewhere.requests == []
    assert "redirect" in one().error


def test_a_receiver_that_is_down_is_tried_until_it_is_back(acme: Company) -> None:
    with Receiver() as receiver:
        url = receiver.url
        endpoint = hook(acme, "http://127.0.0.1:1/")[0]
        tell(acme)
        courier.once()
        assert "refused" in one().error
        endpoint.refresh_from_db()
        assert endpoint.failing_since is not None
        point(endpoint, url)
        Delivery.objects.update(next_attempt_at=one().created_at)
        courier.once()
    assert (one().attempts, one().delivered_at is not None) == (2, True)
    assert WebhookEndpoint.objects.get().failing_since is None


def test_a_receiver_that_is_down_keeps_nobody_else_waiting(acme: Company, rival: Company) -> None:
    with Receiver() as receiver:
        hook(acme, "http://127.0.0.1:1/")
        hook(rival, receiver.url)
        tell(acme)
        tell(rival)
        courier.once()
    assert len(receiver.requests) == 1
    assert json.loads(receiver.requests[0].body)["data"]["workspace"]["slug"] == "rival"


def drip(client: socket.socket) -> None:
    """A byte at a time and never a whole answer: each read ends well within any time limit of its own."""
    with suppress(OSError):
        client.recv(65536)
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
            client.sendall(bytes([letter]))
            threading.Event().wait(0.02)


def hush(client: socket.socket) -> None:
    with suppress(OSError):
        while client.recv(65536):
            pass


@pytest.mark.parametrize("serve", [drip, hush])
def test_a_receiver_that_never_ends_its_answer_is_left(
    acme: Company, monkeypatch: pytest.MonkeyPatch, serve: Any
) -> None:
    monkeypatch.setattr(courier, "SECONDS", 0.3)
    with server(serve) as port:
        hook(acme, f"http://127.0.0.1:{port}/")
        tell(acme)
        courier.once()
    assert "in time" in one().error


def babble(client: socket.socket) -> None:
    with suppress(OSError):
        client.recv(65536)
        client.sendall(b"220 mail.example ESMTP\r\n")
        client.close()


def test_what_is_not_http_is_no_answer(acme: Company) -> None:
    with server(babble) as port:
        hook(acme, f"http://127.0.0.1:{port}/")
        tell(acme)
        courier.once()
    assert "not HTTP" in one().error


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("169.254.169.254", "metadata"), ("[fd00:ec2::254]", "metadata"), ("[::ffff:169.254.169.254]", "metadata"),
        ("0.0.0.0", "unspecified"), ("224.0.0.1", "multicast"),  # noqa: S104  # connected to, not bound
    ],
)  # fmt: skip
def test_no_connection_is_made_to_a_forbidden_address(acme: Company, host: str, why: str) -> None:
    hook(acme, f"https://{host}/latest/meta-data/")
    tell(acme)
    courier.once()
    assert why in one().error
    assert one().delivered_at is None


def test_this_machine_is_not_reached_where_that_is_not_allowed(acme: Company, settings: Any) -> None:
    with Receiver() as receiver:
        hook(acme, receiver.url)
        settings.ALLOW_LOOPBACK_TARGETS = False
        tell(acme)
        courier.once()
    assert receiver.requests == []
    assert "loopback" in one().error


def test_the_name_is_not_looked_up_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose answers change between the judgement and the connection (DNS rebinding) gains nothing."""
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def count(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(host))
        return look_up("127.0.0.1" if host == "hooks.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    with Receiver() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        assert status_of(f"http://hooks.example:{port}/") == 204
    assert asked.count("hooks.example") == 1
    assert receiver.requests[0].headers["Host"] == f"hooks.example:{port}"


def test_a_certificate_of_nobodys_is_not_trusted_and_the_name_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = dial.Address("127.0.0.1", 0)
    with Receiver() as receiver:
        target = ("127.0.0.1", int(receiver.url.split(":")[2].split("/")[0]))
        with TlsFront(target, self_signed(tmp_path, "hooks.example")) as front:
            address = dial.Address("127.0.0.1", front.port)
            monkeypatch.setattr(dial, "resolve", lambda *args, **kwargs: address)
            with pytest.raises(TargetError, match="certificate"):
                status_of("https://hooks.example/")
            assert front.names == ["hooks.example"]
    assert receiver.requests == []


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_receiver_is_waited_for(acme: Company) -> None:
    seen: list[int] = []

    def look() -> None:
        with transaction.atomic():
            seen.append(Delivery.objects.select_for_update(nowait=True).get(endpoint__isnull=False).attempts)
        connection.close()

    with Receiver() as receiver:
        receiver.meanwhile = look
        hook(acme, receiver.url)
        tell(acme)
        courier.once()
    assert seen == [1]


# Mail


def test_owners_are_told_by_mail_with_a_link_and_nothing_secret(acme: Company, rival: Company) -> None:
    notice = tell(acme, former_owners=2)
    courier.once()
    (message,) = mail.outbox
    assert message.to == ["owner@acme.example"]
    assert message.subject == "[Cerby] Router has no owner any more."
    assert notices.link(notice) in message.body
    assert "Owner of Acme" in message.body
    assert "rival" not in message.body.lower()
    assert acme.account_password.reveal() not in message.body
    assert Delivery.objects.get().delivered_at is not None


def test_many_notices_are_one_mail_an_owner(acme: Company) -> None:
    acme.person("second", role=Role.OWNER)
    for company_row in (acme.account, acme.team, acme.member):
        notices.tell(acme.workspace, Notice.Kind.ORPHAN, company_row, summary=f"About {company_row}")
    courier.once()
    assert sorted(message.to[0] for message in mail.outbox) == ["owner@acme.example", "second@acme.example"]
    for message in mail.outbox:
        assert "3 notices" in message.subject
        assert message.body.count("About ") == 3


def test_who_lost_the_role_meanwhile_is_not_written_to(acme: Company) -> None:
    tell(acme)
    deliveries.dispatch()
    people.set_role(acme.owner, Role.MEMBER, actor=TESTS)
    courier.once()
    assert mail.outbox == []
    assert Delivery.objects.get().error == "The person is not an Owner any more."


def test_a_summary_cannot_add_a_header(acme: Company) -> None:
    notices.tell(acme.workspace, Notice.Kind.ORPHAN, acme.account, summary="x\r\nBcc: all@rival.example\r\n\r\nbody")
    courier.once()
    (message,) = mail.outbox
    assert message.recipients() == ["owner@acme.example"]
    assert "\n" not in message.subject


def test_a_mail_server_that_is_down_is_tried_again(acme: Company, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    tell(acme)
    courier.once()
    row = Delivery.objects.get()
    assert (row.delivered_at, row.given_up_at, row.attempts) == (None, None, 1)
    assert "mail server" in row.error
