"""What this floor adds to the web app: the passwords that a person is to change by hand. And what it answers to
anybody: the public half of a key that signed a certificate."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rotation import connectors, manual
from rotation.models import RotationJob
from rotation.states import JobState
from workspace import signing
from workspace.crypto import Secret
from workspace.errors import CerbyError, Invalid, NotFound
from workspace.models import SigningKey
from workspace.views import PersonRequest, page, signed_in


@require_safe
def certificate_key(request: HttpRequest, kid: str) -> HttpResponse:
    """A JSON Web Key (RFC 7517) by its thumbprint, which nobody guesses; it says nothing of whose it is."""
    key = SigningKey.objects.filter(kid=kid).first()
    if key is None:
        return JsonResponse({"detail": "No certificate was signed by such a key here."}, status=404)
    answer = JsonResponse(signing.jwk_of(key), content_type="application/jwk+json")
    answer["Cache-Control"] = "public, max-age=86400"
    return answer


class NewPasswordForm(forms.Form):
    """The password that a person set on the target: taken as it is, never sent back to the page."""

    password = forms.CharField(
        label="The new password", strip=False, max_length=1024,
        widget=forms.PasswordInput({"autocomplete": "new-password", "spellcheck": "false"}),
    )  # fmt: skip


@page
@signed_in
@require_safe
def tasks(request: PersonRequest) -> HttpResponse:
    """The accounts of mine whose password waits for me to change it."""
    return render(request, "web/tasks.html", {"tasks": list(manual.waiting_for(request.user))})


@page
@sensitive_post_parameters()
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def task(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """What is to be done, and the answer to it: another password, or the suggested one."""
    job, is_suggested = _find(request, job_id), "suggested" in request.POST
    form = NewPasswordForm(request.POST if request.method == "POST" and not is_suggested else None)
    if is_suggested or form.is_valid():
        try:
            done = manual.answer(job, request.user, None if is_suggested else Secret(form.cleaned_data["password"]))
        except CerbyError as error:
            if is_suggested:
                messages.error(request, error.detail)
            else:
                form.add_error("password", error.detail)
        else:
            messages.success(request, BY_WORD if done.state == JobState.DONE else TO_BE_PROVED)
            return redirect("rotation:tasks")
    return _task_page(request, job, form)


@page
@signed_in
@require_POST
def suggest(request: PersonRequest, job_id: UUID) -> HttpResponse:
    """A password by the account's policy, shown on the answer to a POST alone: it is in no address and no session."""
    job = _find(request, job_id)
    try:
        secret = manual.suggest(job, request.user)
    except CerbyError as error:
        messages.error(request, error.detail)
        return redirect("rotation:task", job_id)
    return _task_page(request, job, NewPasswordForm(), secret)


BY_WORD = "Taken down on your word: the new password is in use."
TO_BE_PROVED = "The new password is being verified on the target. Until then people see the former one."


def _find(request: PersonRequest, job_id: UUID) -> RotationJob:
    try:
        return manual.find(request.user, job_id)
    except NotFound as error:
        raise Http404(error.detail) from error


def _task_page(
    request: PersonRequest, job: RotationJob, form: forms.Form, secret: Secret | None = None
) -> HttpResponse:
    context = {
        "job": job, "account": job.account, "form": form, "secret": secret, "verifies": _verifies(job),
        "suggested": manual.suggestion(job, request.user),
    }  # fmt: skip
    return render(request, "web/task.html", context)


def _verifies(job: RotationJob) -> bool:
    """Whether the target itself is asked afterwards; where not, the person's word is all there is."""
    try:
        return connectors.of(job.account, timeout=1).capabilities.can_verify
    except Invalid:
        return False
