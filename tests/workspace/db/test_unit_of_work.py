"""Units of work: one transaction, rows locked once, all or nothing; parts that may fail alone, and pipelines."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection

from tests.companies import TESTS, Company
from workspace import audit, deactivation, people, statements
from workspace.audit import Verb
from workspace.db import unit_of_work
from workspace.db.unit_of_work import already_locked, atomic, pipeline, savepoint
from workspace.errors import Conflict
from workspace.models import AuditEvent, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db


def renamed(user: User, name: str) -> None:
    people.update_profile(user, Profile(name, email=user.email), actor=TESTS)


def recorded(company: Company, place: str) -> None:
    audit.record(company.workspace, Verb.PERSON_PROOF_REFUSED, company.member, actor=TESTS, place=place)


def places() -> list[str]:
    events = AuditEvent.objects.filter(verb=Verb.PERSON_PROOF_REFUSED).order_by("id")
    return [event.detail["place"] for event in events]


def test_a_verb_that_fails_takes_the_whole_act_with_it(acme: Company) -> None:
    other = acme.person("other")
    with pytest.raises(Conflict), atomic():
        renamed(acme.member, "new@acme.example")
        renamed(other, acme.owner.user_name)
    assert set(User.objects.filter(user_name="new@acme.example")) == set()


def test_a_verb_that_fails_alone_leaves_the_caller_s_transaction_usable(acme: Company) -> None:
    with pytest.raises(Conflict):
        renamed(acme.member, acme.owner.user_name)
    renamed(acme.member, "new@acme.example")
    assert User.objects.get(pk=acme.member.pk).user_name == "new@acme.example"


def test_within_an_act_a_row_is_locked_and_fetched_once(acme: Company, django_assert_num_queries: Any) -> None:
    with atomic():
        locked = people.lock(acme.member)
        with django_assert_num_queries(0):
            assert people.lock(acme.member) is locked
    assert already_locked(acme.member) is None


def test_verbs_within_an_act_see_what_the_verbs_before_have_changed(acme: Company) -> None:
    with atomic():
        renamed(acme.member, "new@acme.example")
        gone = deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert gone is not None
    assert gone.user_name == "new@acme.example"
    saved = User.objects.get(pk=acme.member.pk)
    assert (saved.user_name, saved.is_active) == ("new@acme.example", False)


def test_what_a_part_that_is_rolled_back_did_is_not_written_down(acme: Company) -> None:
    with atomic():
        recorded(acme, "before")
        with pytest.raises(ZeroDivisionError), savepoint():
            recorded(acme, "undone")
            renamed(acme.member, "undone@acme.example")
            raise ZeroDivisionError
        recorded(acme, "after")
    assert places() == ["before", "after"]
    assert User.objects.get(pk=acme.member.pk).user_name == acme.member.user_name


def test_a_part_that_succeeds_is_written_down(acme: Company) -> None:
    with atomic(), savepoint():
        recorded(acme, "inside")
    assert places() == ["inside"]


def test_a_unit_may_write_down_more_than_one_statement_holds(acme: Company) -> None:
    """PostgreSQL takes 65,535 parameters: some 6,500 events."""
    with atomic():
        renamed(acme.member, "new@acme.example")
        for number in range(7_000):
            recorded(acme, str(number))
    assert places() == [str(number) for number in range(7_000)]
    assert User.objects.get(pk=acme.member.pk).user_name == "new@acme.example"


def test_a_part_in_a_part_takes_only_itself_along(acme: Company) -> None:
    with atomic(), savepoint():
        recorded(acme, "outer")
        with pytest.raises(ZeroDivisionError), savepoint():
            recorded(acme, "inner")
            raise ZeroDivisionError
    assert places() == ["outer"]


def test_a_part_that_fails_on_the_database_leaves_the_rest_usable(acme: Company) -> None:
    with atomic():
        with pytest.raises(IntegrityError), savepoint():
            User.objects.filter(pk=acme.member.pk).update(user_name=acme.owner.user_name)
        renamed(acme.member, "new@acme.example")
    assert User.objects.get(pk=acme.member.pk).user_name == "new@acme.example"


def test_a_lock_that_was_taken_in_a_part_ends_with_it(acme: Company) -> None:
    with atomic():
        with pytest.raises(ZeroDivisionError), savepoint():
            people.lock(acme.member)
            raise ZeroDivisionError
        assert already_locked(acme.member) is None


def test_a_part_alone_is_a_unit(acme: Company) -> None:
    with pytest.raises(ZeroDivisionError), savepoint():
        recorded(acme, "alone")
        raise ZeroDivisionError
    assert places() == []


def test_a_rehearsal_leaves_nothing(acme: Company) -> None:
    with atomic():
        renamed(acme.member, "rehearsed@acme.example")
        recorded(acme, "rehearsed")
        unit_of_work.roll_back()
    assert places() == []
    assert User.objects.get(pk=acme.member.pk).user_name == acme.member.user_name


def test_what_was_asked_for_after_the_commit_is_not_done_without_one(
    acme: Company, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    done: list[str] = []
    with django_capture_on_commit_callbacks(execute=True):
        with atomic():
            unit_of_work.on_commit(lambda: done.append("outer"))
            with pytest.raises(ZeroDivisionError), savepoint():
                unit_of_work.on_commit(lambda: done.append("inner"))
                raise ZeroDivisionError
        assert done == []
    assert done == ["outer"]


_RENAME = "UPDATE workspace_user SET user_name = %s WHERE id = %s"


@pytest.mark.django_db(transaction=True)
def test_a_pipeline_carries_out_all_of_its_statements_and_their_records(acme: Company) -> None:
    with pipeline():
        statements.run(_RENAME, ["one@acme.example", acme.member.pk])
        statements.run(_RENAME, ["two@acme.example", acme.owner.pk])
        recorded(acme, "sent")
    assert places() == ["sent"]
    names = set(User.objects.filter(workspace=acme.workspace).values_list("user_name", flat=True))
    assert {"one@acme.example", "two@acme.example"} <= names


@pytest.mark.django_db(transaction=True)
def test_a_pipeline_that_fails_carries_out_none(acme: Company) -> None:
    """The last statement is refused by the database when the first was carried out already."""
    with pytest.raises(IntegrityError), pipeline():
        statements.run(_RENAME, ["one@acme.example", acme.member.pk])
        recorded(acme, "lost")
        statements.run(_RENAME, ["one@acme.example", acme.owner.pk])
    assert places() == []
    assert not User.objects.filter(user_name="one@acme.example").exists()
    renamed(acme.member, "usable@acme.example")


@pytest.mark.django_db(transaction=True)
def test_a_pipeline_whose_code_fails_carries_out_none(acme: Company) -> None:
    with pytest.raises(ZeroDivisionError), pipeline():
        statements.run(_RENAME, ["one@acme.example", acme.member.pk])
        raise ZeroDivisionError
    assert not User.objects.filter(user_name="one@acme.example").exists()


@pytest.mark.django_db(transaction=True)
def test_a_pipeline_waits_for_the_server_once(acme: Company) -> None:
    """Its statements are all sent before the first answer is read."""
    connection.ensure_connection()
    raw = connection.connection
    assert isinstance(raw, psycopg.Connection)
    with pipeline():
        first = statements.run(_RENAME, ["one@acme.example", acme.member.pk])
        second = statements.run(_RENAME, ["two@acme.example", acme.owner.pk])
        statuses = [raw.info.pipeline_status]
        assert first.pgresult is second.pgresult is None
    statuses.append(raw.info.pipeline_status)
    assert statuses == [psycopg.pq.PipelineStatus.ON, psycopg.pq.PipelineStatus.OFF]


def test_a_pipeline_is_refused_within_a_transaction(acme: Company) -> None:
    with atomic(), pytest.raises(RuntimeError, match="of its own"), pipeline():
        pass
