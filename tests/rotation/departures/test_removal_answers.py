"""Removals of many people are announced on Home and answered over the API and from a terminal; rotate on demand too."""

from typing import Any

import pytest
from django.test import Client
from uuid_utils.compat import uuid7

from rotation import jobs
from rotation.models import MassRemoval, RotationJob
from tests.companies import Company
from tests.console_world import everything_of, needs_person, text_of
from tests.rotation.departures.test_commands import bearer
from tests.rotation.leaving import leave, many_people, owned
from tests.terminal import run
from tests.workspace.test_admin_acts import page
from workspace.models import AuditEvent, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def removal(acme: Company) -> MassRemoval:
    """Six of acme's people left at once, each the Owner of an account; two of the rotations are held back by then."""
    Workspace.objects.filter(pk=acme.workspace.pk).update(mass_removal_people=3)
    acme.workspace.refresh_from_db()
    for number, user in enumerate(many_people(acme, 6)):
        owned(acme, f"Of {number}", user)
        user.refresh_from_db()
        leave(user)
    return MassRemoval.objects.get()


def held() -> int:
    return RotationJob.objects.filter(held_until__isnull=False).count()


# Home


def test_home_has_a_banner_while_a_removal_waits(acme: Company, rival: Company, removal: MassRemoval) -> None:
    shown = text_of(acme.browser(), "/admin/")
    assert "people of Acme were deactivated at once" in shown
    assert page(removal) in shown
    assert "deactivated at once" not in text_of(rival.browser(), "/admin/")
    run("removals", "acme", "--answer", "confirm")
    assert "deactivated at once" not in text_of(acme.browser(), "/admin/")


# The command


def test_removals_are_listed_and_nothing_changes(acme: Company, rival: Company, removal: MassRemoval) -> None:
    before = everything_of(acme)
    answer = run("removals", "acme")
    (row,) = answer.data["removals"]
    assert (row["id"], row["state"], row["rotations_held"]) == (str(removal.pk), "waits", 6)
    assert (answer.code, answer.data["dry_run"]) == (0, True)
    assert run("removals", "acme", "--answer", "cancel", "--dry-run").data["rotations"] is None
    assert run("removals", "rival").data["removals"] == []
    assert everything_of(acme) == before


@pytest.mark.parametrize(("said", "state"), [("confirm", "confirmed"), ("cancel", "cancelled")])
def test_support_answers_with_a_reason(acme: Company, removal: MassRemoval, said: str, state: str) -> None:
    answer = run("removals", "acme", "--answer", said, "--reason", "Ticket 4711")
    assert (answer.code, answer.data["rotations"]) == (0, 6)
    (row,) = answer.data["removals"]
    assert (row["state"], row["rotations_held"], held()) == (state, 0, 0)
    event = AuditEvent.objects.get(verb=f"mass_removal.{state}")
    assert "Ticket 4711" in event.actor_label
    assert run("removals", "acme", "--answer", said).code == 1


def test_what_was_called_off_is_confirmed_by_its_id(acme: Company, rival: Company, removal: MassRemoval) -> None:
    run("removals", "acme", "--answer", "cancel")
    assert run("removals", "rival", "--answer", "confirm", "--removal", removal.pk).code == 1
    assert run("removals", "acme", "--answer", "confirm", "--removal", "nonsense").code == 1
    assert run("removals", "acme", "--removal", removal.pk).code == 2
    assert run("removals", "acme", "--answer", "confirm", "--removal", removal.pk).data["rotations"] == 6


# The API

LISTED = "/api/v1/removals"


def answer_over_http(client: Client, removal_id: Any, said: str) -> Any:
    return client.post(f"{LISTED}/{removal_id}/answer", {"answer": said}, content_type="application/json")


def test_an_owner_answers_over_http(acme: Company, removal: MassRemoval) -> None:
    owner = bearer(acme.owner)
    (row,) = owner.get(LISTED).json()["results"]
    assert (row["id"], row["state"]) == (str(removal.pk), "waits")
    done = answer_over_http(owner, removal.pk, "confirm")
    assert (done.status_code, done["Cache-Control"]) == (200, "no-store")
    assert (done.json()["state"], done.json()["rotations"]) == ("confirmed", 6)
    assert AuditEvent.objects.get(verb="mass_removal.confirmed").actor_id == acme.owner.pk
    assert answer_over_http(owner, removal.pk, "cancel").status_code == 403


def test_what_was_called_off_is_not_called_off_again(acme: Company, removal: MassRemoval) -> None:
    owner = bearer(acme.owner)
    assert answer_over_http(owner, removal.pk, "cancel").json()["rotations"] == 6
    again = answer_over_http(owner, removal.pk, "cancel")
    assert (again.status_code, again.json()["detail"]) == (403, "This was called off already.")


def test_nobody_else_sees_or_answers_it(acme: Company, rival: Company, removal: MassRemoval) -> None:
    before = everything_of(acme)
    assert bearer(rival.owner).get(LISTED).json()["results"] == []
    for client, status in ((bearer(acme.member), 403), (bearer(rival.owner), 404), (Client(), 401)):
        assert answer_over_http(client, removal.pk, "confirm").status_code == status
    assert bearer(rival.member).get(LISTED).status_code == 403
    assert answer_over_http(bearer(acme.owner), removal.pk, "perhaps").status_code == 400
    assert answer_over_http(bearer(acme.owner), uuid7(), "confirm").status_code == 404
    after = everything_of(acme)
    for grown in ("workspace.AuditEvent", "workspace.ApiKey"):  # the keys of this test
        before.pop(grown), after.pop(grown)
    assert after == before


# manage.py rotate


def test_support_rotates_accounts_by_name(acme: Company, rival: Company) -> None:
    answer = run("rotate", "acme", "ROUTER", "router", "--reason", "Ticket 4711")
    job = RotationJob.objects.get()
    (row,) = answer.data["rotations"]
    assert (row["id"], row["result"]) == (str(job.pk), "is being rotated")
    assert (job.account, job.cause) == (acme.account, "On demand: Ticket 4711")
    assert "Ticket 4711" in AuditEvent.objects.get(verb="rotation.requested").actor_label


def test_a_dry_run_rotates_nothing(acme: Company) -> None:
    assert run("rotate", "acme", "Router", "--dry-run").data["rotations"][0]["result"] == "would be rotated"
    assert not RotationJob.objects.exists()


@pytest.mark.parametrize("names", [("Nothing",), ("Router", "Nothing")])
def test_a_name_that_is_wrong_rotates_nothing(acme: Company, names: tuple[str, ...]) -> None:
    assert run("rotate", "acme", *names).code == 1
    assert not RotationJob.objects.exists()


def test_what_waits_for_a_person_is_said_with_an_exit_code(acme: Company) -> None:
    jobs.request(acme.workspace, [acme.account], cause="test")
    needs_person(acme)
    answer = run("rotate", "acme", "Router")
    assert answer.code == 1
    assert "waits already" in answer.out
