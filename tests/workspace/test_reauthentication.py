"""Proving oneself anew: asked for when the last proof is too old, never remembered longer, and not guessed."""

import time
from typing import Any

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.test import RequestFactory

from tests.companies import PASSWORD, Company
from workspace import reauthentication
from workspace.admin.forms import ConfirmedForm, WorkspaceForm
from workspace.models import User
from workspace.sessions import SessionStore

pytestmark = pytest.mark.django_db


def request_of(user: User, session: SessionBase | None = None) -> HttpRequest:
    request = RequestFactory().post("/")
    request.user = user
    request.session = session or SessionStore()
    request.session.create()
    return request


def form_of(request: HttpRequest, proof: str | None = None) -> Any:
    return ConfirmedForm({} if proof is None else {"proof": proof}, request=request)


def test_a_session_without_a_proof_is_asked_for_one(acme: Company) -> None:
    request = request_of(acme.owner)
    assert "proof" in form_of(request).fields
    assert not form_of(request).is_valid()
    assert not form_of(request, "").is_valid()


def test_the_password_is_a_proof_for_five_minutes(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(acme.owner)
    assert form_of(request, PASSWORD).is_valid()
    assert "proof" not in form_of(request).fields
    assert form_of(request).is_valid()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5 * 60 + 1)
    assert "proof" in form_of(request).fields


def test_anothers_password_is_no_proof(acme: Company, rival: Company) -> None:
    rival.owner.set_password("another battery staple 10")
    request = request_of(acme.owner)
    form = form_of(request, "another battery staple 10")
    assert form.errors["proof"] == ["This is not your password."]
    assert not reauthentication.is_fresh(request)


def test_a_proof_counts_in_its_own_session_alone(acme: Company) -> None:
    assert form_of(request_of(acme.owner), PASSWORD).is_valid()
    assert "proof" in form_of(request_of(acme.owner)).fields


def test_a_proof_from_the_future_is_none(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(acme.owner)
    reauthentication.note(request)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 60)
    assert not reauthentication.is_fresh(request)


def test_guessing_ends_after_a_few_answers(acme: Company) -> None:
    request = request_of(acme.owner)
    for _ in range(reauthentication.GUESSES):
        assert not form_of(request, "wrong").is_valid()
    form = form_of(request, PASSWORD)
    assert "Too many wrong answers" in str(form.errors)


def test_the_proof_is_neither_handed_on_nor_sent_back(acme: Company) -> None:
    form = form_of(request_of(acme.owner), PASSWORD)
    assert form.is_valid()
    assert PASSWORD not in str(form.cleaned_data)
    assert PASSWORD not in str(form)


def test_it_joins_with_the_other_forms_of_the_console(acme: Company) -> None:
    class Both(ConfirmedForm, WorkspaceForm):
        pass

    form = Both({"proof": PASSWORD}, request=request_of(acme.owner), workspace=acme.workspace)
    assert form.is_valid()
    assert form.chosen_workspace == acme.workspace
