"""What an Owner does in the console about a removal of many people."""

import pytest
from django.utils import timezone

from rotation.departures import guests, offboarding, safeguard
from rotation.models import MassRemoval, Offboarding, RotationJob
from tests.companies import TESTS, Company
from tests.console_world import text_of
from tests.rotation.leaving import leave, many_people, owned
from tests.workspace.test_admin_acts import page, post
from workspace.audit import Actor
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


# Whom to let in again


@pytest.fixture
def called_off(acme: Company, removal: MassRemoval) -> MassRemoval:
    """Six people left by their provider, one was offboarded by the Owner, one guest's time was over."""
    by_hand, guest = acme.person("by-hand"), acme.person("guest")
    offboarding.offboard(by_hand, actor=Actor.person(acme.owner), cause="Dismissed")
    offboarding.offboard(guest, actor=guests.EXPIRY, cause=guests.EXPIRED)
    safeguard.cancel(removal, actor=TESTS)
    return MassRemoval.objects.get()


def boxes(company: Company, removal: MassRemoval, tick: str = "") -> dict[str, bool]:
    """The words beside each box, and whether it is ticked."""
    answer = company.browser().get(page(removal, "let_in"), {"tick": tick} if tick else {})
    field = answer.context["form"]["people"]
    return {str(box.choice_label): box.data["selected"] for box in field.subwidgets}


def test_whom_an_owner_offboarded_by_hand_comes_first_and_is_not_ticked(
    acme: Company, called_off: MassRemoval
) -> None:
    found = boxes(acme, called_off)
    left_alone = [text for text, ticked in found.items() if not ticked]
    assert list(found)[:2] == left_alone
    assert len(found) == 8
    first, second = left_alone
    by_owner = "Not ticked, decided by owner@acme.example: By-Hand Person (by-hand@acme.example), left 20"
    assert first.startswith(by_owner)
    assert first.endswith(" UTC: Dismissed")
    assert second.startswith("Not ticked, decided by Guest expiry: ")
    facts = {fact.label: fact.value for fact in acme.browser().get(page(called_off)).context["detail"].facts}
    assert (facts["People by now"], facts["Still out"]) == (8, 8)


def test_all_or_none_are_ticked_without_a_script_too(acme: Company, called_off: MassRemoval) -> None:
    assert all(boxes(acme, called_off, "all").values())
    assert not any(boxes(acme, called_off, "none").values())
    shown = text_of(acme.browser(), page(called_off, "let_in"))
    assert "console/ticks.js" in shown
    assert 'href="?tick=none"' in shown
    assert "&lt;" not in shown


def test_who_left_twice_is_counted_once(acme: Company, called_off: MassRemoval) -> None:
    somebody = User.objects.get(user_name="p0000@acme.example")
    Offboarding.objects.create(
        workspace=acme.workspace, user=somebody, cause="again", actor=TESTS.to_json(), hold=called_off
    )
    facts = {fact.label: fact.value for fact in acme.browser().get(page(called_off)).context["detail"].facts}
    assert (facts["People by now"], facts["Still out"]) == (8, 8)
    assert len(boxes(acme, called_off)) == 8


def test_more_people_than_a_form_usually_has_are_let_in_at_once(acme: Company, called_off: MassRemoval) -> None:
    many = many_people(acme, 1_100, start=1000)
    User.objects.filter(pk__in=[user.pk for user in many]).update(is_active=False, deactivated_at=timezone.now())
    Offboarding.objects.bulk_create(
        Offboarding(workspace=acme.workspace, user=user, cause="x", actor=TESTS.to_json(), hold=called_off)
        for user in many
    )
    shown = post(acme.browser(), page(called_off, "let_in"), people=[str(user.pk) for user in many])
    assert "1100 people are in again" in shown


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
