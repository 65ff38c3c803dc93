"""The web app: the accounts a person may use, their API keys, their own password, signing in and out.

Every page works without JavaScript and carries a Content-Security-Policy under which no inline script or style runs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.views import LogoutView, redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from workspace import access, clients, invitations, keys, reauthentication, sessions
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.doubts import doubt_about, with_doubts
from workspace.errors import CerbyError, Invalid, NotFound, Refused
from workspace.forms import ChangePasswordForm, KeyForm, NewPasswordForm
from workspace.models import Account, TeamMembership, User
from workspace.policy import STRICT
from workspace.reauthentication import ReauthenticationForm
from workspace.vault import ledger

View = Callable[..., HttpResponseBase]

class ConfirmedKeyForm(ReauthenticationForm, KeyForm):
    """A key goes on when the browser is closed, so a borrowed browser must not issue one."""


PAGE_SIZE: Final = 50
CHOOSE: Final = "choose"  # stands in the address where the link's token stood
_LINK: Final = "cerby_invitation"


class PersonRequest(HttpRequest):
    """A request that has passed `signed_in`."""

    user: User
    htmx: HtmxDetails


def page(view: View) -> View:
    """A page of the web app: kept by no cache, not even the browser's, and under the strict policy."""

    @wraps(view)
    def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = STRICT
        return response

    return never_cache(protected)


def signed_in(view: View) -> View:
    """Send guests to the log-in page, as a whole page also when htmx asked for a part."""

    @wraps(view)
    def checked(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.htmx:
            return HttpResponseClientRedirect(redirect_to_login("/").url)
        return redirect_to_login(request.get_full_path())

    return checked


sign_out = page(LogoutView.as_view())


@page
@signed_in
@require_http_methods(["GET", "HEAD"])
def accounts(request: PersonRequest) -> HttpResponse:
    """The accounts I may use; `?q=` searches them."""
    search = request.GET.get("q", "").strip()
    found = Paginator(access.listed_accounts(request.user, search), PAGE_SIZE).get_page(request.GET.get("page"))
    template = "web/_accounts.html" if request.htmx else "web/accounts.html"
    return render(request, template, {"accounts": found, "search": search})


@page
@signed_in
@require_http_methods(["GET", "HEAD"])
def account(request: PersonRequest, account_id: UUID) -> HttpResponse:
    return _account_page(request, _find_account(request, account_id))


@page
@signed_in
def reveal(request: PersonRequest, account_id: UUID) -> HttpResponse:
    """Show the password, on the answer to a POST alone: it is in no address, session or message."""
    shared = _find_account(request, account_id)
    if request.method != "POST":  # somebody who had to sign in between, or reloads
        return redirect("web:account", account_id)
    try:
        secret = access.reveal(shared, request.user, actor=Actor.person(request.user))
    except CerbyError as error:
        messages.error(request, error.detail)
        return redirect("web:account", account_id)
    return _account_page(request, shared, secret)


@page
@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: PersonRequest) -> HttpResponse:
    """My API keys. A new one is shown on the answer to the POST, this once."""
    form, issued = ConfirmedKeyForm(request.POST or None, request=request), None
    if request.method == "POST" and form.is_valid():
        try:
            _, issued = keys.issue(request.user, form.cleaned_data["label"], actor=Actor.person(request.user))
            form = ConfirmedKeyForm(request=request)
        except CerbyError as error:
            form.add_error("label", error.detail)
    context = {"keys": list(keys.live(request.user)), "form": form, "issued": issued}
    return render(request, "web/keys.html", context)


@page
@signed_in
@require_POST
def revoke_key(request: PersonRequest, key_id: UUID) -> HttpResponse:
    try:
        key = keys.find(request.user, key_id)
    except NotFound as error:
        raise Http404(error.detail) from error
    keys.revoke(key, actor=Actor.person(request.user))
    messages.success(request, f"The key “{key.label}” no longer works.")
    return redirect("web:keys")


@page
@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: PersonRequest) -> HttpResponse:
    """Who I am, and a new password. Changing it ends my other sessions; this one goes on."""
    person, form = request.user, ChangePasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _change_password(request, form):
        update_session_auth_hash(request, person)  # under a new key: the former was ended with the others
        messages.success(request, "Your password is changed. Your other sessions have ended.")
        return redirect("web:profile")
    memberships = TeamMembership.objects.filter(user=person, left_at=None, team__disbanded_at=None)
    teams = memberships.order_by("team__display_name").values_list("team__display_name", flat=True)
    context = {"form": form, "teams": list(teams), "sessions": _sessions(request)}
    return render(request, "web/profile.html", context)


@page
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, user_id: UUID, token: str) -> HttpResponse:
    """Choose a first password. The token moves from the address into a cookie of this page before anything is shown,
    so that no Referer, history entry or screenshot carries it, and nothing that is stored here."""
    try:
        if token != CHOOSE:
            invitations.invited(user_id, token)
            return _keep_link(request, redirect("web:invitation", user_id, CHOOSE), token)
        return _choose_password(request, user_id, request.COOKIES.get(_LINK, ""))
    except NotFound as error:
        return render(request, "web/invitation_dead.html", {"detail": error.detail}, status=404)


def _keep_link(request: HttpRequest, response: HttpResponseRedirect, token: str) -> HttpResponse:
    """Let the browser keep a link's token for the page that the response leads to."""
    response.set_cookie(
        _LINK, token, max_age=settings.PASSWORD_RESET_TIMEOUT, path=response.url, secure=request.is_secure(),
        httponly=True, samesite="Lax",
    )  # fmt: skip
    return response


def _choose_password(request: HttpRequest, user_id: UUID, token: str) -> HttpResponse:
    person, form = invitations.invited(user_id, token), NewPasswordForm(request.POST or None)
    is_own = request.user == person  # asked before the new password ends this very session
    posted = request.method == "POST" and form.is_valid()
    if posted and _set_password(form, lambda secret: invitations.accept(user_id, token, secret)):
        if is_own:
            logout(request)
        messages.success(request, "Your password is set. Sign in with it.")
        response = redirect("web:login")
        response.delete_cookie(_LINK, path=request.path)
        return response
    return render(request, "web/invitation.html", {"person": person, "form": form})


def _set_password(form: NewPasswordForm, verb: Callable[[Secret], object]) -> bool:
    """Whether the verb took the password; if not, the form says why."""
    try:
        verb(form.secret)
    except Invalid as error:
        form.add_error("password", error.detail)
        return False
    return True


def _change_password(request: PersonRequest, form: ChangePasswordForm) -> bool:
    """Whether the person has a new password; if not, the form says why. Guesses are counted as proofs are."""
    person = request.user
    try:
        reauthentication.confirm_password(request, Secret(form.cleaned_data["current"]))
    except Refused as error:
        form.add_error("current", error.detail)
        return False
    return _set_password(form, lambda secret: invitations.set_password(person, secret, actor=Actor.person(person)))


def _sessions(request: PersonRequest) -> list[dict[str, Any]]:
    """My open sessions, for the page that ends them."""
    return [
        {
            "handle": each.digest, "is_this": each.digest == sessions.digest_of(request),
            "device": clients.device_of(each.user_agent), "address": each.address, "began_at": each.began_at,
            "seen_at": each.seen_at,
        }
        for each in sessions.open_of(request.user)
    ]  # fmt: skip


def _find_account(request: PersonRequest, account_id: UUID) -> Account:
    found: Account | None = with_doubts(access.listed_accounts(request.user)).filter(pk=account_id).first()
    if found is None:
        raise Http404("You have no access to such an account.")
    return found


def _account_page(request: PersonRequest, shared: Account, secret: Secret | None = None) -> HttpResponse:
    ways = list(ledger.ways(request.user, shared).reaching())
    context = {"account": shared, "ways": ways, "secret": secret, "doubt": doubt_about(shared)}
    return render(request, "web/account.html", context)
