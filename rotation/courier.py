"""Who carries notices out: to webhook endpoints over HTTP, signed, and to Owners by mail.

Run beside the sweep, never in a request. Rows are read before and written after; in between, on the network, no
transaction is open.
"""

import json
import logging
import smtplib
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from rotation.connectors.base import TargetError
from rotation.connectors.dial import Deadline
from rotation.connectors.http_client import HttpClient
from workspace import deliveries, notices, webhooks
from workspace.errors import Undecryptable
from workspace.models import Delivery

logger = logging.getLogger(__name__)

AT_ONCE: Final = 100
CONNECTIONS: Final = 16
SECONDS: Final = 10.0
AGENT: Final = "Cerby-Webhooks/1"


@dataclass(frozen=True)
class Sent:
    """What came of one attempt. Without an error it arrived."""

    error: str = ""
    status: int | None = None
    for_good: bool = False


def once() -> int:
    """Dispatch what was told and try everything that is due, once; how many deliveries were tried."""
    deliveries.dispatch()
    taken = deliveries.claim(limit=AT_ONCE)
    for delivery in [row for row in taken if deliveries.unwanted(row)]:
        deliveries.failed(delivery, deliveries.unwanted(delivery), for_good=True)
        taken.remove(delivery)
    _post([row for row in taken if row.endpoint_id])
    _mail([row for row in taken if row.recipient_id])
    return len(taken)


def _post(hooks: list[Delivery]) -> None:
    """All at once; what needs the database is made before the threads begin and written down after each."""
    ready = []
    for delivery in hooks:
        try:
            ready.append((delivery, _request(delivery)))
        except Undecryptable as error:
            logger.error("Webhook endpoint %s: %s", delivery.endpoint_id, error.detail)  # noqa: TRY400  # known
            deliveries.failed(delivery, "The signing secret cannot be opened. Call support.")
    if not ready:
        return
    with ThreadPoolExecutor(min(CONNECTIONS, len(ready)), thread_name_prefix="webhook") as pool:
        for (delivery, _), sent in zip(ready, pool.map(lambda pair: pair[1](), ready), strict=True):
            _note(delivery, sent)


def _request(delivery: Delivery) -> Callable[[], Sent]:
    """The call that sends it. `webhook-id` is the notice's at every attempt, so that a receiver can tell repeats."""
    endpoint, now = delivery.endpoint, timezone.now()
    assert endpoint is not None  # chosen by the caller
    body = json.dumps(deliveries.payload(delivery.notice), separators=(",", ":"))
    message = f"msg_{delivery.notice_id.hex}"
    signatures = (Webhook(key.reveal()).sign(message, now, body) for key in webhooks.signing_secrets(endpoint))
    headers = {
        "Content-Type": "application/json", "User-Agent": AGENT, "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": " ".join(signatures),
    }  # fmt: skip
    return lambda: _answer(endpoint.url, body.encode(), headers)


def _answer(url: str, body: bytes, headers: dict[str, str]) -> Sent:
    try:
        status = HttpClient(Deadline(SECONDS)).send("POST", url, headers=headers, body=body, read=False).status
    except TargetError as error:
        return Sent(error.detail)
    if 200 <= status < 300:
        return Sent(status=status)
    if 300 <= status < 400:
        return Sent("The receiver answered with a redirect, which is not followed. Enter its new address.", status)
    return Sent(f"The receiver answered {status}.", status)


def _mail(mails: list[Delivery]) -> None:
    """One mail an Owner, whatever the number of notices."""
    by_owner = defaultdict(list)
    for delivery in mails:
        by_owner[delivery.recipient_id].append(delivery)
    for rows in by_owner.values():
        sent = _send(rows)
        for delivery in rows:
            _note(delivery, sent)


def _send(rows: list[Delivery]) -> Sent:
    try:
        message(rows).send()
    except (smtplib.SMTPException, OSError) as error:
        return Sent(f"The mail server did not take it: {type(error).__name__}.")
    except (BadHeaderError, ValueError):
        return Sent("The Owner's address cannot be written to.", for_good=True)
    return Sent()


def message(rows: Iterable[Delivery]) -> EmailMessage:
    """The mail that tells one Owner of these notices."""
    told = [(row.notice, notices.link(row.notice)) for row in rows]
    first, recipient = next(iter(rows)), next(iter(rows)).recipient
    subject = told[0][0].summary if len(told) == 1 else f"{len(told)} notices, the first: {told[0][0].summary}"
    settings_page = f"{settings.BASE_URL}/admin/workspace/workspace/{first.workspace_id}/notifications/"
    text = render_to_string(
        "mail/notices.txt", {"workspace": first.notice.workspace, "told": told, "settings_page": settings_page}
    )
    return EmailMessage(f"[Cerby] {' '.join(subject.split())}", text, to=[recipient.email if recipient else ""])


def _note(delivery: Delivery, sent: Sent) -> None:
    if sent.error:
        deliveries.failed(delivery, sent.error, status=sent.status, for_good=sent.for_good)
    else:
        deliveries.delivered(delivery, status=sent.status)
