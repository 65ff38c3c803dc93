"""Signing in, the second factor, and a person's own sessions."""

from typing import Any, Final

import segno
from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from workspace import gate, second_factor, sessions, signin, throttle
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import CerbyError, NotFound
from workspace.forms import CodeForm, NewCodeForm, SignInForm
from workspace.models import User
from workspace.reauthentication import ReauthenticationForm
from workspace.second_factor import Enrolment
from workspace.views import PersonRequest, page, signed_in

WRONG_CODE: Final = (
    "This code does not fit, was used, or came too soon after wrong ones. Wait for the next one and try again."
)
SHOWN_ONCE: Final = "web/recovery_codes.html"


class SignIn(LoginView):
    """The one door for people with a password, also on the way to the console."""

    template_name = "web/login.html"
    authentication_form = SignInForm

    def form_valid(self, form: Any) -> HttpResponse:
        return password_passed(self.request, form.get_user(), next_page=_safe(self.request, self.get_success_url()))


sign_in = page(SignIn.as_view())


def password_passed(request: HttpRequest, user: User, *, next_page: str) -> HttpResponse:
    """What follows the right password: the code, where one is set up, or the page that was wanted."""
    throttle.forget(request, user)
    if second_factor.is_enrolled(user):
        signin.await_code(request, user, next_page=next_page)
        return redirect("web:code")
    signin.sign_in(request, user)
    return _arrived(request, user, next_page)


@page
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """The second step: a code, from somebody whose password was right or whose session owes one."""
    pending = signin.pending(request) or _owing(request)
    if pending is None:
        return redirect("web:login")
    form = CodeForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        by = signin.verify_code(request, pending.user, form.cleaned_data["code"])
        if by:
            return _code_passed(request, pending, by)
        form.add_error("code", WRONG_CODE)
    return render(request, "web/code.html", {"form": form, "bare": True})


@page
@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor_page(request: PersonRequest) -> HttpResponse:
    """Whether a second factor is set up; setting one up. Key and QR code are on the answer to a POST alone."""
    form = ReauthenticationForm(_posted(request), request=request)
    if request.method == "POST" and form.is_valid():
        try:
            return _key_page(request, second_factor.begin(request.user), NewCodeForm())
        except CerbyError as error:
            form.add_error(None, error.detail)
    return _standing_page(request, form)


@page
@sensitive_post_parameters()
@signed_in
@require_http_methods(["POST"])
def confirm_second_factor(request: PersonRequest) -> HttpResponse:
    """The app's first code. Shows the recovery codes, this once."""
    person, form = request.user, NewCodeForm(request.POST)
    try:
        if form.is_valid():
            codes = second_factor.confirm(person, form.cleaned_data["code"], actor=Actor.person(person))
            request.session.cycle_key()
            request.session[signin.VERIFIED] = True
            return _codes_page(request, codes)
    except CerbyError as error:
        form.add_error("code", error.detail)
    try:
        return _key_page(request, second_factor.begun(person), form)
    except CerbyError as error:
        messages.error(request, error.detail)
        return redirect("web:second_factor")


@page
@sensitive_post_parameters()
@signed_in
@require_POST
def renew_recovery_codes(request: PersonRequest) -> HttpResponse:
    form = ReauthenticationForm(request.POST, request=request)
    if not form.is_valid():
        return _standing_page(request, form)
    try:
        return _codes_page(request, second_factor.renew_codes(request.user, actor=Actor.person(request.user)))
    except CerbyError as error:
        messages.error(request, error.detail)
        return redirect("web:second_factor")


@page
@sensitive_post_parameters()
@signed_in
@require_POST
def remove_second_factor(request: PersonRequest) -> HttpResponse:
    form = ReauthenticationForm(request.POST, request=request)
    if not form.is_valid():
        return _standing_page(request, form)
    try:
        second_factor.remove(request.user, actor=Actor.person(request.user))
        messages.success(request, "Signing in asks for your password alone from now on.")
    except CerbyError as error:
        messages.error(request, error.detail)
    return redirect("web:second_factor")


@page
@signed_in
@require_POST
def end_session(request: PersonRequest, handle: str) -> HttpResponse:
    """End one of my sessions, this one included."""
    try:
        sessions.end(request.user, handle, actor=Actor.person(request.user))
    except NotFound as error:
        raise Http404(error.detail) from error
    if handle == sessions.digest_of(request):
        request.session.flush()
        return redirect("web:login")
    messages.success(request, "That session has ended.")
    return redirect("web:profile")


@page
@signed_in
@require_POST
def end_other_sessions(request: PersonRequest) -> HttpResponse:
    ended = sessions.end_all(request.user, actor=Actor.person(request.user), but=sessions.digest_of(request))
    messages.success(request, "1 session has ended." if ended == 1 else f"{ended} sessions have ended.")
    return redirect("web:profile")


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _owing(request: HttpRequest) -> signin.Pending | None:
    """Somebody who is signed in and has not proved the second factor that they have, as after signing in elsewhere."""
    user = request.user
    if not isinstance(user, User) or gate.standing(request, user) is not gate.Standing.OWES_CODE:
        return None
    return signin.Pending(user, _safe(request, request.GET.get("next", "/")))


def _code_passed(request: HttpRequest, pending: signin.Pending, by: str) -> HttpResponse:
    if request.user == pending.user:
        signin.verified(request, pending.user, by=by)
    else:
        signin.sign_in(request, pending.user, by=by)
    if by == "recovery":
        left = second_factor.codes_left(pending.user)
        messages.warning(request, f"You used a recovery code; {left} are left. Make new ones before they run out.")
    return _arrived(request, pending.user, pending.next)


def _arrived(request: HttpRequest, user: User, next_page: str) -> HttpResponse:
    response: HttpResponse = HttpResponseRedirect(next_page)
    throttle.remember(request, response, user)
    return response


def _safe(request: HttpRequest, address: str) -> str:
    """The address when it is one of ours, a path from the root on, else the front page."""
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours and address.startswith("/") else "/"


def _standing_page(request: PersonRequest, form: ReauthenticationForm) -> HttpResponse:
    person = request.user
    context = {
        "form": form, "enrolled": second_factor.is_enrolled(person), "left": second_factor.codes_left(person),
        "must": second_factor.deadline(person) is not None, "overdue": second_factor.is_overdue(person),
        "next": _safe(request, request.GET.get("next", "/")),
    }  # fmt: skip
    return render(request, "web/second_factor.html", context)


def _key_page(request: PersonRequest, enrolment: Enrolment, form: NewCodeForm) -> HttpResponse:
    context = {"form": form, "key": _grouped(enrolment.key), "picture": _picture(enrolment.uri)}
    return render(request, "web/second_factor_key.html", context)


def _codes_page(request: PersonRequest, codes: list[Secret]) -> HttpResponse:
    context = {"codes": [code.reveal() for code in codes], "home": reverse("web:accounts")}
    return render(request, SHOWN_ONCE, context)


def _grouped(key: Secret) -> str:
    text = key.reveal()
    return " ".join(text[n : n + 4] for n in range(0, len(text), 4))


def _picture(uri: Secret) -> SafeString:
    """The QR code as inline SVG: shapes without a style or a script, so that the strictest policy shows it."""
    drawn = segno.make(uri.reveal(), error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=True)
    return mark_safe(drawn)  # noqa: S308  # drawn by segno, which writes numbers only
