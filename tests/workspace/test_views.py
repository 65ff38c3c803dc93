"""The web app: a person's accounts, the showing of a password, keys, profile, and the invitation link."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, TESTS, Company
from tests.workspace import strangers
from workspace import access, accounts, deactivation, invitations, keys, people, reauthentication, teams
from workspace.crypto import Secret
from workspace.models import ApiKey, AuditEvent, Reveal, Session, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db

ROUTES = [route for route in strangers.routes() if not route.startswith("api/")]
OPEN_TO_GUESTS = {"login/", "login/code/", "logout/", "invitation/<uuid:user_id>/<str:token>/"}
NEW = "mellow copper lantern 77"


def text(response: Any) -> str:
    return str(response.content.decode())


def newcomer(company: Company) -> tuple[User, str]:
    """Somebody without a password, and the path of their invitation."""
    user = people.provision(
        company.workspace, Profile("new", email=f"new@{company.workspace.slug}.example"), actor=TESTS
    )
    return user, invitations.invite(user, actor=TESTS)


def open_link(browser: Client, path: str) -> str:
    """Follow an invitation to the page on which the password is chosen; its address."""
    response = browser.get(path)
    assert response.status_code == 302
    return str(response["Location"])


# Every page


@pytest.mark.parametrize("route", ROUTES)
def test_every_page_is_stored_nowhere_and_runs_nothing_inline(acme: Company, route: str) -> None:
    browser = acme.browser(acme.member)
    for method in ("get", "post"):
        response = getattr(browser, method)(strangers.address(route, acme))
        assert "no-store" in response["Cache-Control"]
        assert "default-src 'none'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text(response))
        browser.force_login(acme.member)


@pytest.mark.parametrize("route", sorted(set(ROUTES) - OPEN_TO_GUESTS))
def test_a_guest_is_sent_to_sign_in(acme: Company, route: str) -> None:
    address = strangers.address(route, acme)
    for method in ("get", "post"):
        response = getattr(Client(), method)(address)
        assert response["Location"] == f"/login/?next={address}"
    part = Client().get(address, headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == "/login/?next=/"


@pytest.mark.parametrize("who", ["member", "owner"])
@pytest.mark.parametrize("route", ROUTES)
def test_acme_sees_and_changes_nothing_of_rivals(acme: Company, rival: Company, route: str, who: str) -> None:
    browser, address = acme.browser(getattr(acme, who)), strangers.address(route, rival)
    before = strangers.everything(rival)
    for method in strangers.METHODS:
        response = getattr(browser, method)(address)
        assert response.status_code in ({404, 405} if "<" in route else {200, 302, 405})
        assert "rival" not in text(response)
        assert not any(str(known) in text(response) for known in strangers.ids(rival))
        browser.force_login(getattr(acme, who))
    assert strangers.everything(rival) == before


def test_a_form_without_its_token_changes_nothing(acme: Company) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.member)
    browser.get("/")  # writes down that the session is in use
    addresses = [strangers.address(route, acme) for route in ROUTES]
    before = strangers.everything(acme)
    for address in addresses:
        assert browser.post(address).status_code == 403
    assert strangers.everything(acme) == before


# Accounts


def test_the_list_shows_my_accounts_and_no_password(acme: Company) -> None:
    accounts.create(acme.workspace, "Of others", actor=TESTS)
    page = text(acme.browser(acme.member).get("/"))
    assert "Router" in page
    assert "Of others" not in page
    assert acme.account_password.reveal() not in page


def test_the_list_is_searched_with_and_without_htmx(acme: Company) -> None:
    access.grant(accounts.create(acme.workspace, "Switch", actor=TESTS), acme.member, actor=TESTS)
    browser = acme.browser(acme.member)
    for headers in ({}, {"HX-Request": "true"}):
        page = text(browser.get("/?q=SWI", headers=headers))
        assert "Switch" in page
        assert "Router" not in page
        assert ("<html" in page) == (not headers)
    assert "Nothing matches “&lt;b&gt;”" in text(browser.get("/?q=<b>"))
    assert browser.get("/?q=%FF&page=x").status_code == 200


def test_an_empty_list_says_what_to_do(acme: Company) -> None:
    assert "Ask an Owner of Acme" in text(acme.browser(acme.person("lonely")).get("/"))
    assert "in the admin" in text(acme.browser().get("/"))


@pytest.mark.parametrize("number", [3, 60])
def test_the_pages_take_a_fixed_number_of_queries(
    acme: Company, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for index in range(number):
        access.grant(accounts.create(acme.workspace, f"A{index}", actor=TESTS), acme.member, actor=TESTS)
        team = teams.create(acme.workspace, f"T{index}", actor=TESTS)
        teams.add_members(team, [acme.member.id], actor=TESTS)
        access.grant(acme.account, team, actor=TESTS)
        keys.issue(acme.member, f"k{index}", actor=TESTS)
    browser = acme.browser(acme.member)
    browser.get("/")  # writes down that the session is in use, as it does every few minutes
    for path, queries in (("/", 5), (f"/accounts/{acme.account.id}/", 4), ("/keys/", 3), ("/profile/", 4)):
        with django_assert_num_queries(queries):  # the session, the person, and what the page shows
            assert browser.get(path).status_code == 200


def test_the_list_is_paged_and_keeps_its_search(acme: Company) -> None:
    for number in range(51):
        access.grant(accounts.create(acme.workspace, f"Switch {number:02}", actor=TESTS), acme.member, actor=TESTS)
    first = text(acme.browser(acme.member).get("/?q=switch"))
    assert "Switch 49" in first
    assert "Switch 50" not in first
    assert 'href="?q=switch&amp;page=2"' in first
    assert "Switch 50" in text(acme.browser(acme.member).get("/?q=switch&page=2"))


def test_an_account_says_how_i_have_it(acme: Company) -> None:
    page = text(acme.browser(acme.member).get(f"/accounts/{acme.account.id}/"))
    assert "through the team Operations" in page
    assert "given to you" not in page
    assert acme.account_password.reveal() not in page


def test_an_account_of_a_colleague_is_not_there(acme: Company) -> None:
    browser = acme.browser()
    assert browser.get(f"/accounts/{acme.account.id}/").status_code == 404
    assert browser.post(f"/accounts/{acme.account.id}/reveal/").status_code == 404
    assert not Reveal.objects.exists()


def test_a_password_is_shown_on_the_answer_to_a_post_and_recorded(acme: Company) -> None:
    browser = acme.browser(acme.member)
    response = browser.post(f"/accounts/{acme.account.id}/reveal/")
    assert acme.account_password.reveal() in text(response)
    assert Reveal.objects.get().user == acme.member
    assert AuditEvent.objects.filter(verb="account.revealed", actor_id=acme.member.id).count() == 1

    assert browser.get(f"/accounts/{acme.account.id}/reveal/")["Location"] == f"/accounts/{acme.account.id}/"
    assert acme.account_password.reveal() not in text(browser.get(f"/accounts/{acme.account.id}/"))
    assert Reveal.objects.count() == 1


def test_a_password_is_shown_as_text_never_as_markup(acme: Company) -> None:
    accounts.store_password(acme.account, Secret("<b>&\"' x"), actor=TESTS)
    page = text(acme.browser(acme.member).post(f"/accounts/{acme.account.id}/reveal/"))
    assert "&lt;b&gt;&amp;&quot;&#x27; x" in page


def test_a_password_that_cannot_be_opened_is_an_error_and_nothing_else(acme: Company) -> None:
    version = accounts.current_version(acme.account)
    assert version is not None
    version.sealed = bytes(version.sealed)[:-1] + b"\x00"
    version.save()
    browser = acme.browser(acme.member)
    assert browser.post(f"/accounts/{acme.account.id}/reveal/").status_code == 302
    assert "damaged" in text(browser.get(f"/accounts/{acme.account.id}/"))
    assert not Reveal.objects.exists()


# Keys


def test_a_key_is_shown_once_works_and_is_revoked(acme: Company) -> None:
    browser = acme.browser(acme.member)
    found = re.search(r"cerby_key_\w+", text(browser.post("/keys/", {"label": "backup", "proof": PASSWORD})))
    assert found
    program = Client(headers={"authorization": f"Bearer {found[0]}"})
    assert program.get("/api/v1/me").json()["id"] == str(acme.member.id)
    page = text(browser.get("/keys/"))
    assert "backup" in page
    assert found[0] not in page

    key = ApiKey.objects.get(label="backup")
    assert browser.get(f"/keys/{key.id}/revoke/").status_code == 405
    assert browser.post(f"/keys/{key.id}/revoke/")["Location"] == "/keys/"
    assert program.get("/api/v1/me").status_code == 401
    assert "The key “backup” no longer works." in text(browser.get("/keys/"))


@pytest.mark.parametrize("label", ["", "   ", "x" * 81])
def test_a_key_needs_a_label(acme: Company, label: str) -> None:
    page = text(acme.browser(acme.member).post("/keys/", {"label": label, "proof": PASSWORD}))
    assert "cerby_key_" not in page
    assert 'class="error"' in page


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": "not my password"}])
def test_a_key_asks_for_a_proof(acme: Company, proof: dict[str, str]) -> None:
    browser = acme.browser(acme.member)
    assert 'name="proof"' in text(browser.get("/keys/"))
    assert "cerby_key_" not in text(browser.post("/keys/", {"label": "backup", **proof}))
    assert ApiKey.objects.for_workspace(acme.workspace).count() == 1


def test_who_has_just_proved_themselves_issues_more_keys(acme: Company) -> None:
    browser = acme.browser(acme.member)
    browser.post("/keys/", {"label": "first", "proof": PASSWORD})
    assert 'name="proof"' not in text(browser.get("/keys/"))
    assert "cerby_key_" in text(browser.post("/keys/", {"label": "second"}))


def test_a_colleagues_key_is_neither_shown_nor_revoked(acme: Company) -> None:
    key, _ = keys.issue(acme.owner, "of the owner", actor=TESTS)
    browser = acme.browser(acme.member)
    assert "of the owner" not in text(browser.get("/keys/"))
    assert browser.post(f"/keys/{key.id}/revoke/").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


# Profile


def change(browser: Client, current: str, new: str, again: str | None = None) -> Any:
    fields = {"current": current, "password": new, "password_again": new if again is None else again}
    return browser.post("/profile/", fields)


def test_a_changed_password_ends_the_other_sessions_and_keeps_this_one(acme: Company) -> None:
    browser, other = acme.browser(acme.member), acme.browser(acme.member)
    assert change(browser, PASSWORD, NEW)["Location"] == "/profile/"

    assert browser.get("/profile/").status_code == 200
    assert other.get("/profile/").status_code == 302
    assert Session.objects.get(user=acme.member)
    acme.member.refresh_from_db()
    assert acme.member.check_password(NEW)


def test_the_present_password_is_not_guessed_in_a_borrowed_browser(acme: Company, rival: Company) -> None:
    """Neither is a code of the second factor the password that is to be changed."""
    app, browser = Authenticator.of(acme.member), Client()
    browser.post("/login/", {"username": "member@acme.example", "password": PASSWORD})
    browser.post("/login/code/", {"code": app.code()})
    forget_used(acme.member)
    for guess in [app.code(), *["wrong"] * (reauthentication.GUESSES - 1)]:
        assert "This is not your password" in text(change(browser, guess, NEW))
    assert "Too many wrong answers" in text(change(browser, PASSWORD, NEW))
    refused = AuditEvent.objects.filter(verb="person.proof_refused")
    assert [event.subject_id for event in refused] == [acme.member.pk] * reauthentication.GUESSES
    acme.member.refresh_from_db()
    assert acme.member.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("current", "new", "again", "why"),
    [
        ("wrong", NEW, NEW, "This is not your password"),
        (PASSWORD, NEW, NEW + "x", "not the same"),
        (PASSWORD, "short", "short", "too short"),
        (PASSWORD, "member@acme.example", "member@acme.example", "too similar"),
    ],
)
def test_a_password_that_cannot_be_taken_changes_nothing(
    acme: Company, current: str, new: str, again: str, why: str
) -> None:
    browser = acme.browser(acme.member)
    page = text(change(browser, current, new, again))
    assert why in page
    assert f'value="{new}"' not in page.replace('name="username" value="member@acme.example"', "")
    acme.member.refresh_from_db()
    assert acme.member.check_password(PASSWORD)


def test_owners_see_the_way_to_the_admin_and_members_do_not(acme: Company) -> None:
    assert 'href="/admin/"' in text(acme.browser().get("/profile/"))
    assert 'href="/admin/"' not in text(acme.browser(acme.member).get("/profile/"))


# Invitation


def test_an_invited_person_chooses_a_password_and_signs_in(acme: Company) -> None:
    user, path = newcomer(acme)
    browser = Client()
    page = open_link(browser, path)
    assert path.split("/")[3] not in page
    assert path.split("/")[3] not in text(browser.get(page))

    assert browser.post(page, {"password": NEW, "password_again": NEW})["Location"] == "/login/"
    assert "Your password is set" in text(browser.get("/login/"))
    assert browser.post("/login/", {"username": "new@acme.example", "password": NEW})["Location"] == "/"
    assert AuditEvent.objects.filter(verb="person.password_set", actor_id=user.id).exists()


def test_an_invitation_works_once(acme: Company) -> None:
    user, path = newcomer(acme)
    first, second = Client(), Client()
    pages = [open_link(first, path), open_link(second, path)]
    first.post(pages[0], {"password": NEW, "password_again": NEW})

    assert second.post(pages[1], {"password": PASSWORD, "password_again": PASSWORD}).status_code == 404
    assert Client().get(path).status_code == 404
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_an_invitation_of_a_disabled_person_is_dead(acme: Company) -> None:
    user, path = newcomer(acme)
    browser = Client()
    page = open_link(browser, path)
    deactivation.deactivate(user, actor=TESTS, reason="left")
    assert browser.post(page, {"password": NEW, "password_again": NEW}).status_code == 404
    assert Client().get(path).status_code == 404


def test_an_invitation_opens_nobody_else(acme: Company, rival: Company) -> None:
    user, path = newcomer(acme)
    browser = Client()
    open_link(browser, path)
    for other in (acme.member, rival.member):
        assert browser.get(path.replace(str(user.id), str(other.id))).status_code == 404
        assert browser.get(f"/invitation/{other.id}/choose/").status_code == 404


def test_a_weak_password_is_refused_by_the_invitation(acme: Company) -> None:
    user, path = newcomer(acme)
    browser = Client()
    page = open_link(browser, path)
    assert "too common" in text(browser.post(page, {"password": "password1234", "password_again": "password1234"}))
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_ones_own_invitation_ends_the_open_session(acme: Company) -> None:
    browser = acme.browser(acme.member)
    acme.member.refresh_from_db()  # a sign-in spends the links made before it
    page = open_link(browser, invitations.invite(acme.member, actor=TESTS))
    assert browser.post(page, {"password": NEW, "password_again": NEW})["Location"] == "/login/"
    assert browser.get("/").status_code == 302
    assert not Session.objects.filter(user=acme.member).exists()


def test_another_persons_invitation_leaves_one_signed_in(acme: Company) -> None:
    browser = acme.browser(acme.member)
    page = open_link(browser, newcomer(acme)[1])
    assert browser.post(page, {"password": NEW, "password_again": NEW})["Location"] == "/login/"
    assert browser.get("/").status_code == 200
    assert browser.get(page).status_code == 404
