"""So many people removed at once that it may be a mistake: access ends at once, what is hard to undo waits."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from rotation import jobs, sweep
from rotation.departures import offboarding, orphans, safeguard
from rotation.models import Decision, Exposure, MassRemoval, Offboarding, Orphan, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.leaving import leave, many_people, owned
from workspace.audit import Actor
from workspace.errors import Refused
from workspace.models import Account, AuditEvent, Grant, Notice, User
from workspace.vault import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture
def careful(acme: Company) -> Company:
    """Acme, with three people and more than a fifth of all as too many; eight people stay whatever happens."""
    acme.workspace.mass_removal_people, acme.workspace.mass_removal_percent = 3, 20
    acme.workspace.save()
    many_people(acme, 6)
    return acme


def leavers(company: Company, number: int) -> list[tuple[User, Account]]:
    """People with an account of their own each."""
    found = [company.person(f"leaver{n}") for n in range(number)]
    return [(user, owned(company, f"Of {user.given_name}", user)) for user in found]


def remove(company: Company, number: int = 3) -> tuple[MassRemoval, list[tuple[User, Account]]]:
    """So many people leave; the removal that came of it."""
    gone = leavers(company, number)
    for user, _ in gone:
        leave(user)
    return MassRemoval.objects.for_workspace(company.workspace).get(), gone


def job_of(account: Account) -> RotationJob:
    return RotationJob.objects.filter(account=account).latest("requested_at")


def claimable(account: Account) -> bool:
    return jobs.claim(job_of(account).pk, worker="tests") is not None


def let_time_pass(removal: MassRemoval) -> None:
    past = timezone.now() - timedelta(seconds=1)
    MassRemoval.objects.filter(pk=removal.pk).update(held_until=past)
    RotationJob.objects.filter(hold=removal, held_until__isnull=False).update(held_until=past)


def test_fewer_than_set_are_no_mass_removal(careful: Company) -> None:
    for user, account in leavers(careful, 2):
        leave(user)
        assert job_of(account).hold is None
    assert not MassRemoval.objects.exists()


def test_a_small_share_is_no_mass_removal(careful: Company) -> None:
    many_people(careful, 20, start=100)
    for user, account in leavers(careful, 4):
        leave(user)
        assert claimable(account)
    assert not MassRemoval.objects.exists()


def test_access_ends_at_once_and_rotations_wait(careful: Company) -> None:
    removal, gone = remove(careful)
    assert (removal.removed, removal.people, removal.decision) == (3, 11, "")
    for user, account in gone:
        user.refresh_from_db()
        assert not user.is_active
        assert not Grant.objects.filter(user=user, ended_at=None).exists()
        assert Exposure.objects.open().filter(user=user, account=account).exists()
        assert not claimable(account)
    jobs.announce_due()
    assert not RotationJob.objects.filter(woken_at__isnull=False).exists()
    assert set(Offboarding.objects.values_list("hold", flat=True)) == {removal.pk}


def test_the_departures_that_led_to_it_are_held_as_well_unless_begun(careful: Company) -> None:
    first, second, third, fourth = leavers(careful, 4)
    for user in (first[0], second[0]):
        leave(user)
    assert claimable(first[1])  # a worker has begun
    for user, _ in (third, fourth):
        leave(user)
    removal = MassRemoval.objects.get()
    assert job_of(first[1]).hold is None
    assert {job_of(account).hold for _, account in (second, third, fourth)} == {removal}
    assert removal.offboardings.count() == 4


def test_owners_are_told_once(careful: Company) -> None:
    removal, _ = remove(careful, 5)
    notice = Notice.objects.get(kind=Notice.Kind.MASS_REMOVAL)
    assert (notice.subject_id, notice.workspace) == (removal.pk, careful.workspace)
    assert "3 of 13 people" in notice.summary
    safeguard.confirm(removal, actor=TESTS)
    notice.refresh_from_db()
    assert notice.resolved_at is not None


def test_an_owner_confirms_and_everything_goes_on(careful: Company) -> None:
    removal, gone = remove(careful)
    assert safeguard.confirm(removal, actor=Actor.person(careful.owner)) == 3
    removal.refresh_from_db()
    assert (removal.decision, (removal.decided_by or {})["id"]) == (Decision.CONFIRMED, str(careful.owner.pk))
    assert all(claimable(account) for _, account in gone)
    assert AuditEvent.objects.filter(verb="mass_removal.confirmed", actor_id=careful.owner.pk).exists()
    with pytest.raises(Refused):
        safeguard.confirm(removal, actor=TESTS)
    with pytest.raises(Refused):
        safeguard.cancel(removal, actor=TESTS)


def test_when_the_time_is_up_nothing_has_to_run_for_it_to_go_on(careful: Company) -> None:
    removal, gone = remove(careful)
    let_time_pass(removal)
    assert claimable(gone[0][1])
    with pytest.raises(Refused, match="too late"):
        safeguard.cancel(removal, actor=TESTS)
    sweep.once()
    removal.refresh_from_db()
    assert (removal.decision, (removal.decided_by or {})["label"]) == (Decision.TIMED_OUT, "safeguard")
    assert not RotationJob.objects.filter(held_until__isnull=False).exists()


def test_called_off_nothing_is_rotated_and_what_could_be_known_stays_written_down(careful: Company) -> None:
    removal, gone = remove(careful)
    assert safeguard.cancel(removal, actor=Actor.person(careful.owner)) == 3
    for _, account in gone:
        job = job_of(account)
        assert (job.state, job.steps.get().to_state) == (JobState.CANCELLED, JobState.CANCELLED)
    sweep.once()
    assert not RotationJob.objects.live().exists()
    assert Exposure.objects.open().count() == 3


def test_what_was_called_off_can_be_rotated_after_all(careful: Company) -> None:
    removal, gone = remove(careful)
    safeguard.cancel(removal, actor=TESTS)
    assert safeguard.confirm(removal, actor=TESTS) == 3
    assert all(claimable(account) for _, account in gone)


def test_a_rotation_wanted_for_another_reason_does_not_wait(careful: Company) -> None:
    removal, gone = remove(careful)
    account = gone[0][1]
    jobs.request(careful.workspace, [account], cause="An Owner asked")
    assert claimable(account)
    safeguard.cancel(removal, actor=TESTS)
    assert job_of(account).is_live


def test_after_a_decision_counting_begins_anew(careful: Company) -> None:
    removal, _ = remove(careful)
    safeguard.confirm(removal, actor=TESTS)
    more = [careful.person(f"more{n}") for n in range(3)]
    for user in more[:2]:
        assert leave(user).hold is None
    assert leave(more[2]).hold not in {None, removal}


def test_departures_before_the_window_do_not_count(careful: Company) -> None:
    for user, _ in leavers(careful, 2):
        leave(user)
    Offboarding.objects.update(started_at=timezone.now() - timedelta(minutes=61))
    assert leave(careful.person("later")).hold is None


def test_another_workspaces_departures_count_for_nothing(careful: Company, rival: Company) -> None:
    rival.workspace.mass_removal_people = 3
    rival.workspace.save()
    remove(careful)
    account = owned(rival, "Theirs", rival.member)
    assert leave(rival.member).hold is None
    assert claimable(account)


def test_nothing_is_handed_over_while_the_removal_waits(careful: Company) -> None:
    removal, gone = remove(careful)
    orphan = Orphan.objects.get(account=gone[0][1])
    with pytest.raises(Refused, match="waits for an answer"):
        orphans.confirm(orphan, careful.owner, actor=TESTS)
    safeguard.confirm(removal, actor=TESTS)
    orphans.confirm(orphan, careful.owner, actor=TESTS)
    assert ledger.ways(careful.owner, orphan.account).reaching().get().role == "owner"


def test_there_is_one_open_removal_a_workspace_and_none_across(careful: Company, rival: Company) -> None:
    removal, _ = remove(careful)
    with pytest.raises(IntegrityError), transaction.atomic():
        MassRemoval.objects.create(
            workspace=careful.workspace, removed=1, people=1, held_until=timezone.now()
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        MassRemoval.objects.filter(pk=removal.pk).update(workspace=rival.workspace)
        connection.check_constraints()


def test_statements_of_a_departure_do_not_grow_with_the_removal(
    careful: Company, django_assert_max_num_queries: Any
) -> None:
    remove(careful, 3)
    user = careful.person("one-more")
    with django_assert_max_num_queries(35) as few:
        offboarding.offboard(user, actor=TESTS, cause="left")
    for person in many_people(careful, 30, start=200):
        leave(person)
    last = careful.person("last")
    with django_assert_max_num_queries(35) as many:
        offboarding.offboard(last, actor=TESTS, cause="left")
    assert len(few.captured_queries) == len(many.captured_queries)
