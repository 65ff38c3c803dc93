"""A departure: one transaction, one result however it comes in, and a fixed number of statements."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from rotation.departures import exposures, offboarding
from rotation.models import AccessLoss, Exposure, LossKind, Offboarding, Outcome, RotationJob
from rotation.states import JobState
from scim import erasure
from tests.companies import TESTS, Company
from workspace import access, accounts, teams
from workspace.crypto import Secret
from workspace.errors import Refused
from workspace.models import Account, AuditEvent, RotationPolicy, User

pytestmark = pytest.mark.django_db


def leave(company: Company) -> Offboarding:
    done = offboarding.offboard(company.member, actor=TESTS, cause="left")
    assert done is not None
    return done


def ordinary(company: Company, name: str = "Newsletter") -> Account:
    """An account that is not privileged, granted to the member."""
    account = accounts.create(company.workspace, name, actor=TESTS, password=Secret("x"))
    access.grant(account, company.member, actor=TESTS)
    return account


def test_a_departure_ends_access_opens_exposures_and_wants_rotations(acme: Company, rival: Company) -> None:
    done = leave(acme)

    exposure = Exposure.objects.get(offboarding=done)
    assert (exposure.account, exposure.version.number, exposure.closed_at) == (acme.account, 1, None)
    job = RotationJob.objects.get()
    assert (job.account, job.state, job.workspace) == (acme.account, JobState.QUEUED, acme.workspace)
    assert done.completed_at is None
    assert not User.objects.get(pk=acme.member.pk).is_active
    assert User.objects.get(pk=rival.member.pk).is_active


def test_twice_is_once(acme: Company) -> None:
    first = leave(acme)
    events = AuditEvent.objects.count()
    assert offboarding.offboard(acme.member, actor=TESTS, cause="again") == first
    assert (Exposure.objects.count(), RotationJob.objects.count(), AuditEvent.objects.count()) == (1, 1, events)


@pytest.mark.parametrize(
    ("policy", "rotated"),
    [
        (RotationPolicy.PRIVILEGED, {"Router"}),
        (RotationPolicy.ALL, {"Router", "Newsletter", "Seen"}),
        (RotationPolicy.REVEALED, {"Seen"}),
        (RotationPolicy.NONE, set()),
    ],
)
def test_the_workspaces_policy_decides_what_rotates(acme: Company, policy: RotationPolicy, rotated: set[str]) -> None:
    ordinary(acme)
    access.reveal(ordinary(acme, "Seen"), acme.member, actor=TESTS)
    acme.workspace.rotation_policy = policy
    acme.workspace.save()
    acme.member.refresh_from_db()

    done = leave(acme)

    assert {job.account.name for job in RotationJob.objects.all()} == rotated
    assert {exposure.account.name for exposure in done.exposures.all()} == {"Router", "Newsletter", "Seen"}
    left = done.exposures.filter(outcome=Outcome.LEFT_BY_POLICY)
    assert {exposure.account.name for exposure in left} == {"Router", "Newsletter", "Seen"} - rotated


def test_a_person_who_could_have_known_nothing_is_done_at_once(acme: Company) -> None:
    done = offboarding.offboard(acme.person("new"), actor=TESTS, cause="left")
    assert done is not None
    done.refresh_from_db()
    assert done.completed_at is not None


def test_the_number_of_statements_does_not_grow_with_accounts(
    acme: Company, django_assert_max_num_queries: Any
) -> None:
    acme.workspace.rotation_policy = RotationPolicy.ALL
    acme.workspace.mass_removal_people = 100  # the second departure is not asked whether it is one of many
    acme.workspace.save()
    busy = acme.person("busy")
    for number in range(60):
        account = accounts.create(acme.workspace, f"A{number}", actor=TESTS, password=Secret("x"))
        access.grant(account, busy, actor=TESTS)
    with django_assert_max_num_queries(35) as few:
        offboarding.offboard(acme.member, actor=TESTS, cause="left")
    with django_assert_max_num_queries(35) as many:
        offboarding.offboard(busy, actor=TESTS, cause="left")
    assert RotationJob.objects.count() == 61
    assert len(many.captured_queries) == len(few.captured_queries)


def test_an_account_has_at_most_one_live_job(acme: Company) -> None:
    leave(acme)
    with pytest.raises(IntegrityError), transaction.atomic():
        RotationJob.objects.create(workspace=acme.workspace, account=acme.account, cause="second")
    second = acme.person("second")
    teams.add_members(acme.team, [second.id], actor=TESTS)
    offboarding.offboard(second, actor=TESTS, cause="left")
    assert RotationJob.objects.live().count() == 1
    assert Exposure.objects.open().count() == 2


def test_an_open_exposure_without_a_job_is_found(acme: Company) -> None:
    leave(acme)
    assert exposures.unattended() == {}
    RotationJob.objects.update(state=JobState.CANCELLED)
    assert exposures.unattended() == {acme.workspace.pk: {acme.account.pk}}


def test_a_person_whose_exposures_are_open_is_not_purged_unless_told(acme: Company) -> None:
    leave(acme)
    with pytest.raises(Refused, match="not proved dead"):
        erasure.purge(acme.member, actor=TESTS)
    erasure.purge(acme.member, actor=TESTS, despite_exposures=True)
    assert User.objects.get(pk=acme.member.pk).purged_at is not None


@pytest.fixture
def exposure(acme: Company, rival: Company) -> Exposure:
    """What acme's member could have known, beside another departure and another account of acme's."""
    offboarding.offboard(acme.person("other"), actor=TESTS, cause="left")
    ordinary(acme)
    leave(rival)
    leave(acme)
    return Exposure.objects.get(account=acme.account)


@pytest.mark.parametrize("column", ["workspace", "version", "account", "user", "offboarding", "closed_by"])
def test_an_exposure_never_crosses_workspaces_in_the_database(
    acme: Company, rival: Company, exposure: Exposure, column: str
) -> None:
    theirs = Exposure.objects.select_related("offboarding").get(workspace=rival.workspace)
    job = RotationJob.objects.get(workspace=rival.workspace)
    foreign = job if column == "closed_by" else getattr(theirs, column)
    with pytest.raises(IntegrityError), transaction.atomic():
        Exposure.objects.filter(pk=exposure.pk).update(**{column: foreign})
        connection.check_constraints()


def test_an_exposures_version_is_its_accounts_and_its_departure_its_persons(acme: Company, exposure: Exposure) -> None:
    newsletter = Account.objects.get(name="Newsletter", workspace=acme.workspace)
    for wrong in (
        {"account": newsletter}, {"version": newsletter.versions.get()}, {"user": acme.owner},
        {"offboarding": Offboarding.objects.get(user__user_name__startswith="other")},
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            Exposure.objects.filter(pk=exposure.pk).update(**wrong)
            connection.check_constraints()


def test_a_losss_exposure_is_of_somebody_of_its_workspace(acme: Company, rival: Company, exposure: Exposure) -> None:
    loss = AccessLoss.objects.create(
        workspace=acme.workspace, kind=LossKind.TEAM_LEFT, team=acme.team, cause="left", actor=TESTS.to_json()
    )
    Exposure.objects.filter(pk=exposure.pk).update(offboarding=None, loss=loss, user=acme.owner)
    connection.check_constraints()
    with pytest.raises(IntegrityError), transaction.atomic():
        Exposure.objects.filter(pk=exposure.pk).update(user=rival.owner)
        connection.check_constraints()
