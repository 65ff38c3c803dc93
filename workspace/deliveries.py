"""The queue between a notice and those who are told: rows made of it, taken by a sender, retried, sent again.

Who speaks to the network is a floor above (`rotation.courier`); no transaction is open while it does.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, connection
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from workspace import audit, notices
from workspace.audit import Actor, Verb
from workspace.db.unit_of_work import atomic
from workspace.errors import Refused
from workspace.models import Delivery, Notice, NoticeSettings, Role, User, WebhookEndpoint

# Seconds from one attempt to the next, as Standard Webhooks recommends: ten attempts within three days.
BACK_OFF: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS: Final = len(BACK_OFF) + 1
GONE: Final = 410
UNANSWERED_FOR: Final = timedelta(days=3)
COURIER: Final = Actor.system("deliveries")
# At a time, so that an endpoint that answers slowly holds up nobody else's messages; mails of one Owner go as one.
HOOKS_AT_ONCE, MAILS_AT_ONCE = 3, 50

_CLAIM: Final = """
WITH due AS (
    SELECT id, row_number() OVER (PARTITION BY coalesce(endpoint_id, recipient_id) ORDER BY next_attempt_at) AS place
      FROM workspace_delivery
     WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= %(now)s
), taken AS (
    SELECT d.id FROM workspace_delivery AS d JOIN due USING (id)
     WHERE d.delivered_at IS NULL AND d.given_up_at IS NULL AND d.next_attempt_at <= %(now)s
       AND due.place <= CASE WHEN d.endpoint_id IS NULL THEN %(mails)s ELSE %(hooks)s END
     ORDER BY due.place, d.next_attempt_at LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE workspace_delivery AS d
   SET attempts = attempts + 1, attempted_at = %(now)s,
       next_attempt_at = %(now)s + make_interval(secs =>
           (%(back_off)s::float8[])[least(attempts + 1, cardinality(%(back_off)s::float8[]))] * (1 + random() / 10))
  FROM taken WHERE d.id = taken.id
RETURNING d.id
"""


def dispatch(*, limit: int = 200) -> int:
    """Make deliveries of what was told since the last look; how many notices."""
    told = list(Notice.objects.undispatched().order_by("told_at", "id").values_list("pk", flat=True)[:limit])
    for pk in told:
        try:
            _dispatch(pk)
        except IntegrityError:  # another sweep dispatches the same kind and subject at this moment
            _repeats(pk)
    return len(told)


def claim(*, limit: int = 100) -> list[Delivery]:
    """Take what is due: each with its attempt counted and the next one set, held by nobody else meanwhile."""
    values: dict[str, Any] = {
        "now": timezone.now(), "limit": limit, "back_off": list(BACK_OFF), "hooks": HOOKS_AT_ONCE,
        "mails": MAILS_AT_ONCE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        taken = [row[0] for row in cursor.fetchall()]
    rows = Delivery.objects.filter(pk__in=taken).select_related("notice__workspace", "endpoint", "recipient")
    return list(rows.order_by("notice__told_at", "pk"))


@atomic()
def delivered(delivery: Delivery, *, status: int | None = None) -> None:
    """It arrived."""
    Delivery.objects.filter(pk=delivery.pk, given_up_at=None).update(
        delivered_at=timezone.now(), response_status=status, error=""
    )
    if delivery.endpoint_id is not None:
        WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failing_since__isnull=False).update(failing_since=None)


@atomic()
def failed(delivery: Delivery, error: str, *, status: int | None = None, for_good: bool = False) -> None:
    """It did not arrive: it is tried again by itself, until the last attempt or for good."""
    now = timezone.now()
    ends = for_good or delivery.attempts >= ATTEMPTS
    Delivery.objects.filter(pk=delivery.pk, delivered_at=None).update(
        error=error[:200], response_status=status, given_up_at=now if ends else None
    )
    if delivery.endpoint_id is None:
        return
    WebhookEndpoint.objects.filter(pk=delivery.endpoint_id).update(failing_since=Coalesce(F("failing_since"), now))
    if status == GONE:
        stop(delivery.endpoint_id, "The receiver answered 410: it wants no more messages.")
    elif ends and WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failing_since__lt=now - UNANSWERED_FOR):
        stop(delivery.endpoint_id, f"No message was accepted for {UNANSWERED_FOR.days} days.")


@atomic()
def stop(endpoint_id: Any, because: str, *, actor: Actor = COURIER) -> None:
    """Send an endpoint nothing more, and give up what waits for it."""
    now = timezone.now()
    changed = WebhookEndpoint.objects.filter(pk=endpoint_id, disabled_at=None).update(
        disabled_at=now, disabled_because=because[:200]
    )
    if changed:
        endpoint = WebhookEndpoint.objects.select_related("workspace").get(pk=endpoint_id)
        Delivery.objects.waiting().filter(endpoint=endpoint).update(given_up_at=now, error="The endpoint was disabled.")
        audit.record(endpoint.workspace, Verb.WEBHOOK_DISABLED, endpoint, actor=actor)


@atomic()
def send_again(delivery: Delivery, *, actor: Actor) -> None:
    """Send it once more from the beginning, arrived or not; the receiver knows it by its `webhook-id`.

    Raises Refused for one that nobody would get.
    """
    delivery = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("endpoint", "recipient", "workspace").get(pk=delivery.pk)
    )  # fmt: skip
    if why := unwanted(delivery):
        raise Refused(why)
    Delivery.objects.filter(pk=delivery.pk).update(
        attempts=0, next_attempt_at=timezone.now(), delivered_at=None, given_up_at=None, response_status=None, error=""
    )
    audit.record(delivery.workspace, Verb.DELIVERY_REPEATED, delivery, actor=actor, notice=str(delivery.notice_id))


def unwanted(delivery: Delivery) -> str:
    """Why a delivery reaches nobody now; empty when it does. Mail goes to Owners only, as long as they are."""
    if delivery.endpoint is not None:
        return "The endpoint is disabled. Enable it first." if delivery.endpoint.disabled_at else ""
    recipient = delivery.recipient
    if recipient is None or not recipient.is_owner:
        return "The person is not an Owner any more."
    return "" if recipient.email else "The Owner has no e-mail address."


def payload(notice: Notice) -> Mapping[str, Any]:
    """A webhook's body: ids, counts, times and a link into the console."""
    workspace = notice.workspace
    return {
        "type": notice.kind,
        "timestamp": notice.told_at.isoformat(),
        "data": {
            "id": str(notice.pk),
            "workspace": {"id": str(workspace.pk), "slug": workspace.slug},
            "summary": notice.summary,
            "subject": {"kind": notice.subject_kind, "id": str(notice.subject_id)},
            "facts": notice.facts,
            "link": notices.link(notice),
        },
    }


@atomic()
def _dispatch(pk: Any) -> None:
    notice = Notice.objects.undispatched().select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
    if notice is None:
        return
    now = timezone.now()
    same = Notice.objects.open().filter(
        workspace_id=notice.workspace_id, kind=notice.kind, subject_id=notice.subject_id, dispatched_at__isnull=False
    )
    same.filter(told_at__lte=now - notices.AGAIN_AFTER[notice.kind]).update(resolved_at=now)
    if same.exists():
        _repeats(pk)
        return
    Notice.objects.filter(pk=pk).update(dispatched_at=now)
    Delivery.objects.bulk_create([*_mails(notice), *_hooks(notice)])


def _repeats(pk: Any) -> None:
    """The notice says what an open one says already."""
    now = timezone.now()
    Notice.objects.filter(pk=pk, dispatched_at=None).update(dispatched_at=now, resolved_at=now)


def _mails(notice: Notice) -> Iterable[Delivery]:
    """One for each Owner with an address; those that are told within a moment arrive as one mail."""
    if not settings.SENDS_MAIL or notice.kind not in NoticeSettings.of(notice.workspace).mail_kinds:
        return []
    owners = User.objects.for_workspace(notice.workspace).active().filter(~Q(email=""), role=Role.OWNER)
    at = notice.told_at + timedelta(seconds=settings.MAIL_DELAY_SECONDS)
    return [
        Delivery(workspace_id=notice.workspace_id, notice=notice, recipient=owner, next_attempt_at=at)
        for owner in owners
    ]


def _hooks(notice: Notice) -> Iterable[Delivery]:
    endpoints = WebhookEndpoint.objects.for_workspace(notice.workspace).filter(
        disabled_at=None, kinds__contains=[notice.kind]
    )
    return [Delivery(workspace_id=notice.workspace_id, notice=notice, endpoint=endpoint) for endpoint in endpoints]
