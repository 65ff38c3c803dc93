"""The audit trail: append-only in the database, chained per workspace, free of personal values."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from tests.companies import PASSWORD, TESTS, Company
from tests.terminal import run
from workspace import audit, deactivation, pseudonymisation
from workspace.audit import Verb
from workspace.models import AuditEvent, AuditSeal

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE workspace_auditevent SET verb = 'nothing.happened'",
        "DELETE FROM workspace_auditevent",
        "TRUNCATE workspace_auditevent CASCADE",
        "UPDATE workspace_auditseal SET position = 99",
        "DELETE FROM workspace_auditseal",
    ],
)
def test_the_database_refuses_to_change_the_trail(acme: Company, statement: str) -> None:
    audit.seal(acme.workspace)
    before = AuditEvent.objects.count()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)
    assert AuditEvent.objects.count() == before


def test_a_whole_chain_holds(acme: Company, rival: Company) -> None:
    assert audit.seal(acme.workspace) == AuditEvent.objects.for_workspace(acme.workspace).count() > 0
    audit.record(acme.workspace, Verb.ACCOUNT_UPDATED, acme.account, actor=TESTS)
    assert audit.seal(acme.workspace) == 1
    assert audit.verify(acme.workspace) is None
    assert not AuditSeal.objects.for_workspace(rival.workspace).exists()


CHANGES = ["verb = 'forged'", "at = at - interval '1 day'", "detail = '{}'", "actor_label = 'x'"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_event_breaks_the_chain_at_its_place(acme: Company, change: str) -> None:
    audit.seal(acme.workspace)
    victim = AuditEvent.objects.for_workspace(acme.workspace).order_by("id")[2]
    with connection.cursor() as cursor:  # as somebody who owns the tables would
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE workspace_auditevent DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE workspace_auditevent SET {change} WHERE id = %s", [victim.id])
        cursor.execute("ALTER TABLE workspace_auditevent ENABLE TRIGGER USER")
    broken = audit.verify(acme.workspace)
    assert broken is not None
    assert broken.event == victim.id


def test_a_link_taken_out_breaks_the_chain(acme: Company) -> None:
    audit.seal(acme.workspace)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE workspace_auditseal DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM workspace_auditseal WHERE position = 2")
        cursor.execute("ALTER TABLE workspace_auditseal ENABLE TRIGGER USER")
    assert audit.verify(acme.workspace) is not None


def test_the_trail_of_a_purged_person_names_a_pseudonym_only(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    gone = pseudonymisation.pseudonymise(acme.member, actor=TESTS)
    assert gone["API keys"] == 1
    acme.member.refresh_from_db()
    assert (acme.member.user_name, acme.member.email) == (f"purged-{acme.member.id}", "")
    trail = str(list(AuditEvent.objects.values()))
    assert str(acme.member.id) in trail
    assert "member@acme.example" not in trail
    assert PASSWORD not in trail


def test_an_event_left_out_of_the_chain_is_told(acme: Company, rival: Company) -> None:
    audit.seal(acme.workspace)
    event = audit.record(acme.workspace, Verb.ACCOUNT_UPDATED, acme.account, actor=TESTS)
    assert audit.verify(acme.workspace) is None  # it has minutes to be chained
    late = AuditEvent.objects.create(
        workspace=acme.workspace, verb="test.late", actor_kind="system", at=event.at - 2 * audit.CHAINED_WITHIN
    )
    broken = audit.verify(acme.workspace)
    assert broken is not None
    assert (broken.event, broken.why) == (late.pk, "the event was never chained")


# Export


def chain_holds(lines: list[dict[str, Any]], head: bytes = bytes(32)) -> bool:
    """What docs/security.md tells an auditor to do, with nothing of ours."""
    for line in lines:
        content = {key: value for key, value in line.items() if key not in {"position", "hash"}}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        head = hashlib.sha256(head + canonical.encode()).digest()
        if head.hex() != line["hash"]:
            return False
    return True


def test_an_export_can_be_checked_by_itself(acme: Company, rival: Company, tmp_path: Path) -> None:
    file = tmp_path / "acme.jsonl"
    answer = run("export_audit", "acme", "--output", file, json=False)
    assert answer.code == 0
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    assert [line["position"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["workspace"] for line in lines} == {str(acme.workspace.pk)}
    assert chain_holds(lines)
    assert chain_holds(lines[3:], bytes.fromhex(lines[2]["hash"]))
    lines[2]["detail"] = {"forged": True}
    assert not chain_holds(lines)
    assert AuditEvent.objects.filter(verb="audit.exported", workspace=acme.workspace).count() == 1


def test_a_part_of_the_trail_is_exported_by_its_time(acme: Company) -> None:
    assert not run("export_audit", "acme", "--until", "2020-01-01", json=False).out
    assert run("export_audit", "acme", "--since", "2020-01-01T00:00:00Z", json=False).out
    wrong = run("export_audit", "acme", "--since", "yesterday")
    assert wrong.code == 1 or "no day" in wrong.said


def test_an_owner_downloads_their_own_trail(acme: Company, rival: Company) -> None:
    answer = acme.browser().post(reverse("admin:workspace_auditevent_export"), {"since": "2020-01-01"})
    lines = [json.loads(text) for text in b"".join(answer.streaming_content).decode().splitlines()]  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == 'attachment; filename="acme.audit.jsonl"'
    assert {line["workspace"] for line in lines} == {str(acme.workspace.pk)}
    assert chain_holds(lines)
