"""SCIM tokens in the console: issued (shown once), revoked, and seen at work."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from scim import tokens
from scim.models import ScimToken
from workspace.admin import forms
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, actor, bound, button_for, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, actor_of, badge, when
from workspace.console import Card, Figure, home_card

VALID = Q(revoked_at=None, expires_at__gt=Now())


class TokenStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "valid": ("Valid", VALID),
        "expired": ("Expired", Q(revoked_at=None, expires_at__lte=Now())),
        "revoked": ("Revoked", Q(revoked_at__isnull=False)),
    }


class IssueForm(forms.WorkspaceForm):
    label = forms.text("Label", limit=80, help_text="Where it will be used, such as “Okta production”.")
    days = forms.number("Valid for (days)", least=1, most=3650, initial=365)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].initial = settings.SCIM_TOKEN_DAYS


@admin.register(ScimToken)
class ScimTokenAdmin(ConsoleAdmin):
    """What the identity provider comes in with. Only a digest is kept, and no page shows even that."""

    list_display = ("label", "state", "last_used", "last_used_from", "expires", "created")
    list_filter = (TokenStateFilter,)
    search_fields = ("label",)
    search_help_text = "Label"
    ordering = ("-created_at",)
    can_add = True
    empty_icon = "vpn_key"
    empty_title = "No tokens found"
    empty_text = "Issue a token and paste it into Okta's provisioning settings, next to the SCIM base URL."
    actions_detail = ("revoke",)

    @admin.display(description="State")
    def state(self, token: ScimToken) -> str:
        return state_badge(token)

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, token: ScimToken) -> str:
        return when(token.last_used_at) if token.last_used_at else "never"

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, token: ScimToken) -> str:
        return when(token.expires_at)

    @admin.display(description="Issued", ordering="created_at")
    def created(self, token: ScimToken) -> str:
        return when(token.created_at)

    def detail(self, request: HttpRequest, obj: ScimToken) -> Detail:
        facts = [
            Fact("Label", obj.label),
            Fact("SCIM base URL", base_url()),
            Fact("Issued", when(obj.created_at)),
            Fact("Issued by", actor_of(obj, "created_by")),
            Fact("Expires", when(obj.expires_at)),
            Fact("Revoked", when(obj.revoked_at)),
            Fact("Last used", when(obj.last_used_at) if obj.last_used_at else "never"),
            Fact("Last used from", obj.last_used_from or NOTHING),
        ]
        return Detail(facts, [history(obj)], [state_badge(obj)])

    def offered(self, request: HttpRequest, obj: ScimToken) -> Sequence[str]:
        return () if obj.revoked_at else ("revoke",)

    def adding(self, request: HttpRequest) -> Act:
        form = IssueForm(bound(request), workspace=visitor(request).workspace)

        def issue(data: dict[str, Any]) -> HttpResponse:
            token, secret = tokens.issue(form.chosen_workspace, data["label"], actor=actor(request), days=data["days"])
            return self.shown_once(
                request, token, title=f"Token “{token}”", label="API token", secret=secret.reveal(),
                text=(
                    "Copy the token into Okta now: Provisioning, Integration, API token.",
                    "It is not shown again. If it is lost, revoke it and issue another.",
                ),
                more=(("SCIM base URL", base_url()), ("Unique identifier field", "userName")),
            )  # fmt: skip

        return Act("Issue a SCIM token", "Issue token", form, issue, text=(
            "Okta uses the token to sign in here. It may change people and teams of the workspace, and nothing else.",
        ))  # fmt: skip

    @button_for("Revoke", url_path="revoke", icon="block", variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def make(token: ScimToken) -> Act:
            def end(data: dict[str, Any]) -> str:
                tokens.revoke(token, actor=actor(request))
                return f"The token “{token}” was revoked."

            return Act(
                f"Revoke “{token}”", "Revoke token", forms.ActForm(bound(request)), end, dangerous=True,
                text=(
                    "Requests with it are refused from now on.",
                    "Issue the next token and put it into Okta first, so that provisioning never stops.",
                ),
                refusal="This token was revoked already." if token.revoked_at else "",
            )  # fmt: skip

        return self.act_on(request, object_id, make)


def state_badge(token: ScimToken) -> SafeString:
    if token.revoked_at:
        return badge("Revoked", "danger")
    return badge("Valid", "success") if token.expires_at > timezone.now() else badge("Expired", "warning")


def base_url() -> str:
    return f"{settings.BASE_URL}/scim/v2/"


@home_card
def provisioning(request: HttpRequest) -> Card:
    """What the home page says about Okta's way in."""
    workspace = visitor(request).workspace
    rows = ScimToken.objects.all() if workspace is None else ScimToken.objects.for_workspace(workspace)
    page = reverse("admin:scim_scimtoken_changelist")
    soon = rows.filter(VALID, expires_at__lt=timezone.now() + timedelta(days=30)).count()
    return Card(
        "Okta",
        "vpn_key",
        [
            Figure("Valid tokens", rows.filter(VALID).count(), f"{page}?state=valid", "success"),
            Figure("Expiring within 30 days", soon, f"{page}?state=valid", "warning" if soon else ""),
        ],
    )
