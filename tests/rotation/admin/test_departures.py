"""What an Owner sees in the console of a departure: the preview, and live progress."""

from typing import Any

import pytest
from django.utils import timezone

from rotation.models import Exposure, Orphan, RotationJob
from tests.companies import TESTS, Company
from tests.console_world import act_text, text_of
from tests.rotation.leaving import leave, many_accounts, owned, rotated
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts
from workspace.crypto import Secret
from workspace.models import GrantRole

pytestmark = pytest.mark.django_db


# Before: the preview


def test_the_preview_says_who_changes_what_and_how_long_it_takes(acme: Company) -> None:
    database = accounts.create(
        acme.workspace, "Database", actor=TESTS, password=Secret("x"), connector="postgres", username="app",
        target={"host": "db.example"}, is_privileged=True,
    )  # fmt: skip
    access.grant(database, acme.member, actor=TESTS, role=GrantRole.OWNER)
    shown = act_text(acme, page(acme.member, "offboard"))
    assert "Passwords they could have known: 2. Changed by themselves: 1. Waiting for a person: 1." in shown
    assert "nothing of this kind was rotated here yet" in shown
    rotated(acme, database, seconds=4)
    assert "Judged by past rotations, that takes about 4.0 s." in act_text(acme, page(acme.member, "offboard"))
    shown = text_of(acme.browser(), page(acme.member, "offboard"))
    assert "4.0 s (1 past rotation)" in shown
    assert "Only Owner" in shown
    assert "Accounts nobody else owns" in shown
    assert "who owns the workspace" in shown


def test_a_preview_of_very_many_accounts_shows_some_and_counts_all(acme: Company) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 300, busy)
    context = acme.browser().get(page(busy, "offboard")).context
    known = next(section for section in context["act"].sections if section.title.startswith("Passwords"))
    assert (len(known.rows), known.note) == (200, "The first 200 of 300 by name.")


# During: live progress


def test_an_open_offboarding_keeps_itself_up_to_date_and_ends(acme: Company) -> None:
    done = leave(acme.member)
    shown = text_of(acme.browser(), page(done))
    assert "console/live.js" in shown
    assert '<noscript><meta http-equiv="refresh"' in shown

    def part() -> str:
        return str(acme.browser().get(page(done), headers={"X-Live": "1"}).content.decode())

    middle = part()
    assert "<html" not in middle
    assert "0 of 1 passwords are dealt with." in middle
    assert "data-live" in middle
    post(acme.browser(), page(RotationJob.objects.get(), "changed_by_hand"), password="entered-by-hand-1")  # queued
    RotationJob.objects.update(state="needs_human", resume_state="queued")
    post(acme.browser(), page(RotationJob.objects.get(), "changed_by_hand"), password="entered-by-hand-1")
    assert "data-live" not in part()
    assert page(done, "certificate") in part()
    assert "live.js" not in text_of(acme.browser(), page(done))


def test_the_middle_of_anothers_offboarding_does_not_exist(acme: Company, rival: Company) -> None:
    done = leave(rival.member)
    answer = acme.browser().get(page(done), headers={"X-Live": "1"})
    assert answer.status_code == 302


def test_progress_shows_follow_ups_and_what_is_left_without_an_owner(acme: Company) -> None:
    owned(acme, "Alone", acme.member)
    done = leave(acme.member)
    RotationJob.objects.filter(account__name="Alone").update(follow_ups=["API keys live on."], state="done")
    job = RotationJob.objects.get(account__name="Alone")
    Exposure.objects.filter(account__name="Alone").update(
        closed_at=timezone.now(), outcome="proved_dead", closed_by=job
    )
    shown = text_of(acme.browser(), page(done))
    assert "API keys live on." in shown
    assert page(Orphan.objects.get()) in shown
    assert "1 of 2" in shown


def test_a_page_of_very_many_exposures_stays_small(acme: Company, django_assert_max_num_queries: Any) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 300, busy, role=GrantRole.COLLABORATOR)
    done = leave(busy)
    browser = acme.browser()
    with django_assert_max_num_queries(14):
        sections = browser.get(page(done)).context["detail"].sections
    assert (len(sections[0].rows), sections[0].note) == (200, "200 of 300, those that are open first.")
