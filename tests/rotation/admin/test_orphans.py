"""What an Owner does in the console about accounts whose only Owner left."""

from typing import Any

import pytest
from django.urls import reverse

from rotation.models import Orphan
from tests.companies import TESTS, Company
from tests.console_world import support, text_of
from tests.rotation.leaving import leave, owned
from tests.workspace.test_admin_acts import page, post
from workspace import access
from workspace.models import GrantRole
from workspace.vault import ledger

pytestmark = pytest.mark.django_db

ORPHANS = "/admin/rotation/orphan/"


def orphaned(company: Company, *names: str) -> list[Orphan]:
    for name in names:
        owned(company, name, company.member)
    leave(company.member)
    return list(Orphan.objects.for_workspace(company.workspace).order_by("account__name"))


def test_the_queue_shows_what_waits_with_a_suggestion(
    acme: Company, rival: Company, django_assert_max_num_queries: Any
) -> None:
    first, _ = orphaned(acme, "One", "Two")
    orphaned(rival, "Theirs")
    browser = acme.browser()
    with django_assert_max_num_queries(12):
        shown = browser.get(ORPHANS).content.decode()
    assert "Owner Person</a>, who owns the workspace" in shown
    assert "Theirs" not in shown
    post(browser, page(first, "confirm"), successor=str(acme.owner.pk))
    for query, number in (("", 1), ("?state=settled", 1), ("?state=all", 2), ("?q=Two", 1)):
        assert browser.get(f"{ORPHANS}{query}").context["cl"].result_count == number


def test_an_owner_names_somebody_else(acme: Company) -> None:
    orphan, = orphaned(acme, "One")
    other = acme.person("other")
    shown = text_of(acme.browser(), page(orphan, "confirm"))
    assert "is suggested, who owns the workspace" in shown
    post(acme.browser(), page(orphan, "confirm"), successor=str(other.pk))
    assert ledger.ways(other, orphan.account).reaching().get().role == GrantRole.OWNER
    assert "has an Owner again" in post(acme.browser(), page(orphan, "confirm"), successor=str(acme.owner.pk))


@pytest.mark.parametrize("who", ["rival", "disabled"])
def test_a_successor_is_one_of_ones_own_with_access(acme: Company, rival: Company, who: str) -> None:
    orphan, = orphaned(acme, "One")
    stranger = rival.member if who == "rival" else acme.member
    assert "Select a valid choice" in post(acme.browser(), page(orphan, "confirm"), successor=str(stranger.pk))
    assert Orphan.objects.get().settled_at is None


def test_suggestions_are_confirmed_together_through_a_page_that_names_them(acme: Company, rival: Company) -> None:
    one, two, _ = orphaned(acme, "One", "Three", "Two")
    orphaned(rival, "Theirs")
    path = reverse("admin:rotation_orphan_confirm_many")
    shown = text_of(acme.browser(), path)
    assert shown.count(" → Owner Person (owner@acme.example), who owns the workspace") == 3
    assert "Theirs" not in shown
    chosen = [f"{orphan.pk}:{acme.owner.pk}" for orphan in (one, two)]
    assert "2 accounts have an Owner again" in post(acme.browser(), path, orphans=chosen)
    assert [orphan.account.name for orphan in Orphan.objects.filter(settled_at=None, workspace=acme.workspace)] == [
        "Two"
    ]


def test_what_was_shown_is_what_is_done(acme: Company, rival: Company) -> None:
    """A suggestion that changed meanwhile, somebody nobody suggested, and another's orphan are no choices."""
    orphan, = orphaned(acme, "One")
    theirs, = orphaned(rival, "Theirs")
    manager = acme.person("manager")
    path = reverse("admin:rotation_orphan_confirm_many")
    assert f"{orphan.pk}:{acme.owner.pk}" in text_of(acme.browser(), path)
    access.grant(orphan.account, manager, actor=TESTS, role=GrantRole.MANAGER)
    for value in (f"{orphan.pk}:{acme.owner.pk}", f"{theirs.pk}:{rival.owner.pk}", "nonsense"):
        assert "Select a valid choice" in post(acme.browser(), path, orphans=[value])
    assert not Orphan.objects.filter(settled_at__isnull=False).exists()


def test_platform_staff_confirm_for_several_workspaces(acme: Company, rival: Company) -> None:
    mine, = orphaned(acme, "One")
    theirs, = orphaned(rival, "Theirs")
    chosen = [f"{mine.pk}:{acme.owner.pk}", f"{theirs.pk}:{rival.owner.pk}"]
    post(acme.browser(support()), reverse("admin:rotation_orphan_confirm_many"), orphans=chosen)
    assert set(Orphan.objects.values_list("account__name", "successor")) == {
        ("One", acme.owner.pk), ("Theirs", rival.owner.pk),
    }  # fmt: skip


def test_an_empty_queue_says_so(acme: Company) -> None:
    assert "Nothing waits here" in text_of(acme.browser(), reverse("admin:rotation_orphan_confirm_many"))
    assert "waits here for you to confirm" in text_of(acme.browser(), ORPHANS)
