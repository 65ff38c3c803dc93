"""What an Owner does about an account's password: have it changed now, checked, adopted or set anew."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.enums import ActionVariant

from rotation import connectors, jobs, targets, verification
from rotation.admin.words import health_text
from rotation.models import Verdict, Verification
from workspace.admin import forms
from workspace.admin.base import Act, ConsoleAdmin, act, actor, bound
from workspace.admin.parts import Fact, Section, url, when
from workspace.admin.person_page import account_link
from workspace.crypto import Secret
from workspace.errors import Invalid, Refused
from workspace.identifiers import parse_uuid
from workspace.models import Account, GrantRole, Holding

AT_ONCE: Final = 50
"""How many accounts one click rotates: a page of the list, and an address that every server takes."""
DRIFTS: Final = Exists(Verification.objects.filter(account=OuterRef("pk"), drifted_at__isnull=False))
OWNED: Final = Exists(Holding.objects.reaching().filter(account=OuterRef("pk"), role=GrantRole.OWNER))


class ReasonForm(forms.ActForm):
    reason = forms.text("Reason", required=False, limit=160, help_text="Kept with the rotation. Optional.")


class ChosenForm(ReasonForm):
    """The accounts that were ticked, each to be left out."""

    def __init__(self, *args: Any, accounts: Iterable[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(account.pk), str(account)) for account in accounts]
        self.fields["accounts"] = forms.several("Accounts", choices, initial=[value for value, _ in choices])
        self.order_fields(["accounts"])

    def chosen(self) -> set[UUID]:
        return {UUID(value) for value in self.cleaned_data["accounts"]}


class InForceForm(forms.ActForm):
    password = forms.password("The password that is in force", help_text="Never shown again on any page.")


class KeptAdmin(ConsoleAdmin):
    """The acts on an account's password."""

    actions: Any = ("rotate_selected",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rotate_many)
        return [path("rotate-now/", view, name="workspace_account_rotate_many"), *super().get_urls()]

    @act("Rotate now", url_path="rotate", icon="autorenew", variant=ActionVariant.PRIMARY)
    def rotate(self, request: HttpRequest, account: Account) -> Act:
        def begin(data: dict[str, Any]) -> str:
            job = jobs.on_demand(account, actor=actor(request), cause=_cause(data))
            page.next = url(job)
            return "The rotation begins. This page follows it."

        page = Act(
            f"Change the password of {account} now", "Rotate now", ReasonForm(bound(request)), begin,
            text=(what_happens(account), AS_SOON_AS),
        )  # fmt: skip
        return page

    @admin.action(description="Rotate now")
    def rotate_selected(self, request: HttpRequest, accounts: QuerySet[Account]) -> HttpResponse | None:
        """The list's action: on to the page that names the accounts and asks."""
        ids = list(accounts.values_list("pk", flat=True)[: AT_ONCE + 1])
        if len(ids) > AT_ONCE:
            messages.error(request, f"At most {AT_ONCE} accounts at a time.")
            return None
        named = urlencode([("account", pk) for pk in ids])
        return redirect(f"{reverse('admin:workspace_account_rotate_many')}?{named}")

    def rotate_many(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        wanted = [pk for pk in map(parse_uuid, request.GET.getlist("account")[:AT_ONCE]) if pk]
        chosen = list(self.get_queryset(request).filter(pk__in=wanted).order_by("name"))
        form = ChosenForm(bound(request), accounts=chosen)

        def begin(data: dict[str, Any]) -> str:
            ticked = form.chosen()
            return self._begin([account for account in chosen if account.pk in ticked], _cause(data), request)

        rows = [[account_link(account), what_happens(account)] for account in chosen]
        return self.run(request, Act(
            "Change these passwords now", "Rotate now", form, begin, text=(AS_SOON_AS,),
            sections=[Section("What happens", ("Account", ""), rows, "")] if rows else [],
            refusal="" if chosen else "Tick accounts in the list, and choose “Rotate now” above or below it.",
        ))  # fmt: skip

    def _begin(self, accounts: Sequence[Account], cause: str, request: HttpRequest) -> str:
        waiting = []
        for account in accounts:
            try:
                jobs.on_demand(account, actor=actor(request), cause=cause)
            except Refused:
                waiting.append(account.name)
        if waiting:
            messages.warning(request, f"These wait already; go on under Rotations: {', '.join(waiting)}.")
        begun = len(accounts) - len(waiting)
        return "1 rotation begins." if begun == 1 else f"{begun} rotations begin."

    @act("Check now", url_path="check", icon="health_and_safety")
    def check_now(self, request: HttpRequest, account: Account) -> Act:
        def soon(data: dict[str, Any]) -> str:
            verification.check_soon(account)
            return "The target is asked within seconds. Load this page again to see what it said."

        return Act(
            f"Check the stored password of {account}", "Check now", forms.ActForm(bound(request)), soon,
            text=("Cerby logs in to the target with the stored password, once, and changes nothing.",),
            refusal=why_not_checked(account),
        )  # fmt: skip

    @act("Adopt", url_path="adopt", icon="move_to_inbox")
    def adopt(self, request: HttpRequest, account: Any) -> Act:
        def take(data: dict[str, Any]) -> str:
            verification.adopt(account, Secret(data["password"]), actor=actor(request))
            return "The password is sealed and in use. It is checked on the target right away."

        return Act(
            f"Adopt the password that is in force on {account}", "Adopt", InForceForm(bound(request)), take,
            text=(
                "Somebody changed the password on the target. Enter what is in force there: people are shown it"
                " from now on, and Cerby checks it.",
                "What people knew before counts as known until a rotation proves it dead.",
            ),
            refusal="" if account.drifts else NO_DRIFT,
        )  # fmt: skip

    @act("Reset", url_path="reset", icon="lock_reset", variant=ActionVariant.DANGER)
    def reset(self, request: HttpRequest, account: Any) -> Act:
        def begin(data: dict[str, Any]) -> str:
            page.next = url(verification.reset(account, actor=actor(request)))
            return "The admin account sets a new password now."

        page = Act(
            f"Set the password of {account} anew", "Reset", forms.ActForm(bound(request)), begin, dangerous=True,
            text=(
                "The admin account sets a new password on the target. Whoever changed the password there is locked"
                " out, and so is everything that uses the one they set.",
            ),
            refusal="" if account.drifts else NO_DRIFT,
        )  # fmt: skip
        return page


NO_DRIFT: Final = "The stored password is not known to differ from the one on the target."
AS_SOON_AS: Final = (
    "People are shown the new password as soon as the target accepts it. Programs that use it need it too."
)


def what_happens(account: Account) -> str:
    """What a rotation does to such an account, in a sentence."""
    able = _capabilities(account)
    if able is None or not (able.self_change or able.admin_reset):
        return "It is changed by hand: it goes on the list of whoever owns it."
    return "A new password is made, set on the target and proved, and the old one is proved dead."


def why_not_checked(account: Account) -> str:
    """Why the stored password cannot be tried on the target; empty when it can."""
    able = _capabilities(account)
    if able is None or not able.can_verify:
        return "This login cannot be tried from here."
    return "" if getattr(account, "password_set_at", None) else "No password is stored yet."


def check_facts(account: Account) -> list[Fact]:
    """What the last check said, when the next one is, and what is done by itself."""
    days = account.rotate_every_days
    if days is None and account.is_privileged:
        days = account.workspace.rotate_every_days
    facts = [Fact("Rotated by itself", f"every {days} days" if days else "when somebody leaves")]
    able = _capabilities(account)
    if able is None or not able.can_verify:
        return facts
    found = Verification.objects.filter(account=account).first()
    every = account.workspace.verify_every_hours if account.verify_every_hours is None else account.verify_every_hours
    due = format_html(", next {}", when(found.due_at)) if found and every else ""
    often = format_html("every {} hours{}", every, due) if every else "only when asked"
    facts += [Fact("Last check", verdict_text(found)), Fact("Checked", often)]
    health = targets.health_of(account.workspace, targets.key_of(account))
    return [*facts, Fact("Its target", health_text(health))] if health else facts


def verdict_text(found: Verification | None) -> Any:
    if found is None or found.verdict == Verdict.UNCHECKED:
        return "not checked yet"
    parts = format_html("{} {}", found.get_verdict_display(), when(found.checked_at))
    if found.drifted_at:
        parts = format_html("{}; differs since {}", parts, when(found.drifted_at))
    elif found.verdict != Verdict.GOOD:
        parts = format_html("{}: {} Last accepted {}", parts, found.detail, when(found.verified_at))
    return parts


def drift_text(account: Any) -> str:
    """What to do about a drifted password; empty where there is none."""
    if not account.drifts:
        return ""
    by_admin = ", or have the admin account set a new one (Reset)" if account.admin_account else ""
    return f"{verification.DRIFTED} Enter the one that is in force there (Adopt){by_admin}."


def _cause(data: dict[str, Any]) -> str:
    return f"On demand: {data['reason']}" if data["reason"] else "On demand"


def _capabilities(account: Account) -> Any:
    try:
        return connectors.of(account, timeout=1).capabilities
    except Invalid:
        return None
