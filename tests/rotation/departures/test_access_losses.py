"""People who stay and lose access: what they could have known and no longer reach is changed, once, and soon."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from rotation import sweep
from rotation.departures import access_losses, exposures, offboarding
from rotation.models import AccessLoss, Exposure, LossKind, Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from tests.rotation.leaving import leave, many_accounts, many_people
from workspace import access, accounts, teams
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.models import Account, AuditEvent, Grant, GrantRole, RotationPolicy, User
from workspace.vault import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 0


def policy(company: Company, chosen: RotationPolicy) -> None:
    company.workspace.rotate_on_access_loss = chosen
    company.workspace.save()


def remove(company: Company, *users: User) -> None:
    teams.remove_members(company.team, [user.pk for user in users or (company.member,)], actor=TESTS)


def settled() -> list[tuple[str, str]]:
    """What is open after the sweep: who, and which account."""
    access_losses.settle_due()
    return [(row.user.user_name, row.account.name) for row in Exposure.objects.open().order_by("account__name")]


def own(company: Company, name: str = "Own", *, privileged: bool = True) -> Grant:
    """An account granted to the member alone."""
    account = accounts.create(
        company.workspace, name, actor=TESTS, password=Secret(f"of-{name}"), is_privileged=privileged
    )
    return access.grant(account, company.member, actor=TESTS)


def lose(company: Company, how: str) -> None:
    match how:
        case "left the team":
            remove(company)
        case "set without":
            teams.set_members(company.team, [], actor=TESTS)
        case "disbanded":
            teams.disband(company.team, actor=TESTS)
        case "the team's grant ended":
            access.end(company.grant, actor=TESTS, reason="over")
        case "over SCIM":
            path = f"/scim/v2/Groups/{company.team.pk}"
            gone = {"op": "remove", "path": f'members[value eq "{company.member.pk}"]'}
            body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [gone]}
            answer = company.okta().patch(path, body, content_type="application/scim+json")
            assert answer.status_code in {200, 204}
        case "group deleted over SCIM":
            assert company.okta().delete(f"/scim/v2/Groups/{company.team.pk}").status_code == 204


WAYS = [
    "left the team", "set without", "disbanded", "the team's grant ended", "over SCIM", "group deleted over SCIM",
]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
def test_what_is_out_of_reach_is_changed_however_access_was_lost(acme: Company, rival: Company, how: str) -> None:
    lose(acme, how)
    assert settled() == [("member@acme.example", "Router")]
    exposure = Exposure.objects.get()
    assert (exposure.offboarding, exposure.loss, exposure.version.number) == (None, AccessLoss.objects.get(), 1)
    job = RotationJob.objects.get()
    assert (job.account, job.state, job.hold) == (acme.account, JobState.QUEUED, None)
    assert AuditEvent.objects.get(verb="access.lost").workspace == acme.workspace
    assert not AccessLoss.objects.filter(workspace=rival.workspace).exists()
    acme.member.refresh_from_db()
    assert acme.member.is_active


@pytest.mark.parametrize("how", WAYS)
def test_who_reaches_the_account_by_another_way_sets_off_nothing(acme: Company, how: str) -> None:
    access.grant(acme.account, acme.member, actor=TESTS)
    lose(acme, how)
    assert settled() == []
    assert not AccessLoss.objects.exists()  # nothing came of it, and nothing is kept


def test_each_of_two_ways_that_end_together_is_no_way_out(acme: Company) -> None:
    mine = access.grant(acme.account, acme.member, actor=TESTS)
    access.end(mine, actor=TESTS, reason="over")
    remove(acme)
    assert settled() == [("member@acme.example", "Router")]
    assert RotationJob.objects.count() == 1


def test_a_grant_that_ends_takes_its_holder_only(acme: Company) -> None:
    grant = own(acme)
    access.end(grant, actor=TESTS, reason="over")
    assert settled() == [("member@acme.example", "Own")]


def test_a_grant_ends_once(acme: Company) -> None:
    grant = own(acme)
    for _ in range(2):
        access.end(grant, actor=TESTS, reason="over")
    assert AccessLoss.objects.count() == 1


@pytest.mark.parametrize(
    ("chosen", "changed"),
    [
        (RotationPolicy.PRIVILEGED, ["Router"]), (RotationPolicy.ALL, ["Plain", "Router", "Seen"]),
        (RotationPolicy.REVEALED, ["Seen"]), (RotationPolicy.NONE, []),
    ],
)  # fmt: skip
def test_the_workspaces_policy_decides(acme: Company, chosen: RotationPolicy, changed: list[str]) -> None:
    policy(acme, chosen)
    for name in ("Plain", "Seen"):
        account = own(acme, name, privileged=False).account
        access.grant(account, acme.team, actor=TESTS)
        mine = ledger.ways(acme.member, account).get(team=None).grant
        access.end(mine, actor=TESTS, reason="by the team now")
        if name == "Seen":
            access.reveal(account, acme.member, actor=TESTS)
    remove(acme)
    assert [account for _, account in settled()] == changed


def test_privileged_accounts_are_changed_unless_a_workspace_says_otherwise(acme: Company) -> None:
    assert acme.workspace.rotate_on_access_loss == RotationPolicy.PRIVILEGED


def test_without_an_account_to_change_nothing_is_written_down(acme: Company) -> None:
    crew = teams.create(acme.workspace, "No accounts", actor=TESTS)
    teams.add_members(crew, [acme.member.pk], actor=TESTS)
    teams.remove_members(crew, [acme.member.pk], actor=TESTS)
    assert not AccessLoss.objects.exists()


def test_who_could_have_known_nothing_sets_off_nothing(acme: Company) -> None:
    late = acme.person("late")
    Account.objects.filter(pk=acme.account.pk).update(is_privileged=True)
    acme.account.versions.update(proved_dead_at=timezone.now())
    teams.add_members(acme.team, [late.pk], actor=TESTS)
    remove(acme, late)
    assert settled() == []


def test_who_is_given_it_back_in_time_sets_off_nothing(acme: Company, settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 60
    remove(acme)
    teams.add_members(acme.team, [acme.member.pk], actor=TESTS)
    assert access_losses.settle_due() == 0  # it is not time yet
    settings.ACCESS_LOSS_SECONDS = 0
    assert settled() == []


def test_a_group_that_is_rewritten_in_one_request_takes_nothing_from_anybody(acme: Company) -> None:
    members = [{"value": str(acme.member.pk)}]
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": members}],
    }
    answer = acme.okta().patch(f"/scim/v2/Groups/{acme.team.pk}", body, content_type="application/scim+json")
    assert answer.status_code in {200, 204}
    assert settled() == []


def test_a_removal_moments_before_the_departure_rotates_once(acme: Company, settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 60
    remove(acme)
    done = leave(acme.member)
    settings.ACCESS_LOSS_SECONDS = 0
    sweep.once()
    assert list(done.exposures.values_list("account__name", flat=True)) == ["Router"]
    assert RotationJob.objects.count() == Exposure.objects.count() == 1
    assert not AccessLoss.objects.exists()


def test_a_departure_after_the_loss_was_settled_is_satisfied_by_the_same_job(acme: Company) -> None:
    remove(acme)
    access_losses.settle_due()
    leave(acme.member)
    assert RotationJob.objects.count() == 1
    assert Exposure.objects.open().count() == 2
    assert Offboarding.objects.get().completed_at is None


def test_a_departure_after_the_password_was_changed_finds_nothing_to_change(acme: Company) -> None:
    remove(acme)
    access_losses.settle_due()
    acme.account.versions.update(proved_dead_at=timezone.now())
    assert offboarding.offboard(acme.member, actor=TESTS, cause="left").exposures.count() == 0  # type: ignore[union-attr]


def test_losing_the_same_knowledge_twice_is_one_exposure(acme: Company) -> None:
    remove(acme)
    access_losses.settle_due()
    teams.add_members(acme.team, [acme.member.pk], actor=TESTS)
    remove(acme)
    assert settled() == [("member@acme.example", "Router")]


def test_a_demotion_keeps_reach_and_sets_off_nothing(acme: Company) -> None:
    grant = own(acme)
    owner = access.change_role(grant, GrantRole.OWNER, actor=TESTS)
    lower = access.change_role(owner, GrantRole.COLLABORATOR, actor=TESTS)
    assert (lower.role, Grant.objects.filter(account=grant.account).count()) == (GrantRole.COLLABORATOR, 3)
    assert settled() == []


def test_a_role_that_is_lost_with_the_account_counts(acme: Company) -> None:
    grant = access.change_role(own(acme), GrantRole.OWNER, actor=TESTS)
    access.end(grant, actor=TESTS, reason="over", kind=LossKind.ROLE_LOST)
    assert settled() == [("member@acme.example", "Own")]


def test_the_exposure_begins_when_access_ended(acme: Company) -> None:
    remove(acme)
    AccessLoss.objects.update(at=timezone.now() - timedelta(minutes=5))
    access_losses.settle_due()
    assert timezone.now() - Exposure.objects.get().opened_at >= timedelta(minutes=5)


def test_a_loss_is_settled_once_by_two_sweeps(acme: Company) -> None:
    remove(acme)
    loss = AccessLoss.objects.get()
    assert access_losses.settle(loss.pk)
    assert not access_losses.settle(loss.pk)
    assert Exposure.objects.count() == 1


def test_statements_of_a_push_do_not_grow_with_members(acme: Company, django_assert_max_num_queries: Any) -> None:
    """A thousand people leave a team that has ten privileged accounts; then one does."""
    people = many_people(acme, 1_000)
    many_accounts(acme, 10, acme.owner)
    for account in Account.objects.filter(workspace=acme.workspace, name__startswith="Account"):
        access.grant(account, acme.team, actor=TESTS)
    teams.add_members(acme.team, [user.pk for user in people], actor=TESTS)
    with django_assert_max_num_queries(12) as many:
        teams.set_members(acme.team, [acme.member.pk], actor=TESTS)
    with django_assert_max_num_queries(20) as settling_many:
        assert access_losses.settle_due() == 1
    assert Exposure.objects.open().count() == 11 * 1_000
    assert RotationJob.objects.count() == 11
    RotationJob.objects.update(state=JobState.DONE)  # a rotation that is under way already costs a few more
    with django_assert_max_num_queries(12) as one:
        teams.set_members(acme.team, [], actor=TESTS)
    with django_assert_max_num_queries(20) as settling_one:
        assert access_losses.settle_due() == 1
    assert len(many) == len(one)
    assert len(settling_many) == len(settling_one)


def test_an_exposure_of_a_loss_closes_with_its_rotation(acme: Company) -> None:
    remove(acme)
    access_losses.settle_due()
    job = RotationJob.objects.get()
    acme.account.versions.update(proved_dead_at=timezone.now())
    assert exposures.close_proved(job, actor=TESTS) == 1
    assert Exposure.objects.get().closed_by == job


def test_a_loss_stays_within_its_workspace(acme: Company, rival: Company) -> None:
    remove(acme)
    access_losses.settle_due()
    for change in ({"workspace": rival.workspace}, {"team": rival.team}):
        with pytest.raises(IntegrityError), transaction.atomic():
            AccessLoss.objects.update(**change)
            connection.check_constraints()
    AccessLoss.objects.create(  # however it came there, another's person is nobody here
        workspace=acme.workspace, kind=LossKind.TEAM_LEFT, team=acme.team, people=[rival.member.pk], cause="forged",
        actor=Actor.system("x").to_json(),
    )  # fmt: skip
    access_losses.settle_due()
    assert not Exposure.objects.filter(user=rival.member).exists()
    assert not RotationJob.objects.filter(workspace=rival.workspace).exists()
