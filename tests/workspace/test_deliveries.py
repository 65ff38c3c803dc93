"""The queue of deliveries: who is told, once; what is due when; fairness between receivers; the end of trying."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.companies import TESTS, Company
from workspace import deactivation, deliveries, notices, people, webhooks
from workspace.errors import Refused
from workspace.models import Account, Delivery, Notice, NoticeSettings, Role, WebhookEndpoint

pytestmark = pytest.mark.django_db

ORPHAN = Notice.Kind.ORPHAN


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.MAIL_DELAY_SECONDS = 0


def hook(company: Company, **more: Any) -> WebhookEndpoint:
    return webhooks.add(company.workspace, "https://hooks.example/", actor=TESTS, **more)[0]


def tell(company: Company, subject: Any = None, kind: Notice.Kind = ORPHAN) -> None:
    notices.tell(company.workspace, kind, subject or company.account, summary="Router has no owner.")


def told(company: Company) -> set[Any]:
    return {row.endpoint or row.recipient for row in Delivery.objects.for_workspace(company.workspace)}


def due_again(delivery: Delivery) -> float:
    """Seconds until the next attempt, as the row says."""
    delivery.refresh_from_db()
    assert delivery.attempted_at is not None
    return (delivery.next_attempt_at - delivery.attempted_at).total_seconds()


def test_owners_and_endpoints_of_the_workspace_are_told_and_nobody_else(acme: Company, rival: Company) -> None:
    mine, second = hook(acme), acme.person("second", role=Role.OWNER)
    hook(rival)
    tell(acme)
    assert deliveries.dispatch() == 1
    assert told(acme) == {mine, acme.owner, second}
    assert told(rival) == set()
    assert deliveries.dispatch() == 0


def test_an_owner_without_an_address_or_access_is_not_written_to(acme: Company) -> None:
    gone, silent = acme.person("gone", role=Role.OWNER), acme.person("silent", role=Role.OWNER)
    deactivation.deactivate(gone, actor=TESTS, reason="left")
    type(silent).objects.filter(pk=silent.pk).update(email="")
    tell(acme)
    deliveries.dispatch()
    assert told(acme) == {acme.owner}


def test_kinds_are_chosen_for_mail_and_for_each_endpoint(acme: Company, rival: Company) -> None:
    hook(acme, kinds=["mass_removal"])
    wants = hook(acme, kinds=["orphan"])
    notices.configure(acme.workspace, actor=TESTS, mail_kinds=["token_refused"], exposure_hours=24)
    for company in (acme, rival):
        tell(company)
    deliveries.dispatch()
    assert told(acme) == {wants}
    assert told(rival) == {rival.owner}


def test_a_disabled_endpoint_gets_nothing(acme: Company) -> None:
    endpoint = hook(acme)
    webhooks.disable(endpoint, actor=TESTS)
    tell(acme)
    deliveries.dispatch()
    assert told(acme) == {acme.owner}


def test_what_was_settled_before_anybody_was_told_is_not_told(acme: Company) -> None:
    tell(acme)
    notices.resolve(acme.workspace, ORPHAN, acme.account)
    assert deliveries.dispatch() == 0
    assert not Delivery.objects.exists()


def test_the_same_told_twice_at_once_is_delivered_once(acme: Company) -> None:
    """Two acts in transactions that did not see each other."""
    for _ in range(2):
        Notice.objects.create(
            workspace=acme.workspace, kind=ORPHAN, subject_kind="account", subject_id=acme.account.pk, summary="twice"
        )
    deliveries.dispatch()
    assert Delivery.objects.count() == 1
    assert Notice.objects.open().count() == 1
    assert not Notice.objects.undispatched().exists()


def test_what_is_told_again_after_its_period_takes_the_place_of_the_former(acme: Company) -> None:
    tell(acme)
    deliveries.dispatch()
    Notice.objects.update(told_at=timezone.now() - notices.AGAIN_AFTER[ORPHAN])
    tell(acme)
    deliveries.dispatch()
    assert Delivery.objects.count() == 2
    assert Notice.objects.open().count() == 1


def test_mail_waits_for_others_and_webhooks_do_not(acme: Company, settings: Any) -> None:
    settings.MAIL_DELAY_SECONDS = 600
    endpoint = hook(acme)
    tell(acme)
    deliveries.dispatch()
    assert [row.endpoint for row in deliveries.claim()] == [endpoint]


def test_a_server_without_mail_makes_no_mails(acme: Company, settings: Any) -> None:
    settings.SENDS_MAIL = False
    tell(acme)
    deliveries.dispatch()
    assert not Delivery.objects.exists()


def test_what_is_taken_is_not_taken_again_until_its_next_attempt(acme: Company) -> None:
    webhooks.send_test(hook(acme), actor=TESTS)
    assert len(deliveries.claim()) == 1
    assert deliveries.claim() == []


@pytest.mark.parametrize("attempt", range(len(deliveries.BACK_OFF)))
def test_each_failure_is_followed_by_a_longer_wait(acme: Company, attempt: int) -> None:
    row = webhooks.send_test(hook(acme), actor=TESTS)
    Delivery.objects.update(attempts=attempt)
    (taken,) = deliveries.claim()
    deliveries.failed(taken, "no answer")
    assert deliveries.BACK_OFF[attempt] <= due_again(row) <= deliveries.BACK_OFF[attempt] * 1.1
    assert (row.attempts, row.given_up_at, row.error) == (attempt + 1, None, "no answer")


def test_the_last_attempt_ends_it(acme: Company) -> None:
    row = webhooks.send_test(hook(acme), actor=TESTS)
    Delivery.objects.update(attempts=deliveries.ATTEMPTS - 1)
    deliveries.failed(deliveries.claim()[0], "no answer", status=500)
    row.refresh_from_db()
    assert row.given_up_at is not None
    assert row.response_status == 500
    assert row.endpoint is not None
    assert row.endpoint.disabled_at is None  # it failed just now for the first time


def test_an_endpoint_that_takes_nothing_for_days_is_disabled(acme: Company) -> None:
    endpoint = hook(acme)
    webhooks.send_test(endpoint, actor=TESTS)
    WebhookEndpoint.objects.update(failing_since=timezone.now() - deliveries.UNANSWERED_FOR - timedelta(minutes=1))
    Delivery.objects.update(attempts=deliveries.ATTEMPTS - 1)
    deliveries.failed(deliveries.claim()[0], "no answer")
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is not None
    assert "3 days" in endpoint.disabled_because


def test_an_endpoint_that_answers_again_is_not_failing(acme: Company) -> None:
    endpoint = hook(acme)
    for _ in range(2):
        webhooks.send_test(endpoint, actor=TESTS)
    first, second = deliveries.claim()
    deliveries.failed(first, "no answer")
    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None
    deliveries.delivered(second, status=204)
    endpoint.refresh_from_db()
    second.refresh_from_db()
    assert endpoint.failing_since is None
    assert (second.response_status, second.delivered_at is not None) == (204, True)


def test_410_says_that_nothing_more_is_wanted(acme: Company, rival: Company) -> None:
    mine, theirs = hook(acme), hook(rival)
    for endpoint in (mine, mine, theirs):
        webhooks.send_test(endpoint, actor=TESTS)
    taken = next(row for row in deliveries.claim() if row.endpoint == mine)
    deliveries.failed(taken, "gone", status=410)
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.disabled_at is not None
    assert theirs.disabled_at is None
    assert Delivery.objects.waiting().count() == 1


def test_no_receiver_holds_up_another(acme: Company, rival: Company) -> None:
    busy, other = hook(acme), hook(rival)
    for _ in range(20):
        webhooks.send_test(busy, actor=TESTS)
    webhooks.send_test(other, actor=TESTS)
    taken = [row.endpoint for row in deliveries.claim(limit=4)]
    assert taken.count(busy) == deliveries.HOOKS_AT_ONCE
    assert other in taken


def test_all_mails_of_one_owner_are_taken_together(acme: Company) -> None:
    for n in range(10):
        tell(acme, Account.objects.create(workspace=acme.workspace, name=f"Account {n}"))
    deliveries.dispatch()
    assert len(deliveries.claim()) == 10


def test_what_arrived_can_be_sent_again_and_begins_anew(acme: Company) -> None:
    row = webhooks.send_test(hook(acme), actor=TESTS)
    deliveries.delivered(deliveries.claim()[0], status=200)
    deliveries.send_again(row, actor=TESTS)
    (again,) = deliveries.claim()
    assert (again.pk, again.attempts, again.delivered_at) == (row.pk, 1, None)


def test_nothing_is_sent_again_to_somebody_who_is_no_owner(acme: Company) -> None:
    tell(acme)
    deliveries.dispatch()
    row = Delivery.objects.get()
    people.set_role(acme.owner, Role.MEMBER, actor=TESTS)
    with pytest.raises(Refused, match="not an Owner"):
        deliveries.send_again(row, actor=TESTS)


def test_settings_are_kept_audited_and_those_of_one_workspace(acme: Company, rival: Company) -> None:
    for _ in range(2):
        notices.configure(acme.workspace, actor=TESTS, mail_kinds=["orphan"], exposure_hours=6)
    assert NoticeSettings.of(acme.workspace).exposure_hours == 6
    assert NoticeSettings.of(rival.workspace).exposure_hours == 24
    assert set(NoticeSettings.of(rival.workspace).mail_kinds) == {*Notice.Kind} - {"test"}


def test_old_notices_are_pruned_with_their_deliveries(acme: Company, rival: Company) -> None:
    hook(acme)
    for company in (acme, rival):
        tell(company)
    deliveries.dispatch()
    later: datetime = timezone.now() + timedelta(seconds=1)
    assert notices.prune(acme.workspace, before=later) == 1
    assert not Delivery.objects.for_workspace(acme.workspace).exists()
    assert Notice.objects.for_workspace(rival.workspace).count() == 1
