"""Lists as CSV: the rows that search and filters leave, one's own, all of them, and nothing that calculates."""

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.companies import TESTS, Company
from tests.console_world import body_of, plain_pages, populate, support, text_of
from workspace import people
from workspace.admin import files
from workspace.admin.parts import badge, when
from workspace.models import AuditEvent
from workspace.people import Profile

pytestmark = pytest.mark.django_db

FILES = [name for name in plain_pages() if name.endswith("_csv")]
PEOPLE = "/admin/workspace/user/csv/"


def rows(answer: Any) -> list[dict[str, str]]:
    text = body_of(answer)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


@pytest.mark.parametrize("name", FILES)
def test_every_list_is_a_file_with_the_rows_it_shows(acme: Company, rival: Company, name: str) -> None:
    populate(acme)
    populate(rival)
    browser = acme.browser()
    shown = browser.get(reverse(f"admin:{name.replace('_csv', '_changelist')}")).context["cl"]
    answer = browser.get(reverse(f"admin:{name}"))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="acme.{name.split("_")[1]}.csv"' in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    found = rows(answer)
    assert len(found) == shown.result_count + (name == "workspace_auditevent_csv")  # it says that it was taken
    assert all("<" not in value for row in found for value in row.values())


def test_a_file_obeys_search_and_filters_and_is_not_cut_into_pages(acme: Company, rival: Company) -> None:
    for n in range(120):
        people.provision(acme.workspace, Profile(f"p{n}", email=f"p{n}@acme.example"), actor=TESTS)
    browser = acme.browser()
    assert len(rows(browser.get(PEOPLE))) == 122
    assert [row["userName"] for row in rows(browser.get(f"{PEOPLE}?q=p119"))] == ["p119"]
    assert len(rows(browser.get(f"{PEOPLE}?name=apart&p=2"))) == 120
    assert rows(browser.get(f"{PEOPLE}?state=disabled")) == []
    assert browser.get(f"{PEOPLE}?password__startswith=a").status_code == 400
    link = f'href="{PEOPLE}?q=p1&amp;state=active"'
    assert link in text_of(browser, "/admin/workspace/user/?q=p1&state=active")


def test_a_file_takes_a_fixed_number_of_statements(acme: Company) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            body_of(browser.get(PEOPLE))
        return len(asked)

    browser = acme.browser()
    statements()  # the first of a session notes it
    few = statements()
    for n in range(30):
        acme.person(f"p{n}")
    assert statements() == few


def test_that_a_list_was_taken_is_recorded(acme: Company) -> None:
    acme.browser().get(f"{PEOPLE}?q=x")
    event = AuditEvent.objects.get(verb="list.exported")
    assert (event.workspace, event.actor_id) == (acme.workspace, acme.owner.pk)
    assert event.detail == {"list": "user", "narrowed": True}


def test_platform_staff_read_which_workspace_a_row_is_of(acme: Company, rival: Company) -> None:
    found = rows(acme.browser(support()).get(PEOPLE))
    assert {row["workspace"] for row in found} == {"Acme", "Rival", ""}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")'])
def test_a_name_that_a_spreadsheet_would_calculate_is_text(acme: Company, name: str) -> None:
    people.provision(acme.workspace, Profile(f"{name}@x", display_name=name), actor=TESTS)
    cells = [cell for row in rows(acme.browser().get(PEOPLE)) for cell in row.values()]
    assert f"'{name.strip()}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_cells_say_what_the_list_says_without_its_dress() -> None:
    now = timezone.now()
    assert files.plain(when(now)) == now.isoformat()
    assert files.plain(badge("Data & deleted", "danger")) == "Data & deleted"
    assert [files.plain(value) for value in (None, True, False, "–", 7)] == ["", "yes", "no", "", "7"]
    assert files.harmless("'") == "'"
