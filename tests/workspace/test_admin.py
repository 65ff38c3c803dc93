"""The console's log-in, its home page, and what its lists cost."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from rotation.departures import offboarding
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import address, grow, object_pages, plain_pages, populate, support, text_of
from workspace import people
from workspace.models import Role, Session

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
REFUSED = "do not fit together"


def sign_in(email: str, password: str = PASSWORD, **fields: str) -> tuple[Client, str]:
    """A browser after the log-in form was sent, and the page it shows then."""
    browser = Client()
    door = browser.get("/admin/", follow=True).request
    asked = f"{door['PATH_INFO']}?{door['QUERY_STRING']}"
    answer = browser.post(asked, {"username": email, "password": password, "next": "/admin/", **fields}, follow=True)
    return browser, answer.content.decode()


def test_an_owner_signs_in_with_e_mail_and_password(acme: Company) -> None:
    browser, page = sign_in("OWNER@acme.example")
    assert "Owner Person" in page
    assert browser.get("/admin/").status_code == 200


def test_the_console_has_no_door_of_its_own(acme: Company) -> None:
    """One that counted wrong tries and asked for second factors in its own way would be one to forget."""
    assert Client().get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/login/?next=/admin/"
    answer = Client().post(LOGIN, {"username": "owner@acme.example", "password": PASSWORD})
    assert answer["Location"] == "/login/?next=/admin/"
    assert not Session.objects.filter(user=acme.owner).exists()


def test_who_may_not_open_it_is_told_so_at_the_door(acme: Company) -> None:
    assert "may not open that page" in text_of(acme.browser(acme.member), "/admin/", follow=True)


def test_a_password_is_never_sent_back(acme: Company) -> None:
    _, page = sign_in("owner@acme.example", "a-wrong-password-typed")
    assert "a-wrong-password-typed" not in page


def test_the_same_pair_in_two_workspaces_needs_the_workspace(acme: Company, rival: Company) -> None:
    people.provision(
        rival.workspace, people.Profile("owner@acme.example", email="owner@acme.example"), actor=TESTS, role=Role.OWNER
    )
    twin = rival.owner.__class__.objects.get(workspace=rival.workspace, user_name="owner@acme.example")
    twin.password = acme.owner.password
    twin.save(update_fields=["password"])

    assert REFUSED in sign_in("owner@acme.example")[1]
    for company, user in ((acme, acme.owner), (rival, twin)):
        browser, _ = sign_in("owner@acme.example", workspace=company.workspace.slug)
        assert browser.session["_auth_user_id"] == str(user.pk)
    assert REFUSED in sign_in("owner@acme.example", workspace="nowhere")[1]


def test_a_disabled_owner_is_out_at_the_next_request(acme: Company) -> None:
    browser = acme.browser()
    assert browser.get("/admin/").status_code == 200
    offboarding.offboard(acme.owner, actor=TESTS, cause="left")
    answer = browser.get("/admin/workspace/user/")
    assert answer["Location"].startswith(LOGIN)
    assert REFUSED in sign_in("owner@acme.example")[1]


def test_an_owner_who_became_a_member_is_out_at_the_next_request(acme: Company) -> None:
    browser = acme.browser()
    people.set_role(acme.owner, Role.MEMBER, actor=TESTS)
    assert browser.get("/admin/")["Location"].startswith(LOGIN)


def test_logging_out_ends_the_session(acme: Company) -> None:
    browser = acme.browser()
    assert browser.get("/admin/logout/").status_code == 405
    browser.post("/admin/logout/")
    assert not Session.objects.filter(user=acme.owner).exists()
    assert browser.get("/admin/").status_code == 302


def test_acts_need_a_csrf_token(acme: Company) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(acme.owner)
    answer = browser.post(address("workspace_user_offboard", acme), {"user_name": acme.member.user_name})
    assert answer.status_code == 403
    acme.member.refresh_from_db()
    assert acme.member.is_active


def test_ones_password_is_changed_in_one_place(acme: Company) -> None:
    assert acme.browser().get("/admin/password_change/")["Location"] == "/profile/"


def test_the_home_page_counts_ones_own_and_links_to_the_lists(acme: Company, rival: Company) -> None:
    populate(acme)
    populate(rival)
    answer = acme.browser().get("/admin/")
    counts = {figure.label: figure.count for card in answer.context["cards"] for figure in card.figures}
    assert counts == {
        "Active": 2, "Disabled": 1, "userName is not the e-mail": 0,
        "Owners without a second factor": 1, "Get in without Okta": 0,
        "Open exposures": 1, "Open offboardings": 1, "Accounts without an Owner": 1, "Need a person": 1,
        "Waiting to try again": 0, "Under way": 0, "Done": 0, "Valid tokens": 1, "Ending within 20 days": 0,
        "Done in 14 days": 0, "Refused in 14 days": 1,
    }  # fmt: skip
    for card in answer.context["cards"]:
        for figure in card.figures:
            found = acme.browser().get(figure.link).context["cl"].result_count
            assert found == figure.count
    everyone = acme.browser(support()).get("/admin/").context["cards"]
    assert everyone[0].figures[0].count == 5


def test_an_empty_list_says_what_to_do(acme: Company) -> None:
    browser = acme.browser()
    assert "is written up here" in text_of(browser, reverse("admin:rotation_offboarding_changelist"))
    assert "Nothing fits this search" in text_of(browser, reverse("admin:workspace_user_changelist") + "?q=zzz")


def test_pages_are_kept_by_nobody(acme: Company) -> None:
    for name in plain_pages():
        if name.endswith("_changelist"):
            assert "no-store" in acme.browser().get(address(name, acme))["Cache-Control"]


COUNTED = [name for name in plain_pages() if name.endswith("_changelist") or name == "index"] + [
    name for name in object_pages() if name.endswith("_change")
]


def statements(browser: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert browser.get(path).status_code == 200
    return len(caught)


def test_a_page_costs_the_same_number_of_statements_however_much_there_is(acme: Company) -> None:
    populate(acme)
    browser = acme.browser()
    browser.get("/admin/")  # writes down that the session is in use, as it does every few minutes
    addresses = {name: address(name, acme) for name in COUNTED}
    grow(acme, 2, name="first")
    before = {name: statements(browser, path) for name, path in addresses.items()}
    grow(acme, 4, name="second")
    after = {name: statements(browser, path) for name, path in addresses.items()}
    assert after == before
    assert max(after.values()) < 25


def test_an_owner_finds_their_own_workspace_and_platform_staff_all(acme: Company, rival: Company) -> None:
    path = reverse("admin:workspace_workspace_changelist")
    assert f'href="{path}"' in text_of(acme.browser(), "/admin/workspace/user/")
    assert acme.browser().get(path).context["cl"].result_count == 1
    assert acme.browser(support()).get(path).context["cl"].result_count == 2
