"""What an Owner does in the console about a removal of many people."""

import pytest

from rotation.departures import safeguard
from rotation.models import MassRemoval, Offboarding, RotationJob
from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.rotation.leaving import leave, many_people, owned
from tests.workspace.test_admin_acts import page, post
from workspace.models import AuditEvent, Grant, RotationPolicy, User, Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def removal(acme: Company) -> MassRemoval:
    Workspace.objects.filter(pk=acme.workspace.pk).update(mass_removal_people=3)
    acme.workspace.refresh_from_db()
    for number, user in enumerate(many_people(acme, 6)):
        owned(acme, f"Of {number}", user)
        user.refresh_from_db()
        leave(user)
    return MassRemoval.objects.get()


def test_home_asks_for_an_answer(acme: Company, rival: Company, removal: MassRemoval) -> None:
    def figures(company: Company) -> set[str]:
        cards = company.browser().get("/admin/").context["cards"]
        return {figure.label for card in cards for figure in card.figures}

    assert "Removals of many people: answer" in figures(acme)
    assert "Removals of many people: answer" not in figures(rival)
    held = Offboarding.objects.order_by("started_at").last()
    shown = text_of(acme.browser(), page(held))
    assert "that an Owner has to answer" in shown
    assert "Waits for an answer" in shown
    assert acme.browser().get("/admin/rotation/offboarding/?state=held").context["cl"].result_count == 6
    for state, number in (("held", 6), ("running", 0)):
        listed = acme.browser().get(f"/admin/rotation/rotationjob/?state={state}").context["cl"]
        assert listed.result_count == number
    rotation = text_of(acme.browser(), page(RotationJob.objects.first()))
    assert "begins when that is answered" in rotation
    assert "data-live" not in rotation
    assert "Answer that first" in text_of(acme.browser(), "/admin/rotation/orphan/confirm-suggestions/")


def test_an_owner_confirms_that_they_were_meant_to_leave(acme: Company, removal: MassRemoval) -> None:
    shown = post(acme.browser(), page(removal, "confirm"))
    assert "6 rotations begin now" in shown
    removal.refresh_from_db()
    assert (removal.decision, removal.decided_by["id"]) == ("confirmed", str(acme.owner.pk))  # type: ignore[index]
    for act in ("confirm", "cancel"):
        assert "too late" in post(acme.browser(), page(removal, act))


def test_an_owner_calls_it_off_and_lets_the_people_in_again(acme: Company, removal: MassRemoval) -> None:
    browser = acme.browser()
    assert "Call the removal off first" in post(browser, page(removal, "let_in"))
    assert "6 rotations were called off" in post(browser, page(removal, "cancel"))
    shown = text_of(browser, page(removal))
    assert "6 password(s) are known to people who have not got these accounts back" in shown
    out = list(User.objects.filter(workspace=acme.workspace, is_active=False).order_by("user_name"))
    assert all(user.user_name in text_of(browser, page(removal, "let_in")) for user in out)
    assert "5 people are in again" in post(browser, page(removal, "let_in"), people=[str(u.pk) for u in out[1:]])
    assert not User.objects.get(pk=out[0].pk).is_active
    assert Grant.objects.filter(user=out[1], ended_at=None).exists()
    assert "1 rotation begins now" in post(browser, page(removal, "confirm"))
    assert RotationJob.objects.live().count() == 1


def test_only_who_left_with_it_is_let_in(acme: Company, rival: Company, removal: MassRemoval) -> None:
    safeguard.cancel(removal, actor=TESTS)
    leave(rival.member)
    shown = post(acme.browser(), page(removal, "let_in"), people=[str(rival.member.pk)])
    assert "Select a valid choice" in shown
    rival.member.refresh_from_db()
    assert not rival.member.is_active


def test_the_safeguard_is_set_per_workspace(acme: Company, rival: Company) -> None:
    wanted = {
        "rotate_on_access_loss": "all", "mass_removal_people": 3, "mass_removal_percent": 50,
        "mass_removal_window_minutes": 30, "mass_removal_hold_minutes": 15,
    }  # fmt: skip
    post(acme.browser(), page(acme.workspace, "guard"), **wanted)
    acme.workspace.refresh_from_db()
    assert {name: getattr(acme.workspace, name) for name in wanted} == wanted
    assert AuditEvent.objects.get(verb="workspace.configured").detail == wanted
    post(acme.browser(), page(acme.workspace, "guard"), **wanted)
    assert AuditEvent.objects.filter(verb="workspace.configured").count() == 1
    for wrong in ({"mass_removal_percent": 101}, {"mass_removal_people": 0}, {"mass_removal_hold_minutes": 0}):
        post(acme.browser(), page(acme.workspace, "guard"), **{**wanted, **wrong})
    assert Workspace.objects.get(pk=acme.workspace.pk).mass_removal_hold_minutes == 15
    assert Workspace.objects.get(pk=rival.workspace.pk).rotate_on_access_loss == RotationPolicy.PRIVILEGED
