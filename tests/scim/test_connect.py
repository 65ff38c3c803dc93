"""The page that connects Okta ticks its steps as Okta's requests arrive, each workspace's own."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scim import tokens
from scim.models import ScimToken
from tests.companies import TESTS, Company
from tests.console_world import grow, support, text_of
from tests.scim.test_users import create_body, send
from workspace import deactivation
from workspace.audit import Actor
from workspace.models import User

pytestmark = pytest.mark.django_db

PAGE = "/admin/connect-okta/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def local(acme: Company, rival: Company) -> None:
    """Both companies begin without a person of Okta's."""
    User.objects.update(provisioned_at=None)


def ticks(browser: Client, **query: str) -> str:
    """What is done, a letter a step: token, URL, test, person, group."""
    return "".join(
        letter if step["done"] else "-"
        for letter, step in zip("TUCPG", browser.get(PAGE, query).context["steps"], strict=True)
    )


def group_body(company: Company, name: str = "Engineering") -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": f"{name} of {company.workspace.slug}", "members": [],
    }  # fmt: skip


def connect(company: Company) -> None:
    """All that Okta sends until it is connected."""
    okta = company.okta()
    send(okta, "GET", "/Users?startIndex=1&count=2")
    assert send(okta, "POST", "/Users", create_body()).status_code == 201
    assert send(okta, "POST", "/Groups", group_body(company)).status_code == 201


def test_each_request_ticks_its_step_and_no_other_workspaces(acme: Company, rival: Company) -> None:
    mine, theirs = acme.browser(), rival.browser()
    ScimToken.objects.filter(workspace=acme.workspace).delete()
    assert ticks(mine) == "-----"
    _, secret = tokens.issue(acme.workspace, "Okta", actor=Actor.person(acme.owner))
    acme.scim_token = secret.reveal()
    assert ticks(mine) == "T----"
    okta = acme.okta()
    send(okta, "GET", "/ServiceProviderConfig")
    assert ticks(mine) == "TU---"
    send(okta, "GET", "/Users?startIndex=1&count=2")
    assert ticks(mine) == "TUC--"
    send(okta, "POST", "/Users", create_body())
    assert ticks(mine) == "TUCP-"
    send(okta, "POST", "/Groups", group_body(acme))
    assert ticks(mine) == "TUCPG"
    assert ticks(theirs) == "T----"


def test_who_and_what_came_first_is_shown_to_their_own_workspace(acme: Company, rival: Company) -> None:
    connect(acme)
    page = text_of(acme.browser(), PAGE)
    assert "Ada Lovelace" in page
    assert "Engineering of acme" in page
    assert "5 of 5 done" in page
    for browser, query in ((rival.browser(), {}), (rival.browser(), {"workspace": "acme"})):
        page = text_of(browser, PAGE, data=query)
        assert "acme" not in page.lower()
        assert "Lovelace" not in page
        assert "1 of 5 done" in page


def test_a_refused_write_ticks_nothing(acme: Company) -> None:
    assert send(acme.okta(), "POST", "/Users", {"schemas": []}).status_code == 400
    assert ticks(acme.browser()) == "TU---"


def test_a_token_that_ended_ticks_nothing(acme: Company) -> None:
    connect(acme)
    tokens.revoke(ScimToken.objects.get(workspace=acme.workspace), actor=TESTS)
    assert ticks(acme.browser()) == "---PG"


def test_it_asks_again_until_all_is_ticked(acme: Company) -> None:
    browser = acme.browser()
    first = browser.get(PAGE)
    assert 'hx-trigger="every 5s"' in first.content.decode()
    poll = first.context["poll"]
    assert browser.get(poll, headers=HTMX).status_code == 204  # nothing new: nothing is swapped or read out
    connect(acme)
    answer = browser.get(poll, headers=HTMX)
    assert (answer.status_code, answer.content[:22]) == (200, b'<div id="connect-progr')
    assert "hx-get" not in answer.content.decode()
    assert "every 5s" not in text_of(browser, PAGE)


def test_an_open_page_of_somebody_signed_out_goes_to_the_door(acme: Company) -> None:
    for browser in (Client(), acme.browser(acme.member)):
        answer = browser.get(PAGE, headers=HTMX)
        assert (answer["HX-Refresh"], answer.content) == ("true", b"")
        assert browser.get(PAGE)["Location"].startswith("/admin/login/")


def test_what_to_choose_is_said_in_oktas_words(acme: Company, settings: Any) -> None:
    page = text_of(acme.browser(), PAGE)
    for words in (
        "Application username format", "Email", "Create Users, Update User Attributes, Deactivate Users",
        "Find groups by name", "by rule", "Unique identifier field", "userName", "Authentication Mode", "HTTP Header",
        f'value="{settings.BASE_URL}/scim/v2/"',
    ):  # fmt: skip
        assert words in page


def test_warnings_are_those_of_the_workspace_and_come_with_the_next_update(acme: Company, rival: Company) -> None:
    connect(acme)
    browser, theirs = acme.browser(), rival.browser()
    poll = theirs.get(PAGE).context["poll"]
    send(acme.okta(), "POST", "/Users", create_body("grace", userName="grace"))
    ScimToken.objects.filter(workspace=acme.workspace).update(expires_at=timezone.now() + timedelta(days=19))
    page = text_of(browser, PAGE)
    assert "differ from the e-mail address: grace" in page
    assert "expires on" in page
    assert theirs.get(poll, headers=HTMX).status_code == 204
    ScimToken.objects.filter(workspace=rival.workspace).update(expires_at=timezone.now() + timedelta(days=19))
    assert "expires on" in text_of(theirs, poll, headers=HTMX)


def test_a_token_whose_maker_left_is_warned_of(acme: Company) -> None:
    leaver = acme.person("second", role="owner")
    tokens.issue(acme.workspace, "of the leaver", actor=Actor.person(leaver))
    assert "issued by somebody who left" not in text_of(acme.browser(), PAGE)
    deactivation.deactivate(leaver, actor=TESTS, reason="left")
    assert "“of the leaver” was issued by somebody who left" in text_of(acme.browser(), PAGE)


def test_platform_staff_name_the_workspace(acme: Company, rival: Company) -> None:
    connect(acme)
    browser = acme.browser(support())
    assert "Whose connection" in text_of(browser, PAGE)
    assert ticks(browser, workspace="acme") == "TUCPG"
    assert ticks(browser, workspace="rival") == "T----"
    poll = browser.get(PAGE, {"workspace": "rival"}).context["poll"]
    assert browser.get(poll, headers=HTMX).status_code == 204
    assert "no workspace" in text_of(browser, PAGE, data={"workspace": "nobody"})


def test_it_changes_nothing(acme: Company) -> None:
    assert acme.browser().post(PAGE).status_code == 405


def test_it_costs_the_same_number_of_statements_however_much_there_is(acme: Company) -> None:
    connect(acme)
    browser = acme.browser()
    counts = []
    for number in (1, 4):
        grow(acme, number, name=f"g{number}")
        for which in range(number):
            token, _ = tokens.issue(acme.workspace, f"token {number}.{which}", actor=TESTS, days=10)
            tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=1))
        browser.get(PAGE)
        with CaptureQueriesContext(connection) as asked:
            browser.get(PAGE)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 15


def test_the_sidebar_leads_there(acme: Company) -> None:
    assert f'href="{PAGE}"' in text_of(acme.browser(), "/admin/")
