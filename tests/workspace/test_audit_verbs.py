"""All verbs of the audit trail: each is recorded somewhere, has a sentence, a filter that reaches it, a line in the
docs, and is written nowhere as free text. Events whose verbs are gone are shown as they are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.companies import TESTS, Company
from tests.console_world import body_of, text_of
from workspace import audit
from workspace.audit import Subject, Verb
from workspace.models import AuditEvent

ROOT = Path(__file__).parents[2]
LOG = "/admin/workspace/auditevent/"


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """The product's modules, without what defines the verbs and without migrations, which stay as they were."""
    for part in ("workspace", "rotation", "scim", "cerby", "demo"):
        for path in (ROOT / part).rglob("*.py"):
            if "migrations" not in path.parts and path.name != "verbs.py":
                yield path, ast.parse(path.read_text())


def found(company: Company, query: str) -> list[AuditEvent]:
    return list(company.browser().get(f"{LOG}?{query}").context["cl"].result_list)


def test_every_verb_is_recorded_by_something() -> None:
    used = {
        node.attr
        for _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Verb"
    }
    assert used == {verb.name for verb in Verb}


def test_no_verb_is_written_as_free_text() -> None:
    stored = re.compile("|".join(rf"(?<![\w./-]){re.escape(verb.value)}(?![\w./-])" for verb in Verb))
    free = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value[:60]!r}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and stored.search(node.value)
    ]
    assert free == []


@pytest.mark.parametrize("verb", Verb)
def test_a_verb_has_a_name_a_subject_and_a_sentence(verb: Verb) -> None:
    assert verb.name == verb.value.replace(".", "_").upper()
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", verb.value)
    assert len(verb.value) <= AuditEvent._meta.get_field("verb").max_length  # type: ignore[operator]
    assert verb.subject in Subject
    assert re.fullmatch(r"[A-Z].*[\w]", verb.sentence)
    assert [other for other in Verb if other.sentence == verb.sentence] == [verb]


def test_every_subject_has_verbs_and_every_verb_one_subject() -> None:
    assert sorted(verb for subject in Subject for verb in subject.verbs) == sorted(Verb)
    assert all(subject.verbs for subject in Subject)


def test_the_docs_list_every_verb_with_its_subject_and_sentence() -> None:
    lines = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \|$", (ROOT / "docs" / "audit.md").read_text(), re.MULTILINE)
    assert lines == [(subject.label, verb.value, verb.sentence) for subject in Subject for verb in subject.verbs]


@pytest.mark.django_db
def test_a_filter_of_the_log_reaches_every_verb(acme: Company, rival: Company) -> None:
    for verb in Verb:
        for company in (acme, rival):
            audit.record(company.workspace, verb, company.member, actor=TESTS)
    for subject in Subject:
        events = found(acme, f"about={subject.value}")
        assert {event.verb for event in events} >= set(subject.verbs)
        assert {event.verb for event in events} <= set(subject.verbs)
        assert {event.workspace_id for event in events} == {acme.workspace.pk}


@pytest.mark.django_db
def test_a_sentence_stands_in_the_log_on_the_page_and_in_a_persons_history(acme: Company) -> None:
    event = audit.record(acme.workspace, Verb.PERSON_ROLE_CHANGED, acme.member, actor=TESTS, former="member")
    pages = (LOG, f"{LOG}{event.pk}/change/", f"/admin/workspace/user/{acme.member.pk}/change/")
    for page in pages:
        assert Verb.PERSON_ROLE_CHANGED.sentence in text_of(acme.browser(), page)
    assert "person.role_changed" in text_of(acme.browser(), f"{LOG}{event.pk}/change/")
    assert "person.role_changed" in body_of(acme.browser().get(f"{LOG}csv/?subject_id__exact={acme.member.pk}"))


@pytest.mark.django_db
def test_an_event_of_an_earlier_version_is_shown_as_it_is(acme: Company, rival: Company) -> None:
    about: dict[str, Any] = {"subject_kind": "gone", "subject_id": acme.member.pk, "actor_kind": "robot"}
    old = [
        AuditEvent.objects.create(workspace=company.workspace, verb="person.<vanished>", **about)
        for company in (acme, rival)
    ]
    assert found(acme, "about=other") == old[:1]
    pages = (LOG, f"{LOG}?about=other", f"{LOG}{old[0].pk}/change/", f"/admin/workspace/user/{acme.member.pk}/change/")
    for page in pages:
        assert "person.&lt;vanished&gt;" in text_of(acme.browser(), page)
    assert "person.<vanished>" in body_of(acme.browser().get(f"{LOG}csv/?about=other"))
    assert "person.<vanished>" in [line["verb"] for line in audit.export(acme.workspace)]
    assert audit.verify(acme.workspace) is None
