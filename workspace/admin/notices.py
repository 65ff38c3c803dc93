"""Notices and their deliveries: what Owners were told, whether it arrived, and sending it again."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from workspace import deliveries, notices
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, Section, badge, clipped, link, when
from workspace.models import Delivery, Notice

TONES = {
    Notice.Kind.ROTATION_NEEDS_HUMAN: "danger",
    Notice.Kind.EXPOSURE_OPEN_LONG: "danger",
    Notice.Kind.AUDIT_BROKEN: "danger",
    Notice.Kind.MASS_REMOVAL: "warning",
    Notice.Kind.TOKEN_EXPIRING: "warning",
    Notice.Kind.TOKEN_REFUSED: "warning",
    Notice.Kind.ORPHAN: "warning",
    Notice.Kind.CERTIFICATE_READY: "success",
}


class NoticeKindFilter(ChoiceFilter):
    title = "kind"
    parameter_name = "kind"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {kind.value: (kind.label, Q(kind=kind)) for kind in Notice.Kind}


class NoticeStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {
        "open": ("Open", Q(resolved_at=None)),
        "settled": ("Settled", Q(resolved_at__isnull=False)),
    }


class DeliveryStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {
        "waiting": ("On its way", Q(delivered_at=None, given_up_at=None)),
        "arrived": ("Arrived", Q(delivered_at__isnull=False)),
        "failed": ("Given up", Q(given_up_at__isnull=False)),
    }


class ChannelFilter(ChoiceFilter):
    title = "way"
    parameter_name = "way"
    conditions: ClassVar[dict[str, tuple[str, Any]]] = {
        "mail": ("E-mail", Q(recipient__isnull=False)),
        "webhook": ("Webhook", Q(endpoint__isnull=False)),
    }


@admin.register(Notice)
class NoticeAdmin(ConsoleAdmin):
    """What there was to tell. Most settle by themselves when their cause is gone."""

    list_display = ("kind_badge", "said", "told", "state", "sent")
    list_filter = (NoticeStateFilter, NoticeKindFilter)
    search_fields = ("summary",)
    search_help_text = "Words of the notice"
    ordering = ("-told_at",)
    empty_icon = "notifications"
    empty_title = "No notices found"
    empty_text = "When a rotation needs you, a token is about to end or an account has no owner, it is said here."
    actions_detail = ("settle",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        arrived = Count("deliveries", filter=Q(deliveries__delivered_at__isnull=False))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(made=Count("deliveries"), arrived=arrived)
        return rows

    @admin.display(description="Kind", ordering="kind")
    def kind_badge(self, notice: Notice) -> SafeString:
        return badge(notice.get_kind_display(), TONES.get(Notice.Kind(notice.kind), ""))

    @admin.display(description="Notice")
    def said(self, notice: Notice) -> SafeString:
        return clipped(notice.summary)

    @admin.display(description="Told", ordering="told_at")
    def told(self, notice: Notice) -> str:
        return when(notice.told_at)

    @admin.display(description="State", ordering="resolved_at")
    def state(self, notice: Notice) -> SafeString:
        return badge("Settled", "success") if notice.resolved_at else badge("Open", "warning")

    @admin.display(description="Arrived")
    def sent(self, notice: Any) -> str:
        return f"{notice.arrived} of {notice.made}" if notice.made else NOTHING

    def detail(self, request: HttpRequest, obj: Notice) -> Detail:
        about = format_html('<a class="console-link" href="{}">What it is about</a>', notices.link(obj))
        facts = [
            Fact("Kind", obj.get_kind_display()),
            Fact("Told", when(obj.told_at)),
            Fact("Settled", when(obj.resolved_at)),
            Fact("Page", about if obj.subject_kind in notices.PAGES else NOTHING),
            *(Fact(key.replace("_", " ").capitalize(), value) for key, value in obj.facts.items()),
        ]
        return Detail(facts, [deliveries_of(obj.deliveries.all()), history(obj)], [self.state(obj)])

    def offered(self, request: HttpRequest, obj: Notice) -> Sequence[str]:
        return () if obj.resolved_at else self.actions_detail

    @act("Settle", url_path="settle", icon="done_all")
    def settle(self, request: HttpRequest, notice: Notice) -> Act:
        def close(data: dict[str, Any]) -> str:
            notices.settle(notice, actor=actor(request))
            return "Settled. Should it come up again, you are told anew."

        return Act(
            "Settle this notice", "Settle", forms.ActForm(bound(request)), close,
            text=(notice.summary, "Settling changes nothing but this notice: its cause stays as it is."),
            refusal="This notice is settled." if notice.resolved_at else "",
        )  # fmt: skip


@admin.register(Delivery)
class DeliveryAdmin(ConsoleAdmin):
    """One notice on its way to one receiver."""

    list_display = ("said", "to", "state", "attempts", "tried", "again", "answer")
    list_filter = (DeliveryStateFilter, ChannelFilter)
    lookups = frozenset({"endpoint__id__exact"})
    search_fields = ("notice__summary", "endpoint__description", "recipient__email")
    search_help_text = "Notice, endpoint or e-mail"
    ordering = ("-created_at",)
    related = ("notice", "endpoint", "recipient")
    empty_icon = "outgoing_mail"
    empty_title = "No deliveries found"
    empty_text = "Each notice goes to the Owners by mail and to the webhook endpoints that want its kind."
    actions_detail = ("send_again",)

    @admin.display(description="Notice")
    def said(self, delivery: Delivery) -> SafeString:
        return clipped(delivery.notice.summary)

    @admin.display(description="To")
    def to(self, delivery: Delivery) -> str:
        return receiver(delivery)

    @admin.display(description="State")
    def state(self, delivery: Delivery) -> SafeString:
        return delivery_badge(delivery)

    @admin.display(description="Last attempt", ordering="attempted_at")
    def tried(self, delivery: Delivery) -> str:
        return when(delivery.attempted_at)

    @admin.display(description="Next attempt", ordering="next_attempt_at")
    def again(self, delivery: Delivery) -> str:
        return when(None if delivery.delivered_at or delivery.given_up_at else delivery.next_attempt_at)

    @admin.display(description="Answer")
    def answer(self, delivery: Delivery) -> str:
        return answer_of(delivery)

    def detail(self, request: HttpRequest, obj: Delivery) -> Detail:
        facts = [
            Fact("Notice", link(obj.notice)),
            Fact("To", link(obj.endpoint) if obj.endpoint else receiver(obj)),
            Fact("Attempts", f"{obj.attempts} of {deliveries.ATTEMPTS}"),
            Fact("Last attempt", self.tried(obj)),
            Fact("Next attempt", self.again(obj)),
            Fact("Arrived", when(obj.delivered_at)),
            Fact("Answer", answer_of(obj)),
        ]
        if obj.endpoint:
            facts.append(Fact("webhook-id", f"msg_{obj.notice_id.hex}"))
        return Detail(facts, [history(obj)], [delivery_badge(obj)])

    @act("Send again", url_path="again", icon="replay")
    def send_again(self, request: HttpRequest, delivery: Delivery) -> Act:
        def repeat(data: dict[str, Any]) -> str:
            deliveries.send_again(delivery, actor=actor(request))
            return "It is sent again within seconds."

        return Act(
            "Send this notice again", "Send again", forms.ActForm(bound(request)), repeat,
            text=(delivery.notice.summary, "A webhook's receiver knows the repeat by its webhook-id."),
            refusal=deliveries.unwanted(delivery),
        )  # fmt: skip


def deliveries_of(rows: QuerySet[Delivery]) -> Section:
    """The latest of these deliveries as a table."""
    latest = rows.select_related("notice", "endpoint", "recipient").order_by("-created_at")[:50]
    return Section(
        "Deliveries",
        ("Notice", "To", "State", "Attempts", "Last attempt", "Answer"),
        [
            [
                link(row, row.notice.get_kind_display()), receiver(row), delivery_badge(row), row.attempts,
                when(row.attempted_at), answer_of(row),
            ]
            for row in latest
        ],
        "Nothing was sent.",
        link=reverse("admin:workspace_delivery_changelist"),
        link_text="All deliveries",
    )  # fmt: skip


def receiver(delivery: Delivery) -> str:
    return str(delivery.endpoint) if delivery.endpoint else getattr(delivery.recipient, "email", "") or NOTHING


def delivery_badge(delivery: Delivery) -> SafeString:
    if delivery.delivered_at:
        return badge("Arrived", "success")
    if delivery.given_up_at:
        return badge("Given up", "danger")
    return badge("Tried again by itself", "warning") if delivery.error else badge("On its way", "info")


def answer_of(delivery: Delivery) -> str:
    if delivery.error:
        return delivery.error
    return f"HTTP {delivery.response_status}" if delivery.response_status else NOTHING
