"""Signing in: by e-mail and password within a workspace; out at once with a departure; Owners alone into the admin."""

from urllib.parse import quote

import pytest
from django.test import Client

from tests.companies import PASSWORD, TESTS, Company, password_hash
from workspace import deactivation, invitations, people, sessions
from workspace.crypto import Secret
from workspace.errors import NotFound, Refused
from workspace.models import Role, Session, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db

WRONG = "do not fit together"


def sign_in(email: str, password: str = PASSWORD, *, to: str = "", **more: str) -> tuple[Client, str]:
    """A browser after one try, and what it was answered: the address it was sent to, or the page."""
    browser = Client()
    address = f"/login/?next={quote(to)}" if to else "/login/"
    response = browser.post(address, {"username": email, "password": password, "next": to, **more})
    return browser, response.get("Location") or response.content.decode()


def person_of(browser: Client) -> str | None:
    response = browser.get("/api/v1/me")
    return str(response.json()["id"]) if response.status_code == 200 else None


def same_person_in(company: Company, email: str) -> User:
    """Somebody with this e-mail and PASSWORD in another workspace."""
    user = people.provision(company.workspace, Profile(email, email=email), actor=TESTS)
    user.password = password_hash()
    user.save(update_fields=["password"])
    return user


@pytest.mark.parametrize("email", ["member@acme.example", "MEMBER@Acme.Example"])
def test_an_email_and_its_password_sign_a_person_in(acme: Company, rival: Company, email: str) -> None:
    browser, answer = sign_in(email)
    assert answer == "/"
    assert person_of(browser) == str(acme.member.id)
    assert Session.objects.get().user == acme.member


@pytest.mark.parametrize("to", ["accounts", "foo", "web:profile", "javascript:alert(1)", "//evil.example/", "\\evil"])
def test_where_a_link_leads_that_is_no_address_of_ours_nobody_is_sent(acme: Company, to: str) -> None:
    """A word would be taken for the name of a page, and be an error after the right password."""
    browser, answer = sign_in("member@acme.example", to=to)
    assert answer == "/"
    assert person_of(browser) == str(acme.member.id)


@pytest.mark.parametrize(
    ("email", "password"),
    [("member@acme.example", "wrong"), ("nobody@acme.example", PASSWORD), ("member@acme.example\x00", PASSWORD)],
)
def test_what_does_not_fit_is_refused_without_saying_why(acme: Company, email: str, password: str) -> None:
    browser, answer = sign_in(email, password)
    assert "\x00" in email or WRONG in answer
    assert password not in answer
    assert person_of(browser) is None


def test_the_same_email_and_password_in_two_workspaces_needs_the_workspace(acme: Company, rival: Company) -> None:
    twin = same_person_in(rival, "member@acme.example")

    assert WRONG in sign_in("member@acme.example")[1]
    assert person_of(sign_in("member@acme.example", workspace="acme")[0]) == str(acme.member.id)
    assert person_of(sign_in("member@acme.example", workspace="RIVAL")[0]) == str(twin.id)
    assert WRONG in sign_in("member@acme.example", workspace="neither")[1]


def test_the_same_email_with_another_password_signs_in_where_it_fits(acme: Company, rival: Company) -> None:
    twin = same_person_in(rival, "member@acme.example")
    twin.set_password("another battery staple 10")
    twin.save()
    assert person_of(sign_in("member@acme.example")[0]) == str(acme.member.id)
    assert person_of(sign_in("member@acme.example", "another battery staple 10")[0]) == str(twin.id)


def test_a_workspace_that_is_not_theirs_lets_nobody_in(acme: Company, rival: Company) -> None:
    assert WRONG in sign_in("member@acme.example", workspace="rival")[1]


def test_a_person_without_a_password_cannot_sign_in(acme: Company) -> None:
    people.provision(acme.workspace, Profile("new", email="new@acme.example"), actor=TESTS)
    assert WRONG in sign_in("new@acme.example")[1]
    assert WRONG not in sign_in("new@acme.example", "")[1]


def test_a_disabled_person_cannot_sign_in(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    browser, answer = sign_in("member@acme.example")
    assert WRONG in answer
    assert person_of(browser) is None


def test_an_open_session_dies_with_the_departure(acme: Company, rival: Company) -> None:
    browser, other = sign_in("member@acme.example")[0], sign_in("member@rival.example")[0]
    assert browser.get("/").status_code == 200
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")

    assert browser.get("/")["Location"] == "/login/?next=/"
    assert other.get("/").status_code == 200


def test_a_session_that_a_lost_race_left_behind_is_nobodys(acme: Company) -> None:
    browser = sign_in("member@acme.example")[0]
    User.objects.filter(pk=acme.member.pk).update(is_active=False, deactivated_at=acme.member.created_at)
    assert Session.objects.filter(user=acme.member).exists()
    assert browser.get("/")["Location"] == "/login/?next=/"


def test_a_reactivated_person_is_invited_anew_and_then_signs_in(acme: Company) -> None:
    browser = sign_in("member@acme.example")[0]
    former_link = invitations.invite(acme.member, actor=TESTS)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    back = people.reactivate(acme.member, actor=TESTS)
    assert person_of(browser) is None
    assert person_of(sign_in("member@acme.example")[0]) is None
    with pytest.raises(NotFound):
        invitations.accept(back.id, former_link.split("/")[3], Secret(PASSWORD))
    link = invitations.invite(back, actor=TESTS)
    invitations.accept(back.id, link.split("/")[3], Secret(PASSWORD))
    assert person_of(sign_in("member@acme.example")[0]) == str(acme.member.id)


def test_a_password_change_that_loses_the_race_with_a_departure_is_refused(acme: Company) -> None:
    stale = User.objects.get(pk=acme.member.pk)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    with pytest.raises(Refused):
        invitations.set_password(stale, Secret("another horse battery 7"), actor=TESTS)
    assert not User.objects.get(pk=acme.member.pk).has_usable_password()


def test_signing_in_gives_a_new_session_id(acme: Company) -> None:
    browser = Client()
    session = browser.session
    session["planted"] = "by an attacker"
    session.save()
    planted = session.session_key
    assert planted
    name = next(iter(browser.cookies))
    browser.post("/login/", {"username": "member@acme.example", "password": PASSWORD})

    assert browser.cookies[name].value != planted
    assert not Session.objects.filter(pk=sessions.digest(planted)).exists()


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/keys/", "/keys/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http:///evil.example", "/"),
    ],
)
def test_signing_in_leads_only_to_our_own_pages(acme: Company, wanted: str, got: str) -> None:
    assert sign_in("member@acme.example", to=wanted)[1] == got


def test_signing_in_and_out_are_protected_against_forgery(acme: Company) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/login/", {"username": "member@acme.example", "password": PASSWORD}).status_code == 403
    browser.force_login(acme.member)
    assert browser.post("/logout/").status_code == 403
    assert person_of(browser) is not None


def test_signing_out_ends_the_session(acme: Company) -> None:
    browser = sign_in("member@acme.example")[0]
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/")["Location"] == "/login/"
    assert not Session.objects.filter(user=acme.member).exists()
    assert person_of(browser) is None


def test_owners_reach_the_admin(acme: Company) -> None:
    browser, answer = sign_in("owner@acme.example", to="/admin/")
    assert answer == "/admin/"
    assert browser.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
def test_nobody_else_reaches_the_admin(acme: Company, role: str) -> None:
    people.set_role(acme.member, Role(role), actor=TESTS)
    browser = sign_in("member@acme.example")[0]
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")
    assert "/admin/" not in browser.get("/").content.decode()


def test_a_disabled_owner_is_out_of_the_admin_at_once(acme: Company) -> None:
    browser = sign_in("owner@acme.example")[0]
    assert browser.get("/admin/").status_code == 200
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")
