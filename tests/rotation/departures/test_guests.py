"""Access that ends by itself: at its time nobody gets in by it, and the sweep writes the end down."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation import sweep
from rotation.departures import guests
from rotation.models import AccessLoss, Exposure, LossKind, Offboarding, RotationJob
from tests.companies import TESTS, Company
from workspace import access, accounts, deactivation, people
from workspace.crypto import Secret
from workspace.errors import Invalid, NotFound, Refused
from workspace.models import AuditEvent, Grant, GrantRole, SecretVersion, TeamMembership, User
from workspace.vault import ledger

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_once(settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 0


def guest(company: Company) -> Grant:
    """A grant of a privileged account for a day, to somebody who has nothing else."""
    account = accounts.create(company.workspace, "Vault", actor=TESTS, password=Secret("x"), is_privileged=True)
    return access.grant(account, company.person("guest"), actor=TESTS, expires_at=in_a_day())


def in_a_day() -> Any:
    return timezone.now() + timedelta(days=1)


def pass_time(grant: Grant) -> None:
    past = timezone.now() - timedelta(minutes=1)
    begun = past - timedelta(hours=1)
    Grant.objects.filter(pk=grant.pk).update(expires_at=past, granted_at=begun)
    TeamMembership.objects.filter(team=grant.team).update(joined_at=begun)
    SecretVersion.objects.filter(account=grant.account).update(visible_from=begun)


def expire(user: User) -> None:
    User.objects.filter(pk=user.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    user.refresh_from_db()


def test_until_its_time_a_guests_grant_is_like_any_other(acme: Company) -> None:
    grant = guest(acme)
    assert guests.end_expired() == 0
    assert list(access.reachable_accounts(grant.user)) == [grant.account]  # type: ignore[arg-type]


def test_past_its_time_it_lets_nobody_in_even_before_the_sweep(acme: Company) -> None:
    grant = guest(acme)
    pass_time(grant)
    assert grant.user is not None
    assert not access.reachable_accounts(grant.user).exists()
    assert not ledger.ways(grant.user, grant.account).reaching().exists()
    with pytest.raises(NotFound):
        access.reveal(grant.account, grant.user, actor=TESTS)


def test_the_sweep_ends_it_as_itself_and_what_was_known_is_changed(acme: Company, rival: Company) -> None:
    grant, theirs = guest(acme), guest(rival)
    pass_time(grant)
    sweep.once()
    grant.refresh_from_db()
    assert grant.end_reason == guests.EXPIRED
    event = AuditEvent.objects.get(verb="grant.ended")
    assert (event.actor_label, event.workspace) == ("guest expiry", acme.workspace)
    assert AccessLoss.objects.get().kind == LossKind.GRANT_EXPIRED
    assert Exposure.objects.open().get().account == RotationJob.objects.get().account == grant.account
    theirs.refresh_from_db()
    assert theirs.ended_at is None


def test_a_team_may_be_a_guest(acme: Company) -> None:
    access.set_expiry(acme.grant, in_a_day(), actor=TESTS)
    pass_time(acme.grant)
    assert not access.reachable_accounts(acme.member).exists()
    sweep.once()
    assert Exposure.objects.open().get().user == acme.member


def test_a_guests_own_time_ends_in_an_offboarding(acme: Company) -> None:
    people.set_expiry(acme.member, in_a_day(), actor=TESTS)
    expire(acme.member)
    assert not access.reachable_accounts(acme.member).exists()
    sweep.once()
    done = Offboarding.objects.get()
    assert (done.user, done.cause, done.actor["label"]) == (acme.member, guests.EXPIRED, "guest expiry")
    acme.member.refresh_from_db()
    assert not acme.member.is_active


def test_who_got_more_time_meanwhile_stays(acme: Company) -> None:
    grant = guest(acme)
    pass_time(grant)
    people.set_expiry(acme.member, in_a_day(), actor=TESTS)
    expire(acme.member)
    stale = User.objects.get(pk=acme.member.pk)
    access.set_expiry(grant, in_a_day(), actor=TESTS)
    people.set_expiry(acme.member, None, actor=TESTS)
    assert not guests._end_grant(grant.pk)
    assert not guests.end_if_expired(stale)
    assert guests.end_expired() == 0


def test_access_cannot_end_in_the_past(acme: Company) -> None:
    past = timezone.now() - timedelta(seconds=1)
    with pytest.raises(Invalid):
        access.set_expiry(acme.grant, past, actor=TESTS)
    with pytest.raises(Invalid):
        access.grant(acme.account, acme.owner, actor=TESTS, expires_at=past)
    with pytest.raises(Invalid):
        people.set_expiry(acme.member, past, actor=TESTS)


def test_who_left_is_no_guest_and_who_returns_is_none_either(acme: Company) -> None:
    people.set_expiry(acme.member, in_a_day(), actor=TESTS)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    with pytest.raises(Refused):
        people.set_expiry(acme.member, in_a_day(), actor=TESTS)
    assert people.reactivate(acme.member, actor=TESTS).expires_at is None


def test_the_same_time_again_is_no_event(acme: Company) -> None:
    when = in_a_day()
    for _ in range(2):
        access.set_expiry(acme.grant, when, actor=TESTS)
        people.set_expiry(acme.member, when, actor=TESTS)
    assert AuditEvent.objects.filter(verb__endswith="expiry_set").count() == 2


def test_a_guests_role_changes_without_more_time(acme: Company) -> None:
    grant = guest(acme)
    manager = access.change_role(grant, GrantRole.MANAGER, actor=TESTS)
    assert (manager.role, manager.expires_at) == (GrantRole.MANAGER, grant.expires_at)
    with pytest.raises(Refused):
        access.change_role(grant, GrantRole.OWNER, actor=TESTS)
