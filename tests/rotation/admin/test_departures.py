"""What an Owner does in the console about those who leave: preview, live progress, orphans, removals, returns."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from rotation.departures import safeguard, triggers
from rotation.models import AccessLoss, Exposure, MassRemoval, Offboarding, Orphan, RotationJob
from tests.companies import TESTS, Company
from tests.console_world import support, text_of
from tests.rotation.leaving import leave, many_accounts, many_people, owned, rotated
from tests.workspace.test_admin_acts import page, post
from workspace import access, accounts, people, teams
from workspace.crypto import Secret
from workspace.models import AuditEvent, Grant, GrantRole, RotationPolicy, TeamMembership, User, Workspace

pytestmark = pytest.mark.django_db

ORPHANS = "/admin/rotation/orphan/"


def act_text(company: Company, path: str) -> str:
    return " ".join(company.browser().get(path).context["act"].text)


# Before: the preview


def test_the_preview_says_who_changes_what_and_how_long_it_takes(acme: Company) -> None:
    database = accounts.create(
        acme.workspace, "Database", actor=TESTS, password=Secret("x"), connector="postgres", username="app",
        target={"host": "db.example"}, is_privileged=True,
    )  # fmt: skip
    access.grant(database, acme.member, actor=TESTS, role=GrantRole.OWNER)
    shown = act_text(acme, page(acme.member, "offboard"))
    assert "Passwords they could have known: 2. Changed by themselves: 1. Waiting for a person: 1." in shown
    assert "nothing of this kind was rotated here yet" in shown
    rotated(acme, database, seconds=4)
    assert "Judged by past rotations, that takes about 4.0 s." in act_text(acme, page(acme.member, "offboard"))
    shown = text_of(acme.browser(), page(acme.member, "offboard"))
    assert "4.0 s (1 past rotation)" in shown
    assert "Only Owner" in shown
    assert "Accounts nobody else owns" in shown
    assert "who owns the workspace" in shown


def test_a_preview_of_very_many_accounts_shows_some_and_counts_all(acme: Company) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 300, busy)
    context = acme.browser().get(page(busy, "offboard")).context
    known = next(section for section in context["act"].sections if section.title.startswith("Passwords"))
    assert (len(known.rows), known.note) == (200, "The first 200 of 300 by name.")


# During: live progress


def test_an_open_offboarding_keeps_itself_up_to_date_and_ends(acme: Company) -> None:
    done = leave(acme.member)
    shown = text_of(acme.browser(), page(done))
    assert "console/live.js" in shown
    assert '<noscript><meta http-equiv="refresh"' in shown

    def part() -> str:
        return str(acme.browser().get(page(done), headers={"X-Live": "1"}).content.decode())

    middle = part()
    assert "<html" not in middle
    assert "0 of 1 passwords are dealt with." in middle
    assert "data-live" in middle
    post(acme.browser(), page(RotationJob.objects.get(), "changed_by_hand"), password="entered-by-hand-1")  # queued
    RotationJob.objects.update(state="needs_human", resume_state="queued")
    post(acme.browser(), page(RotationJob.objects.get(), "changed_by_hand"), password="entered-by-hand-1")
    assert "data-live" not in part()
    assert page(done, "certificate") in part()
    assert "live.js" not in text_of(acme.browser(), page(done))


def test_the_middle_of_anothers_offboarding_does_not_exist(acme: Company, rival: Company) -> None:
    done = leave(rival.member)
    answer = acme.browser().get(page(done), headers={"X-Live": "1"})
    assert answer.status_code == 302


def test_progress_shows_follow_ups_and_what_is_left_without_an_owner(acme: Company) -> None:
    owned(acme, "Alone", acme.member)
    done = leave(acme.member)
    RotationJob.objects.filter(account__name="Alone").update(follow_ups=["API keys live on."], state="done")
    job = RotationJob.objects.get(account__name="Alone")
    Exposure.objects.filter(account__name="Alone").update(
        closed_at=timezone.now(), outcome="proved_dead", closed_by=job
    )
    shown = text_of(acme.browser(), page(done))
    assert "API keys live on." in shown
    assert page(Orphan.objects.get()) in shown
    assert "1 of 2" in shown


def test_a_page_of_very_many_exposures_stays_small(acme: Company, django_assert_max_num_queries: Any) -> None:
    busy = acme.person("busy")
    many_accounts(acme, 300, busy, role=GrantRole.COLLABORATOR)
    done = leave(busy)
    browser = acme.browser()
    with django_assert_max_num_queries(14):
        sections = browser.get(page(done)).context["detail"].sections
    assert (len(sections[0].rows), sections[0].note) == (200, "200 of 300, those that are open first.")


# Orphans


def orphaned(company: Company, *names: str) -> list[Orphan]:
    for name in names:
        owned(company, name, company.member)
    leave(company.member)
    return list(Orphan.objects.for_workspace(company.workspace).order_by("account__name"))


def test_the_queue_shows_what_waits_with_a_suggestion(
    acme: Company, rival: Company, django_assert_max_num_queries: Any
) -> None:
    first, _ = orphaned(acme, "One", "Two")
    orphaned(rival, "Theirs")
    browser = acme.browser()
    with django_assert_max_num_queries(12):
        shown = browser.get(ORPHANS).content.decode()
    assert "Owner Person</a>, who owns the workspace" in shown
    assert "Theirs" not in shown
    post(browser, page(first, "confirm"), successor=str(acme.owner.pk))
    for query, number in (("", 1), ("?state=settled", 1), ("?state=all", 2), ("?q=Two", 1)):
        assert browser.get(f"{ORPHANS}{query}").context["cl"].result_count == number


def test_an_owner_names_somebody_else(acme: Company) -> None:
    orphan, = orphaned(acme, "One")
    other = acme.person("other")
    shown = text_of(acme.browser(), page(orphan, "confirm"))
    assert "is suggested, who owns the workspace" in shown
    post(acme.browser(), page(orphan, "confirm"), successor=str(other.pk))
    assert access.live_grants(other, orphan.account).get().role == GrantRole.OWNER
    assert "has an Owner again" in post(acme.browser(), page(orphan, "confirm"), successor=str(acme.owner.pk))


@pytest.mark.parametrize("who", ["rival", "disabled"])
def test_a_successor_is_one_of_ones_own_with_access(acme: Company, rival: Company, who: str) -> None:
    orphan, = orphaned(acme, "One")
    stranger = rival.member if who == "rival" else acme.member
    assert "Select a valid choice" in post(acme.browser(), page(orphan, "confirm"), successor=str(stranger.pk))
    assert Orphan.objects.get().settled_at is None


def test_suggestions_are_confirmed_together_through_a_page_that_names_them(acme: Company, rival: Company) -> None:
    one, two, _ = orphaned(acme, "One", "Three", "Two")
    orphaned(rival, "Theirs")
    path = reverse("admin:rotation_orphan_confirm_many")
    shown = text_of(acme.browser(), path)
    assert shown.count(" → Owner Person (owner@acme.example), who owns the workspace") == 3
    assert "Theirs" not in shown
    chosen = [f"{orphan.pk}:{acme.owner.pk}" for orphan in (one, two)]
    assert "2 accounts have an Owner again" in post(acme.browser(), path, orphans=chosen)
    assert [orphan.account.name for orphan in Orphan.objects.filter(settled_at=None, workspace=acme.workspace)] == [
        "Two"
    ]


def test_what_was_shown_is_what_is_done(acme: Company, rival: Company) -> None:
    """A suggestion that changed meanwhile, somebody nobody suggested, and another's orphan are no choices."""
    orphan, = orphaned(acme, "One")
    theirs, = orphaned(rival, "Theirs")
    manager = acme.person("manager")
    path = reverse("admin:rotation_orphan_confirm_many")
    assert f"{orphan.pk}:{acme.owner.pk}" in text_of(acme.browser(), path)
    access.grant(orphan.account, manager, actor=TESTS, role=GrantRole.MANAGER)
    for value in (f"{orphan.pk}:{acme.owner.pk}", f"{theirs.pk}:{rival.owner.pk}", "nonsense"):
        assert "Select a valid choice" in post(acme.browser(), path, orphans=[value])
    assert not Orphan.objects.filter(settled_at__isnull=False).exists()


def test_platform_staff_confirm_for_several_workspaces(acme: Company, rival: Company) -> None:
    mine, = orphaned(acme, "One")
    theirs, = orphaned(rival, "Theirs")
    chosen = [f"{mine.pk}:{acme.owner.pk}", f"{theirs.pk}:{rival.owner.pk}"]
    post(acme.browser(support()), reverse("admin:rotation_orphan_confirm_many"), orphans=chosen)
    assert set(Orphan.objects.values_list("account__name", "successor")) == {
        ("One", acme.owner.pk), ("Theirs", rival.owner.pk),
    }  # fmt: skip


def test_an_empty_queue_says_so(acme: Company) -> None:
    assert "Nothing waits here" in text_of(acme.browser(), reverse("admin:rotation_orphan_confirm_many"))
    assert "waits here for you to confirm" in text_of(acme.browser(), ORPHANS)


# A removal of many people


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
    assert "6 password(s) are known to people who are not in again" in shown
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


# Access that is lost without leaving


def test_what_an_owner_takes_in_the_console_sets_off_the_same(acme: Company, settings: Any) -> None:
    settings.ACCESS_LOSS_SECONDS = 0
    shown = text_of(acme.browser(), page(acme.team, "remove_member"))
    assert "is changed soon after, as this workspace has it: privileged accounts" in shown
    post(acme.browser(), page(acme.team, "remove_member"), members=str(acme.member.pk))
    triggers.settle_due()
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


# After: disabled people, and those who come back


def test_the_list_of_the_disabled_says_what_became_of_them(
    acme: Company, rival: Company, django_assert_max_num_queries: Any
) -> None:
    owned(acme, "Alone", acme.member)
    leave(acme.member)
    leave(rival.member)
    browser = acme.browser()
    with django_assert_max_num_queries(12):
        shown = browser.get("/admin/workspace/user/?state=disabled").content.decode()
    for text in ("Grants ended", "Passwords dealt with", "0 of 2", "kept"):
        assert text in shown
    assert "rival" not in shown.lower()


def test_a_disabled_persons_page_says_when_by_whom_what_ended_and_what_is_kept(acme: Company) -> None:
    owned(acme, "Alone", acme.member)
    access.reveal(acme.account, acme.member, actor=TESTS)
    leave(acme.member)
    context = acme.browser().get(page(acme.member)).context["detail"]
    facts = {fact.label: str(fact.value) for fact in context.facts}
    assert facts["Grants ended"] == "1"
    assert "0 of 2" in facts["Passwords dealt with"]
    assert page(Offboarding.objects.get()) in facts["Offboarding"]
    data = next(section for section in context.sections if section.title == "Data still here")
    assert ["Times they saw or typed a password", 1] in data.rows


def test_an_owner_asks_support_for_deletion(acme: Company) -> None:
    assert "still has access" in post(acme.browser(), page(acme.member, "ask_deletion"))
    leave(acme.member)
    post(acme.browser(), page(acme.member, "ask_deletion"))
    assert AuditEvent.objects.get(verb="person.deletion_asked").actor_id == acme.owner.pk
    staff = acme.browser(support())
    assert staff.get("/admin/workspace/user/?deletion=asked").context["cl"].result_count == 1
    assert "Deletion asked for" in text_of(acme.browser(), page(acme.member))
    people.purge(User.objects.get(pk=acme.member.pk), actor=TESTS)
    assert staff.get("/admin/workspace/user/?deletion=asked").context["cl"].result_count == 0


def test_support_is_told_of_a_deletion_by_mail_that_names_nobody(acme: Company, settings: Any, mailoutbox: Any) -> None:
    settings.SUPPORT_EMAIL, settings.SENDS_MAIL = "support@platform.example", True
    leave(acme.member)
    assert "support@platform.example" in act_text(acme, page(acme.member, "ask_deletion"))
    assert "was told by mail" in post(acme.browser(), page(acme.member, "ask_deletion"))
    (mail,) = mailoutbox
    assert mail.to == ["support@platform.example"]
    assert f"purge_user acme {acme.member.pk}" in mail.body
    for personal in ("member", "Member"):
        assert personal not in mail.body + mail.subject


def test_a_page_says_that_nobody_is_mailed(acme: Company, settings: Any, mailoutbox: Any) -> None:
    settings.SUPPORT_EMAIL = ""
    leave(acme.member)
    assert "mails nobody about it" in act_text(acme, page(acme.member, "ask_deletion"))
    assert "was not told by mail" in post(acme.browser(), page(acme.member, "ask_deletion"))
    assert mailoutbox == []
    assert AuditEvent.objects.filter(verb="person.deletion_asked").exists()


def test_a_mail_server_that_is_away_undoes_nothing(
    acme: Company, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    settings.SUPPORT_EMAIL, settings.SENDS_MAIL = "support@platform.example", True
    monkeypatch.setattr("django.core.mail.EmailMessage.send", away)
    leave(acme.member)
    assert "was not told by mail" in post(acme.browser(), page(acme.member, "ask_deletion"))
    assert AuditEvent.objects.filter(verb="person.deletion_asked").exists()


def test_what_a_returning_person_had_is_given_back_in_one_act(acme: Company, rival: Company) -> None:
    mine = [owned(acme, name, acme.member) for name in ("One", "Two")]
    leave(acme.member)
    assert "Reactivate them first" in post(acme.browser(), page(acme.member, "restore"))
    people.reactivate(acme.member, actor=TESTS)
    assert page(acme.member, "restore") in text_of(acme.browser(), page(acme.member))
    shown = text_of(acme.browser(), page(acme.member, "restore"))
    assert "One: Owner, privileged" in shown
    assert "Teams are the identity provider&#x27;s business" in shown
    for forged in (str(acme.account.pk), str(rival.account.pk)):
        assert "Select a valid choice" in post(acme.browser(), page(acme.member, "restore"), accounts=[forged])
    assert "1 of their accounts back" in post(
        acme.browser(), page(acme.member, "restore"), accounts=[str(mine[0].pk)]
    )
    assert set(Grant.objects.filter(user=acme.member, ended_at=None).values_list("account__name", flat=True)) == {"One"}
    assert not TeamMembership.objects.filter(user=acme.member, left_at=None).exists()


def test_who_never_left_is_offered_nothing_back(acme: Company) -> None:
    assert page(acme.member, "restore") not in text_of(acme.browser(), page(acme.member))
    assert "nothing to give back" in post(acme.browser(), page(acme.member, "restore"))


def test_a_removal_from_a_pushed_team_is_not_done_here(acme: Company) -> None:
    teams.update(
        acme.team, actor=TESTS, display_name="Operations", external_id="", attributes={}, managed=True
    )
    assert "Okta manages this team" in post(acme.browser(), page(acme.team, "remove_member"))
    assert not AccessLoss.objects.exists()
