"""What an Owner does in the console that takes access from people who stay."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from rotation.departures import access_losses
from rotation.models import AccessLoss
from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.workspace.test_admin_acts import page, post
from workspace import teams
from workspace.models import Grant, GrantRole, RotationPolicy, Workspace

pytestmark = pytest.mark.django_db


def test_what_an_owner_takes_in_the_console_sets_off_the_same(acme: Company, settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 0
    shown = text_of(acme.browser(), page(acme.team, "remove_member"))
    assert "is changed soon after, as this workspace has it: privileged accounts" in shown
    post(acme.browser(), page(acme.team, "remove_member"), members=str(acme.member.pk))
    access_losses.settle_due()
    loss = AccessLoss.objects.get()
    assert loss.actor["id"] == str(acme.owner.pk)
    shown = text_of(acme.browser(), page(loss))
    assert "console/live.js" in shown
    assert "member@acme.example" in text_of(acme.browser(), page(acme.member))
    assert page(loss) in text_of(acme.browser(), page(acme.member))
    assert acme.browser().get("/admin/rotation/accessloss/?state=open").context["cl"].result_count == 1
    assert acme.browser().get("/admin/rotation/accessloss/?state=done").context["cl"].result_count == 0


def test_a_workspace_that_leaves_it_says_so(acme: Company) -> None:
    Workspace.objects.filter(pk=acme.workspace.pk).update(rotate_on_access_loss=RotationPolicy.NONE)
    assert "stays as it is" in text_of(acme.browser(), page(acme.grant, "end"))


def test_ending_a_grant_sets_off_the_same(acme: Company) -> None:
    post(acme.browser(), page(acme.grant, "end"), reason="over")
    assert AccessLoss.objects.get().grant == acme.grant


def test_the_role_of_a_grant_is_changed(acme: Company) -> None:
    answer = acme.browser().post(page(acme.grant, "role"), {"role": "manager"})
    new = Grant.objects.get(team=acme.team, ended_at=None)
    assert (answer["Location"], new.role) == (page(new), GrantRole.MANAGER)
    assert "ended already" in post(acme.browser(), page(acme.grant, "role"), role="owner")


def test_a_grant_is_given_an_end(acme: Company) -> None:
    Workspace.objects.filter(pk=acme.workspace.pk).update(time_zone="Pacific/Auckland")
    day = timezone.localdate() + timedelta(days=10)
    post(acme.browser(), page(acme.grant, "expiry"), last_day=day.isoformat())
    acme.grant.refresh_from_db()
    assert acme.grant.expires_at is not None
    shown = text_of(acme.browser(), page(acme.grant, "expiry"))
    assert f'value="{day.isoformat()}"' in shown  # the same day again, in the workspace's own zone
    assert "in the past" in post(acme.browser(), page(acme.grant, "expiry"), last_day="2020-01-01")
    post(acme.browser(), page(acme.grant, "expiry"), last_day="")
    acme.grant.refresh_from_db()
    assert acme.grant.expires_at is None


def test_a_person_is_made_a_guest(acme: Company) -> None:
    day = (timezone.localdate() + timedelta(days=10)).isoformat()
    post(acme.browser(), page(acme.member, "guest"), last_day=day)
    acme.member.refresh_from_db()
    assert acme.member.expires_at is not None
    assert "Guest until" in text_of(acme.browser(), page(acme.member))
    assert "cannot offboard yourself" in post(acme.browser(), page(acme.owner, "guest"), last_day=day)


def test_a_removal_from_a_pushed_team_is_not_done_here(acme: Company) -> None:
    teams.update(
        acme.team, actor=TESTS, display_name="Operations", external_id="", attributes={}, managed=True
    )
    assert "Okta manages this team" in post(acme.browser(), page(acme.team, "remove_member"))
    assert not AccessLoss.objects.exists()
