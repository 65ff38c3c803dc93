"""What time brings about: exposures open for long, tokens that end, chains that broke; told once, then settled."""

from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rotation import courier, errands, jobs
from rotation.departures import access_losses, offboarding
from rotation.models import AccessLoss, Exposure, Offboarding, Outcome, RotationJob, Verification
from rotation.states import JobState
from scim import tokens
from scim.models import ScimToken
from tests.companies import TESTS, Company
from tests.console_world import populate
from workspace import audit, deliveries, notices, teams
from workspace.audit import walks
from workspace.models import AuditEvent, AuditWalk, Notice

pytestmark = pytest.mark.django_db

LONG, NEEDS, EXPIRING = Notice.Kind.EXPOSURE_OPEN_LONG, Notice.Kind.ROTATION_NEEDS_HUMAN, Notice.Kind.TOKEN_EXPIRING


def of(company: Company, kind: Notice.Kind) -> list[Notice]:
    return list(Notice.objects.for_workspace(company.workspace).filter(kind=kind).order_by("told_at"))


def opened(company: Company, **ago: float) -> Offboarding:
    """A departure whose exposures are open since then."""
    populate(company)
    Exposure.objects.for_workspace(company.workspace).update(opened_at=timezone.now() - timedelta(**ago))
    return Offboarding.objects.for_workspace(company.workspace).get()


@pytest.mark.parametrize(("hours", "tells"), [(23.9, False), (24.1, True)])
def test_an_exposure_is_told_of_when_it_is_open_for_long(
    acme: Company, rival: Company, hours: float, tells: bool
) -> None:
    left = opened(acme, hours=hours)
    opened(rival, hours=2)
    for _ in range(2):
        errands.once()
    assert [notice.subject_id for notice in of(acme, LONG)] == ([left.pk] if tells else [])
    assert of(rival, LONG) == []


def test_how_long_is_the_workspaces_own_choice(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        opened(company, hours=3)
    notices.configure(acme.workspace, actor=TESTS, mail_kinds=[], exposure_hours=2)
    errands.once()
    (notice,) = of(acme, LONG)
    assert notice.facts["open"] == 1
    assert "2 hours" in notice.summary
    assert of(rival, LONG) == []


def test_it_names_no_person(acme: Company) -> None:
    opened(acme, hours=30)
    errands.once()
    (notice,) = of(acme, LONG)
    assert "leaver@" not in notice.summary + str(notice.facts)


def test_it_is_settled_when_the_departure_is_complete(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        opened(company, hours=30)
    errands.once()
    Offboarding.objects.for_workspace(acme.workspace).update(completed_at=timezone.now())
    errands.once()
    assert of(acme, LONG)[0].resolved_at is not None
    assert of(rival, LONG)[0].resolved_at is None


def test_a_loss_of_access_is_told_of_too_and_settled(acme: Company, rival: Company) -> None:
    teams.remove_members(acme.team, [acme.member.pk], actor=TESTS)
    access_losses.settle(AccessLoss.objects.get().pk)
    exposure = Exposure.objects.for_workspace(acme.workspace).get()
    assert exposure.offboarding is None
    Exposure.objects.update(opened_at=timezone.now() - timedelta(hours=30))
    for _ in range(2):
        errands.once()
    (notice,) = of(acme, LONG)
    assert notice.subject_id == exposure.loss_id

    Exposure.objects.update(closed_at=timezone.now(), outcome=Outcome.PROVED_DEAD)
    errands.once()
    assert of(acme, LONG)[0].resolved_at is not None


def test_what_fails_for_one_customer_stops_nothing_for_the_others() -> None:
    done: list[str] = []

    def fails() -> None:
        raise LookupError("one customer's row")

    with pytest.raises(LookupError):
        errands.each(lambda: done.append("before"), fails, lambda: done.append("after"))
    assert done == ["before", "after"]


def test_a_rotation_that_needs_nobody_any_more_is_settled(acme: Company) -> None:
    populate(acme)
    job = RotationJob.objects.get()
    notices.tell(acme.workspace, NEEDS, job, summary="Router needs a person.")
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is None
    jobs.retry(job, actor=TESTS)
    assert RotationJob.objects.get().state == JobState.WAITING
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is not None


@pytest.mark.parametrize(("days", "tells"), [(19, True), (21, False), (-1, False)])
def test_a_token_is_told_of_20_days_before_it_ends(acme: Company, rival: Company, days: int, tells: bool) -> None:
    ScimToken.objects.for_workspace(acme.workspace).update(expires_at=timezone.now() + timedelta(days=days))
    for _ in range(2):
        errands.once()
    assert len(of(acme, EXPIRING)) == int(tells)
    assert of(rival, EXPIRING) == []


@pytest.mark.parametrize(
    ("scope", "without"),
    [
        ("all", "nobody is provisioned and nobody is disabled"), ("groups", "no team follows its group"),
        ("users", "nobody is provisioned and nobody is disabled"), ("read", "nothing can be read"),
    ],
)  # fmt: skip
def test_owners_are_mailed_of_a_token_of_any_scope_and_home_warns(
    acme: Company, settings: Any, scope: str, without: str
) -> None:
    settings.SENDS_MAIL, settings.MAIL_DELAY_SECONDS = True, 0
    token, _ = tokens.issue(acme.workspace, "narrow", actor=TESTS, scope=scope, days=19)
    errands.once()
    (notice,) = of(acme, EXPIRING)
    assert (notice.subject_id, without in notice.summary) == (token.pk, True)
    deliveries.dispatch()
    courier.once()
    (told,) = mail.outbox
    assert told.to == [acme.owner.email]
    assert "narrow" in str(told.body)
    assert f"/admin/scim/scimtoken/{token.pk}/change/" in str(told.body)
    assert "1 token ends within 20 days" in acme.browser().get("/admin/").content.decode()

    new, _ = tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=1))
    ScimToken.objects.filter(pk=new.pk).update(expires_at=timezone.now() + timedelta(days=300))
    errands.once()
    assert of(acme, EXPIRING)[0].resolved_at is not None
    assert "within 20 days: regenerate" not in acme.browser().get("/admin/").content.decode()


def test_a_drifted_password_is_told_of_until_it_fits_again(acme: Company) -> None:
    now = timezone.now()
    check = Verification.objects.create(
        workspace=acme.workspace, account=acme.account, verdict="drift", drifted_at=now
    )
    notices.tell(acme.workspace, NEEDS, acme.account, summary="It is not the one in force.")
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is None
    check.verdict, check.drifted_at = "good", None
    check.save()
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is not None


def test_a_rotation_that_is_tried_again_and_again_is_told_of_until_it_gets_on(acme: Company) -> None:
    (job_id,) = jobs.request(acme.workspace, [acme.account], cause="tests")
    RotationJob.objects.update(failures=jobs.FAILURES_UNTIL_ASKED - 1)
    lease = jobs.claim(job_id, worker="tests")
    assert lease is not None
    jobs.wait(lease, code="unreachable", detail="No answer.", resume=JobState.QUEUED)
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is None
    jobs.retry(RotationJob.objects.get(), actor=TESTS)
    errands.once()
    assert of(acme, NEEDS)[0].resolved_at is not None


def test_a_revoked_token_is_settled_and_told_of_no_more(acme: Company) -> None:
    ScimToken.objects.update(expires_at=timezone.now() + timedelta(days=3))
    errands.once()
    ScimToken.objects.update(revoked_at=timezone.now())
    errands.once()
    (notice,) = of(acme, EXPIRING)
    assert notice.resolved_at is not None


def test_a_replaced_token_is_settled_and_told_of_no_more(acme: Company) -> None:
    ScimToken.objects.update(expires_at=timezone.now() + timedelta(days=3))
    errands.once()
    token = ScimToken.objects.get()
    new, _ = tokens.regenerate(token, actor=TESTS, overlap=timedelta(hours=24))
    ScimToken.objects.filter(pk=new.pk).update(expires_at=timezone.now() + timedelta(days=300))
    errands.once()
    (notice,) = of(acme, EXPIRING)
    assert notice.resolved_at is not None
    tokens.revoke(new, actor=TESTS)
    Notice.objects.all().delete()
    errands.once()
    assert of(acme, EXPIRING)[0].resolved_at is None


def test_the_token_is_named_by_its_label_alone(acme: Company) -> None:
    ScimToken.objects.update(expires_at=timezone.now() + timedelta(days=3))
    errands.once()
    notice = Notice.objects.get(kind=EXPIRING)
    assert "Okta" in notice.summary
    assert acme.scim_token[-20:] not in notice.summary + str(notice.facts)


def walk_all() -> None:
    while walks.walk_next():
        pass


def test_each_chain_is_walked_once_a_day(acme: Company, rival: Company) -> None:
    walk_all()
    assert set(AuditWalk.objects.values_list("workspace", flat=True)) == {acme.workspace.pk, rival.workspace.pk}
    assert walks.walk_next() is None
    AuditWalk.objects.for_workspace(acme.workspace).update(walked_at=timezone.now() - walks.EVERY)
    assert walks.walk_next() == acme.workspace
    assert walks.walk_next() is None


def test_a_broken_chain_is_told_of_until_it_holds(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        while audit.seal(company.workspace):
            pass
    event = AuditEvent.objects.filter(workspace=acme.workspace).earliest("id")
    with pgtrigger.ignore():
        AuditEvent.objects.filter(pk=event.pk).update(verb="nothing.happened")
    walk_all()
    (notice,) = of(acme, Notice.Kind.AUDIT_BROKEN)
    assert notice.facts == {"event": event.pk}
    assert AuditWalk.objects.for_workspace(acme.workspace).get().broken_at_event == event.pk
    assert of(rival, Notice.Kind.AUDIT_BROKEN) == []

    with pgtrigger.ignore():
        AuditEvent.objects.filter(pk=event.pk).update(verb=event.verb)
    AuditWalk.objects.update(walked_at=timezone.now() - walks.EVERY)
    walk_all()
    notice.refresh_from_db()
    assert notice.resolved_at is not None
    assert AuditWalk.objects.for_workspace(acme.workspace).get().broken_at_event is None


def test_errands_take_few_statements_however_much_there_is(acme: Company, rival: Company) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as seen:
            errands.once()
        return len(seen)

    walk_all()
    opened(acme, hours=30)
    errands.once()
    before = statements()
    for n in range(5):
        offboarding.offboard(acme.person(f"more{n}"), actor=TESTS, cause="left")
    Exposure.objects.update(opened_at=timezone.now() - timedelta(days=3))
    errands.once()
    assert statements() == before


def test_the_command_looks_once_at_everything(acme: Company, settings: Any) -> None:
    settings.MAIL_DELAY_SECONDS = 0
    opened(acme, hours=30)
    notices.configure(acme.workspace, actor=TESTS, mail_kinds=[LONG], exposure_hours=24)
    call_command("sweep", "--once")
    assert any("may still be alive" in message.body for message in mail.outbox)
