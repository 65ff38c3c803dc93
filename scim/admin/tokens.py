"""SCIM tokens in the console: issued and regenerated (shown once), revoked, and seen at work."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from scim import claims, tokens
from scim.expiry import NOT_REPLACED, WARNED_BEFORE
from scim.models import UNREVOKED, VALID, ScimToken, Scope
from workspace.admin import forms, search
from workspace.admin.base import Act, ChoiceFilter, ConsoleAdmin, act, actor, bound, visitor
from workspace.admin.history import history
from workspace.admin.parts import NOTHING, Detail, Fact, actor_of, badge, link, when
from workspace.crypto import Secret
from workspace.errors import Conflict

CLAIMABLE = "Support prepared a new token for you. Take it here; it is shown to you alone."
search.search_names_of(ScimToken, "label")
ENDING = VALID & NOT_REPLACED & Q(expires_at__lte=Now() + WARNED_BEFORE)


class TokenStateFilter(ChoiceFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "valid": ("Valid", VALID),
        "ending": ("Valid, ends within 20 days", ENDING),
        "expired": ("Expired", UNREVOKED & Q(expires_at__lte=Now())),
        "revoked": ("Revoked", ~UNREVOKED),
    }


class ScopeFilter(ChoiceFilter):
    title = "scope"
    parameter_name = "scope"
    conditions = {scope.value: (scope.label, Q(scope=scope)) for scope in Scope}


class IssueForm(forms.ConfirmedForm, forms.WorkspaceForm):
    label = forms.text("Label", limit=80, help_text="Where it will be used, such as “Okta production”.")
    scope = forms.options(
        "Scope", Scope.choices, initial=Scope.ALL,
        help_text="What Okta needs is people and teams. Teams only: people are read, not changed.",
    )  # fmt: skip
    days = forms.number("Valid for (days)", least=1, most=3650, initial=365)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].initial = settings.SCIM_TOKEN_DAYS


class RegenerateForm(forms.ConfirmedForm):
    overlap_hours = forms.number(
        "The old token works for (hours)", least=0, most=168, initial=24,
        help_text="Time to enter the new one in Okta. 0 ends the old one at once: for a token that leaked.",
    )  # fmt: skip


@admin.register(ScimToken)
class ScimTokenAdmin(ConsoleAdmin):
    """What the identity provider comes in with. Only a digest is kept, and no page shows even that."""

    list_display = ("label", "scope", "state", "last_used", "last_used_from", "expires", "created")
    list_filter = (TokenStateFilter, ScopeFilter)
    search_fields = ("label",)
    search_help_text = "Label"
    ordering = ("-created_at",)
    can_add = True
    tools = (("admin:scim_switchoff_add", "power_settings_new", "Switch provisioning off"),)
    empty_icon = "vpn_key"
    empty_title = "No tokens found"
    empty_text = "Issue a token and paste it into Okta's provisioning settings, next to the SCIM base URL."
    actions_detail = ("claim", "regenerate", "revoke")

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
            Fact("Scope", obj.get_scope_display()),
            Fact("SCIM base URL", base_url()),
            Fact("Issued", when(obj.created_at)),
            Fact("Issued by", actor_of(obj, "created_by")),
            Fact("Expires", when(obj.expires_at)),
            Fact("Revoked", when(obj.revoked_at)),
            Fact("Replaced by", link(obj.replaced_by) if obj.replaced_by else NOTHING),
            Fact("Last used", when(obj.last_used_at) if obj.last_used_at else "never"),
            Fact("Last used from", obj.last_used_from or NOTHING),
            Fact("What it did", format_html('<a class="console-link" href="{}">Provisioning log</a>', _log_of(obj))),
        ]
        notice = CLAIMABLE if claims.waiting(obj, visitor(request)) else ""
        return Detail(facts, [history(obj)], [state_badge(obj)], notice=notice)

    def offered(self, request: HttpRequest, obj: ScimToken) -> Sequence[str]:
        if obj.revoked_at:
            return ()
        if obj.is_replaced:
            return ("revoke",)
        claimable = claims.waiting(obj, visitor(request)) is not None
        return ("claim", "regenerate", "revoke") if claimable else ("regenerate", "revoke")

    def adding(self, request: HttpRequest) -> Act:
        form = IssueForm(bound(request), workspace=visitor(request).workspace, request=request)

        def issue(data: dict[str, Any]) -> HttpResponse:
            token, secret = tokens.issue(
                form.chosen_workspace, data["label"], actor=actor(request), days=data["days"], scope=data["scope"]
            )
            return self._shown(request, token, secret)

        return Act("Issue a SCIM token", "Issue token", form, issue, text=(
            "Okta uses the token to sign in here. It reaches people and teams of the workspace, as its scope says,"
            " and nothing else.",
        ))  # fmt: skip

    def _shown(self, request: HttpRequest, token: ScimToken, secret: Secret, *more: str) -> HttpResponse:
        return self.shown_once(
            request, token, title=f"Token “{token}”", label="API token", secret=secret.reveal(),
            text=(
                "Copy the token into Okta now, under Provisioning, Integration: as Authorization, or API Token in a"
                " catalogue app.",
                "It is not shown again. If it is lost, revoke it and issue another.", *more,
            ),
            more=(("SCIM base URL", base_url()), ("Unique identifier field", "userName")),
        )  # fmt: skip

    @act("Regenerate", url_path="regenerate", icon="autorenew")
    def regenerate(self, request: HttpRequest, token: ScimToken) -> Act:
        def renew(data: dict[str, Any]) -> HttpResponse:
            overlap = timedelta(hours=data["overlap_hours"])
            new, secret = tokens.regenerate(token, actor=actor(request), overlap=overlap)
            return self._shown(request, new, secret, _end_of(token))

        return Act(
            f"Regenerate “{token}”", "Regenerate token", RegenerateForm(bound(request), request=request), renew,
            text=(
                "A new token now, of the same label and scope; the old one goes on for as long as you say, so that"
                " provisioning never stops while you enter the new one in Okta.",
            ),
            refusal=_why_not_regenerated(token),
        )  # fmt: skip

    @act("Take the new token", url_path="claim", icon="move_to_inbox")
    def claim(self, request: HttpRequest, token: ScimToken) -> Act:
        """What support prepared for the Owner who asked; nobody else finds anything here."""
        prepared = claims.waiting(token, visitor(request))

        def take(data: dict[str, Any]) -> HttpResponse:
            assert prepared is not None  # an act with a refusal is not performed
            new, secret = claims.claim(prepared, actor=actor(request))
            return self._shown(request, new, secret, _end_of(token))

        hours = prepared.overlap_hours if prepared else 0
        return Act(
            f"Take the new token for “{token}”", "Show the new token",
            forms.ConfirmedForm(bound(request), request=request), take,
            text=(
                "You asked support to renew this token. The new one is made now and shown to you alone.",
                f"The old one works for {hours} more hours." if hours else "The old one ends at once.",
            ),
            refusal="" if prepared else "No new token waits for you here.",
        )  # fmt: skip

    @act("Revoke", url_path="revoke", icon="block", variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, token: ScimToken) -> Act:
        def end(data: dict[str, Any]) -> str:
            tokens.revoke(token, actor=actor(request))
            return f"The token “{token}” was revoked."

        return Act(
            f"Revoke “{token}”", "Revoke token", forms.ActForm(bound(request)), end, dangerous=True,
            text=(
                "Requests with it are refused from now on.",
                "To renew it instead, regenerate it: then provisioning never stops.",
            ),
            refusal="This token was revoked already." if token.revoked_at else "",
        )  # fmt: skip


def state_badge(token: ScimToken) -> SafeString:
    if token.revoked_at:
        return badge("Revoked", "danger")
    if token.is_replaced:
        return badge("Ending, replaced", "warning") if token.is_valid else badge("Replaced", "info")
    return badge("Valid", "success") if token.is_valid else badge("Expired", "warning")


def _log_of(token: ScimToken) -> str:
    return f"{reverse('admin:scim_provisioningevent_changelist')}?token={token.pk}"


def _end_of(token: ScimToken) -> str:
    token.refresh_from_db()
    if not token.is_valid:
        return "The old token works no more."
    return f"The old token works until {token.expires_at:%Y-%m-%d %H:%M} UTC."


def _why_not_regenerated(token: ScimToken) -> str:
    try:
        tokens.check_renewable(token)
    except Conflict as error:
        return error.detail
    return ""


def base_url() -> str:
    return f"{settings.BASE_URL}/scim/v2/"
