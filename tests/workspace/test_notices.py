"""Notices: one a kind and subject, in the teller's own transaction, and never in its way."""

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.companies import Company
from tests.waiting import PATIENCE
from workspace import notices
from workspace.crypto import Secret
from workspace.models import Account, Notice

pytestmark = pytest.mark.django_db

ORPHAN = Notice.Kind.ORPHAN


def tell(company: Company, kind: Notice.Kind = ORPHAN, **facts: object) -> None:
    notices.tell(company.workspace, kind, company.account, summary="Router has no owner any more.", **facts)


def test_a_notice_says_what_about_which_row(acme: Company) -> None:
    tell(acme, former_owners=2, member=acme.member.pk)
    notice = Notice.objects.for_workspace(acme.workspace).get()
    assert (notice.kind, notice.subject_kind, notice.subject_id) == (ORPHAN, "account", acme.account.pk)
    assert notice.facts == {"former_owners": 2, "member": str(acme.member.pk)}
    assert str(notice) == "Router has no owner any more."
    assert (notice.dispatched_at, notice.resolved_at) == (None, None)


def test_the_same_is_told_once_while_it_is_open(acme: Company, rival: Company) -> None:
    for _ in range(3):
        tell(acme)
    tell(acme, Notice.Kind.EXPOSURE_OPEN_LONG)
    tell(rival)
    assert Notice.objects.for_workspace(acme.workspace).count() == 2
    assert Notice.objects.for_workspace(rival.workspace).count() == 1


def test_what_was_settled_is_told_anew(acme: Company, rival: Company) -> None:
    tell(acme)
    tell(rival)
    notices.resolve(acme.workspace, ORPHAN, acme.account)
    tell(acme)
    assert [notice.resolved_at is None for notice in Notice.objects.for_workspace(acme.workspace).order_by("id")] == [
        False, True,
    ]  # fmt: skip
    assert Notice.objects.for_workspace(rival.workspace).open().count() == 1


@pytest.mark.parametrize("kind", [kind for kind in Notice.Kind if kind not in {"test", "certificate_ready"}])
def test_what_nobody_settles_is_told_again_after_its_period(acme: Company, kind: Notice.Kind) -> None:
    tell(acme, kind)
    Notice.objects.update(told_at=timezone.now() - notices.AGAIN_AFTER[kind] + timedelta(minutes=1))
    tell(acme, kind)
    assert Notice.objects.count() == 1
    Notice.objects.update(told_at=timezone.now() - notices.AGAIN_AFTER[kind])
    tell(acme, kind)
    assert Notice.objects.count() == 2


def test_every_kind_has_a_period() -> None:
    assert set(notices.AGAIN_AFTER) == set(Notice.Kind)


def test_an_act_that_fails_tells_nothing(acme: Company) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        tell(acme)
        raise RuntimeError
    assert not Notice.objects.exists()


def test_telling_is_one_statement(acme: Company) -> None:
    with CaptureQueriesContext(connection, ) as seen:
        tell(acme)
    assert len(seen) == 1


@pytest.mark.parametrize("fact", [Secret("the password"), object(), b"bytes"])
def test_what_has_no_place_in_a_message_is_refused(acme: Company, fact: object) -> None:
    with pytest.raises(TypeError):
        tell(acme, fact=fact)


def test_a_long_summary_is_cut(acme: Company) -> None:
    notices.tell(acme.workspace, ORPHAN, acme.account, summary="x" * 1000)
    assert len(Notice.objects.get().summary) == 300


@pytest.mark.django_db(transaction=True)
def test_two_acts_that_tell_the_same_do_not_wait_for_each_other(acme: Company) -> None:
    """Each in its own open transaction and in the other's order: with a unique index they would deadlock."""
    both_told, failures = threading.Barrier(2, timeout=PATIENCE), []

    def act(kinds: list[Notice.Kind]) -> None:
        try:
            with transaction.atomic():
                tell(acme, kinds[0])
                both_told.wait()
                tell(acme, kinds[1])
                both_told.wait()
        except Exception as error:  # told below, in the test's own thread
            failures.append(error)
        finally:
            connection.close()

    kinds = [ORPHAN, Notice.Kind.MASS_REMOVAL]
    threads = [threading.Thread(target=act, args=[order]) for order in (kinds, kinds[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    assert Notice.objects.count() == 4


def test_the_database_keeps_one_open_notice_a_kind_and_subject(acme: Company) -> None:
    def dispatched() -> Notice:
        return Notice.objects.create(
            workspace=acme.workspace, kind=ORPHAN, subject_kind=Account._meta.model_name or "",
            subject_id=acme.account.pk, summary="twice", dispatched_at=timezone.now(),
        )  # fmt: skip

    first = dispatched()
    with pytest.raises(IntegrityError), transaction.atomic():
        dispatched()
    Notice.objects.filter(pk=first.pk).update(resolved_at=timezone.now())
    dispatched()


def test_the_database_knows_the_kinds(acme: Company) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.objects.create(
            workspace=acme.workspace, kind="rumour", subject_kind="account", subject_id=uuid4(), summary="?"
        )
