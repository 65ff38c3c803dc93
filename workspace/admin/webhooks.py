"""Webhook endpoints: adding one, its secret, trying it, and stopping it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from workspace import webhooks
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.notices import deliveries_of
from workspace.admin.parts import NOTHING, Detail, Fact, badge, link, when
from workspace.models import CHOSEN_KINDS, NoticeKind, WebhookEndpoint

KIND_CHOICES = [(kind.value, kind.label) for kind in CHOSEN_KINDS]
ADDRESS = "An https:// address of yours that takes a POST. Redirects are not followed."


class EndpointFields(forms.WorkspaceForm):
    """Where to send what."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"] = forms.text("URL", limit=500, help_text=ADDRESS)
        self.fields["description"] = forms.text("What is it?", required=False, limit=120)
        self.fields["kinds"] = forms.several("Notices", KIND_CHOICES, initial=[value for value, _ in KIND_CHOICES])


class NewEndpointForm(forms.ConfirmedForm, EndpointFields):
    """The same, by who proves that it is they: the secret that follows signs for this workspace."""


class EndpointStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "enabled": ("In use", {"disabled_at": None}),
        "failing": ("Failing", {"disabled_at": None, "failing_since__isnull": False}),
        "disabled": ("Disabled", {"disabled_at__isnull": False}),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.conditions.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ConsoleAdmin):
    """Where notices are sent, signed as Standard Webhooks describes."""

    list_display = ("name", "url", "kinds_shown", "state", "created")
    list_filter = (EndpointStateFilter,)
    search_fields = ("url", "description")
    search_help_text = "URL or description"
    ordering = ("-created_at",)
    related = ("shown_to",)
    can_add = True
    empty_icon = "webhook"
    empty_title = "No webhook endpoints"
    empty_text = "Add an address of your own to have notices arrive in your ticket system or your chat."
    actions_detail: Sequence[str] = ("test", "edit", "rotate", "disable", "enable")

    @admin.display(description="Endpoint", ordering="description")
    def name(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.description or "Endpoint"

    @admin.display(description="Notices")
    def kinds_shown(self, endpoint: WebhookEndpoint) -> str:
        return "all" if len(endpoint.kinds) == len(CHOSEN_KINDS) else f"{len(endpoint.kinds)} kinds"

    @admin.display(description="State", ordering="disabled_at")
    def state(self, endpoint: WebhookEndpoint) -> SafeString:
        if endpoint.disabled_at:
            return badge("Disabled")
        return badge("Failing", "danger") if endpoint.failing_since else badge("In use", "success")

    @admin.display(description="Added", ordering="created_at")
    def created(self, endpoint: WebhookEndpoint) -> str:
        return when(endpoint.created_at)

    def detail(self, request: HttpRequest, obj: WebhookEndpoint) -> Detail:
        facts = [
            Fact("URL", obj.url),
            Fact("Notices", ", ".join(NoticeKind(kind).label for kind in obj.kinds)),
            Fact("Added", when(obj.created_at)),
            Fact("Secret shown to", link(obj.shown_to) if obj.shown_to else NOTHING),
        ]
        if obj.former_until:
            facts.append(Fact("The former secret signs until", when(obj.former_until)))
        if obj.failing_since:
            facts.append(Fact("Failing since", when(obj.failing_since)))
        if obj.disabled_at:
            facts.append(Fact("Disabled", when(obj.disabled_at)))
        return Detail(facts, [deliveries_of(obj.deliveries.all()), history(obj)], [self.state(obj)], notice(obj))

    def offered(self, request: HttpRequest, obj: WebhookEndpoint) -> Sequence[str]:
        return ("enable", "edit", "rotate") if obj.disabled_at else ("test", "edit", "rotate", "disable")

    def adding(self, request: HttpRequest) -> Act:
        form = NewEndpointForm(bound(request), workspace=visitor(request).workspace, request=request)

        def add(data: dict[str, Any]) -> HttpResponse:
            endpoint, secret = webhooks.add(
                form.chosen_workspace, data["url"], kinds=data["kinds"], description=data["description"],
                actor=actor(request),
            )  # fmt: skip
            return self._secret_page(request, endpoint, secret.reveal())

        return Act("Add a webhook endpoint", "Add endpoint", form, add, text=(
            "Notices are sent as JSON: ids, counts, times and a link into this console, never a password.",
            "Each message is signed. Verify it with the secret that you are shown next, by any library for"
            " Standard Webhooks.",
        ))  # fmt: skip

    @act("Send test", url_path="test", icon="send", variant=ActionVariant.PRIMARY)
    def test(self, request: HttpRequest, endpoint: WebhookEndpoint) -> Act:
        def send(data: dict[str, Any]) -> str:
            webhooks.send_test(endpoint, actor=actor(request))
            return "A test message is on its way; load this page again to see the answer."

        return Act(
            f"Send a test to {endpoint}", "Send test", forms.ActForm(bound(request)), send,
            text=("A message of the type “test”, signed like every other.",), refusal=enabled_only(endpoint),
        )  # fmt: skip

    @act("Edit", url_path="edit", icon="edit")
    def edit(self, request: HttpRequest, endpoint: WebhookEndpoint) -> Act:
        present = {"url": endpoint.url, "description": endpoint.description, "kinds": endpoint.kinds}
        form = EndpointFields(bound(request), workspace=endpoint.workspace, initial=present)

        def save(data: dict[str, Any]) -> str:
            webhooks.change(
                endpoint, data["url"], kinds=data["kinds"], description=data["description"], actor=actor(request)
            )
            return "Saved."

        return Act(f"Edit {endpoint}", "Save", form, save, text=("The secret stays as it is.",))

    @act("New secret", url_path="secret", icon="key")
    def rotate(self, request: HttpRequest, endpoint: WebhookEndpoint) -> Act:
        def replace(data: dict[str, Any]) -> HttpResponse:
            secret = webhooks.rotate_secret(endpoint, actor=actor(request))
            return self._secret_page(request, endpoint, secret.reveal())

        return Act(
            f"A new secret for {endpoint}", "Make a new secret",
            forms.ConfirmedForm(bound(request), request=request), replace,
            text=("For 24 hours messages carry both signatures, so that your receiver can be changed in between.",),
        )  # fmt: skip

    @act("Disable", url_path="disable", icon="block")
    def disable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> Act:
        def stop(data: dict[str, Any]) -> str:
            webhooks.disable(endpoint, actor=actor(request))
            return "Nothing more is sent there."

        return Act(
            f"Disable {endpoint}", "Disable", forms.ActForm(bound(request)), stop, dangerous=True,
            text=("Nothing more is sent there, and what waits is given up.",), refusal=enabled_only(endpoint),
        )  # fmt: skip

    @act("Enable", url_path="enable", icon="play_arrow", variant=ActionVariant.PRIMARY)
    def enable(self, request: HttpRequest, endpoint: WebhookEndpoint) -> Act:
        def start(data: dict[str, Any]) -> str:
            webhooks.enable(endpoint, actor=actor(request))
            return "Notices are sent there from now on."

        return Act(
            f"Enable {endpoint}", "Enable", forms.ActForm(bound(request)), start,
            text=("What happened meanwhile is not sent by itself; send it again from its page.",),
            refusal="" if endpoint.disabled_at else "This endpoint is in use.",
        )  # fmt: skip

    def _secret_page(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
        return self.shown_once(
            request, endpoint, title=f"Secret of {endpoint}", label="Signing secret", secret=secret,
            text=("Copy it into your receiver now; it is not shown again.",),
        )  # fmt: skip


def enabled_only(endpoint: WebhookEndpoint) -> str:
    """Why nothing is sent; empty for an endpoint in use."""
    return "This endpoint is disabled." if endpoint.disabled_at else ""


def notice(endpoint: WebhookEndpoint) -> str:
    """What an Owner should know of an endpoint first."""
    if endpoint.disabled_at:
        return f"Disabled: {endpoint.disabled_because}"
    if endpoint.shown_to and not endpoint.shown_to.is_owner:
        return (
            "Whoever was shown this endpoint's secret is no Owner any more and could sign messages with it."
            " Make a new secret, and look whether the address is still yours."
        )
    return ""
