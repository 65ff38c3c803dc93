"""The support desk's commands on people's data: purge_user."""

import io
import sys

import pytest

from rotation.departures import offboarding
from rotation.models import Exposure
from tests.companies import TESTS, Company
from tests.terminal import run
from tests.workspace import strangers
from workspace.models import ApiKey, AuditEvent, TeamMembership

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    """A keyboard with somebody at it who types this."""

    def isatty(self) -> bool:
        return True


def leave(company: Company) -> None:
    offboarding.offboard(company.member, actor=TESTS, cause="left")


def prove_dead(company: Company) -> None:
    """As if the rotation were through."""
    exposures = Exposure.objects.for_workspace(company.workspace)
    exposures.update(closed_at=company.account.created_at, outcome="proved_dead")


def test_a_purge_deletes_what_it_named_and_keeps_the_history(acme: Company) -> None:
    leave(acme)
    prove_dead(acme)
    expected = run("purge_user", "acme", "member@acme.example", "--dry-run").data["gone"]
    events = AuditEvent.objects.count()
    answer = run("purge_user", "acme", "member@acme.example", "--yes", "--reason", "erasure 12")

    assert answer.code == 0
    assert answer.data["gone"] == expected
    assert {"what": "API keys", "how_many": 1} in expected
    acme.member.refresh_from_db()
    assert acme.member.email == acme.member.given_name == ""
    assert acme.member.user_name == f"purged-{acme.member.id}"
    assert TeamMembership.objects.filter(user=acme.member).exists()
    assert AuditEvent.objects.count() == events + 1
    assert AuditEvent.objects.get(verb="person.purged").actor_label.endswith(": erasure 12")


def test_a_dry_run_of_a_purge_changes_nothing(acme: Company) -> None:
    leave(acme)
    prove_dead(acme)
    before = strangers.everything(acme)
    answer = run("purge_user", "acme", "member@acme.example", "--dry-run")
    assert (answer.code, answer.data["dry_run"]) == (0, True)
    assert strangers.everything(acme) == before


def test_a_person_with_access_is_not_purged(acme: Company) -> None:
    for flag in ("--dry-run", "--yes"):
        answer = run("purge_user", "acme", "member@acme.example", flag)
        assert (answer.code, "still has access" in answer.said) == (1, True)
    assert ApiKey.objects.filter(user=acme.member).exists()


def test_open_exposures_hold_a_purge_up_unless_told(acme: Company) -> None:
    leave(acme)
    answer = run("purge_user", "acme", "member@acme.example", "--yes")
    assert (answer.code, "not proved dead" in answer.said) == (1, True)
    assert run("purge_user", "acme", "member@acme.example", "--yes", "--despite-exposures").code == 0
    acme.member.refresh_from_db()
    assert acme.member.purged_at is not None


def test_nobody_to_ask_and_no_yes_is_a_refusal(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(acme)
    prove_dead(acme)
    monkeypatch.setattr(sys, "stdin", io.StringIO("member@acme.example\n"))
    answer = run("purge_user", "acme", "member@acme.example")
    assert (answer.code, "--yes" in answer.said) == (1, True)
    assert ApiKey.objects.filter(user=acme.member).exists()


@pytest.mark.parametrize(("typed", "goes"), [("member@acme.example", True), ("yes", False), ("", False)])
def test_at_a_terminal_the_user_name_is_asked_for(
    acme: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, goes: bool
) -> None:
    leave(acme)
    prove_dead(acme)
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    answer = run("purge_user", "acme", "member@acme.example")

    assert "1 API keys" in capsys.readouterr().out
    assert answer.code == (0 if goes else 1)
    assert ApiKey.objects.filter(user=acme.member).exists() is not goes


def test_a_purged_person_is_not_found_again(acme: Company) -> None:
    leave(acme)
    run("purge_user", "acme", "member@acme.example", "--yes", "--despite-exposures")
    assert run("purge_user", "acme", acme.member.id, "--yes", "--despite-exposures").code == 1
