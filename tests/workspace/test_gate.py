"""Owners set up a second factor within their grace period; afterwards nothing else opens until they did."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import address, object_pages, plain_pages, populate, support
from tests.waiting import PATIENCE
from tests.workspace import strangers
from workspace import deactivation, people, second_factor
from workspace.models import Reveal, Role, User

pytestmark = pytest.mark.django_db

PAGE = "/second-factor/"
SESSION_API = [route for route in strangers.routes() if route.startswith("api/")]
# In and out, and a link for somebody who has no password yet: these ask for no session.
DOORS = {"login/", "login/code/", "logout/", "invitation/<uuid:user_id>/<str:token>/"}
WEB = sorted({route for route in strangers.routes() if not route.startswith(("api/", "second-factor/"))} - DOORS)


def overdue(user: User) -> User:
    """An Owner (or one of the platform's staff) whose grace period is over."""
    long_ago = timezone.now() - timedelta(days=8)
    User.objects.filter(pk=user.pk).update(owner_since=long_ago if user.workspace_id else None, created_at=long_ago)
    user.refresh_from_db()
    return user


def text(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize(("days", "is_due"), [(6.9, False), (7.1, True)])
def test_an_owner_has_a_week(acme: Company, days: float, is_due: bool) -> None:
    User.objects.filter(pk=acme.owner.pk).update(owner_since=timezone.now() - timedelta(days=days))
    acme.owner.refresh_from_db()
    assert second_factor.is_overdue(acme.owner) is is_due
    assert acme.browser().get("/admin/").status_code == (302 if is_due else 200)


def test_how_long_is_the_operators_choice(acme: Company, settings: Any) -> None:
    settings.SECOND_FACTOR_GRACE_DAYS = 0
    acme.owner.refresh_from_db()
    assert second_factor.is_overdue(acme.owner)
    assert not second_factor.is_overdue(acme.member)


def test_during_the_week_a_banner_names_the_day(acme: Company) -> None:
    acme.owner.refresh_from_db()
    until = f"{second_factor.deadline(acme.owner):%-d %B %Y}"
    browser = acme.browser()
    for path in ("/", "/admin/", "/admin/workspace/user/", f"/admin/workspace/user/{acme.member.pk}/change/"):
        assert until in text(browser.get(path)), path
    assert "you need a second factor" not in text(acme.browser(acme.member).get("/"))
    Authenticator.of(acme.owner)
    browser = verified_browser(acme.owner)
    assert "you need a second factor" not in text(browser.get("/")) + text(browser.get("/admin/"))


def verified_browser(user: User) -> Client:
    """A browser in which somebody signed in with both factors."""
    browser = Client()
    browser.force_login(user)
    session = browser.session
    session["second_factor_verified"] = True
    session.save()
    return browser


@pytest.mark.parametrize("route", WEB)
def test_afterwards_no_page_of_the_web_app_opens(acme: Company, route: str) -> None:
    browser = acme.browser(overdue(acme.owner))
    path = strangers.address(route, acme)
    before = strangers.everything(acme)
    for method in ("get", "post"):
        assert getattr(browser, method)(path)["Location"].startswith(PAGE)
    after = strangers.everything(acme)
    assert {**before, "Session": 0} == {**after, "Session": 0}


def test_afterwards_no_page_of_the_console_opens(acme: Company) -> None:
    populate(acme)
    for user in (overdue(acme.owner), overdue(support())):
        browser = acme.browser(user)
        for name in sorted({*object_pages(), *plain_pages()} - {"logout", "jsi18n"}):
            for method in ("get", "post"):
                assert getattr(browser, method)(address(name, acme))["Location"].startswith(PAGE), name


@pytest.mark.parametrize("route", SESSION_API)
def test_afterwards_the_api_refuses_the_session(acme: Company, route: str) -> None:
    browser = acme.browser(overdue(acme.owner))
    for method in strangers.METHODS:
        answer = getattr(browser, method)(strangers.address(route, acme))
        assert answer.status_code in {403, 405}
        assert answer.status_code == 405 or answer.json()["code"] == "second_factor_required"
    assert not Reveal.objects.filter(user=acme.owner).exists()


def test_a_part_of_a_page_leads_there_as_a_whole_page(acme: Company) -> None:
    part = acme.browser(overdue(acme.owner)).get("/", headers={"HX-Request": "true"})
    assert part["HX-Redirect"].startswith(PAGE)


def test_api_keys_are_unaffected(acme: Company) -> None:
    people.set_role(acme.member, Role.OWNER, actor=TESTS)
    overdue(acme.member)
    answer = Client(headers={"authorization": f"Bearer {acme.api_key}"}).get("/api/v1/me")
    assert answer.status_code == 200
    assert acme.okta().get("/scim/v2/Users").status_code == 200


def test_an_overdue_owner_sets_it_up_and_goes_on(acme: Company) -> None:
    browser = Client()
    overdue(acme.owner)
    browser.post("/login/", {"username": "owner@acme.example", "password": PASSWORD})
    assert browser.get("/admin/")["Location"] == f"{PAGE}?next=/admin/"
    page = text(browser.get(f"{PAGE}?next=/admin/"))
    assert "Owners sign in with a second factor" in page
    key = text(browser.post(PAGE)).split('id="key"')[1].split(">")[1].split("<")[0]
    shown = text(browser.post(f"{PAGE}confirm/", {"code": Authenticator(key).code()}))
    assert "shown this once" in shown
    assert browser.get("/admin/").status_code == 200


def test_an_overdue_owner_can_still_leave(acme: Company) -> None:
    assert acme.browser(overdue(acme.owner)).post("/logout/")["Location"] == "/login/"


def test_members_are_never_overdue(acme: Company) -> None:
    User.objects.update(created_at=timezone.now() - timedelta(days=900))
    assert acme.browser(acme.member).get("/").status_code == 200


def test_a_session_that_proved_no_second_factor_owes_the_code(acme: Company) -> None:
    """Such as one that began in another way than with a password."""
    app = Authenticator.of(acme.owner)
    browser = acme.browser()
    assert browser.get("/admin/")["Location"] == "/login/code/?next=/admin/"
    assert browser.get(PAGE)["Location"].startswith("/login/code/")
    assert browser.post("/second-factor/codes/", {"proof": PASSWORD})["Location"].startswith("/login/code/")
    assert browser.get("/api/v1/me").status_code == 403
    assert browser.post("/login/code/?next=/admin/", {"code": app.code()})["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_owing_a_code_leads_to_pages_of_ours_alone(acme: Company) -> None:
    app = Authenticator.of(acme.owner)
    answer = acme.browser().post("/login/code/?next=//evil.example/", {"code": app.code()})
    assert answer["Location"] == "/"


# Since when somebody is an Owner


def test_the_database_notes_since_when_somebody_is_an_owner(acme: Company) -> None:
    def since(user: User) -> Any:
        return User.objects.get(pk=user.pk).owner_since

    assert since(acme.owner) is not None
    assert since(acme.member) is None
    people.set_role(acme.member, Role.OWNER, actor=TESTS)
    first = since(acme.member)
    assert first is not None
    acme.member.refresh_from_db()
    acme.member.save()
    User.objects.filter(pk=acme.member.pk).update(role=Role.OWNER)
    assert since(acme.member) == first
    User.objects.filter(pk=acme.member.pk).update(role=Role.ADMIN)
    assert since(acme.member) is None


def test_who_returns_as_an_owner_has_a_new_week(acme: Company) -> None:
    overdue(acme.owner)
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    back = people.reactivate(acme.owner, actor=TESTS)
    people.set_role(back, Role.OWNER, actor=TESTS)
    assert not second_factor.is_overdue(User.objects.get(pk=back.pk))


# At once


@pytest.mark.django_db(transaction=True)
def test_of_two_who_give_the_same_code_at_once_one_gets_in(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    code, together = app.code(), threading.Barrier(2, timeout=PATIENCE)
    taken: list[str | None] = []

    def give(answer: str) -> None:
        together.wait()
        taken.append(second_factor.verify(acme.member, answer))
        connection.close()

    for answer in (code, app.recovery_codes[0]):
        forget_used(acme.member)
        threads = [threading.Thread(target=give, args=[answer]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert [taken[:2].count("totp"), taken[2:].count("recovery")] == [1, 1]
