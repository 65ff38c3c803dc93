"""What an Owner does in the console to people, teams, grants and the audit log: each act does what its verb does."""

from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import pages, support, text_of
from workspace import access, audit, deactivation, invitations, people, pseudonymisation, teams
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.models import AuditEvent, Grant, Role, Team, TeamMembership, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db


def page(obj: Any, act: str = "change") -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{act}", args=[obj.pk])


def post(browser: Client, path: str, **data: Any) -> str:
    """The page that is shown in the end."""
    answer = browser.post(path, data, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def local_person(company: Company, name: str = "guest") -> User:
    profile = Profile(f"{name}@{company.workspace.slug}.example", given_name=name.title())
    return people.provision(company.workspace, profile, actor=TESTS, managed=False)


def test_every_act_there_is_has_a_test() -> None:
    """One that is added is listed here together with its test."""
    every = ("_changelist", "_add", "_change", "_history", "_delete", "_csv")
    acts = {name for name in pages() if name.startswith(("workspace_", "rotation_", "scim_"))}
    assert {name for name in acts if not name.endswith(every)} == {
        "rotation_massremoval_cancel",
        "rotation_massremoval_confirm",
        "rotation_massremoval_let_in",
        "rotation_offboarding_certificate",
        "rotation_offboarding_certificate_file",
        "rotation_orphan_confirm",
        "rotation_orphan_confirm_many",
        "rotation_rotationjob_accept_risk",
        "rotation_rotationjob_changed_by_hand",
        "rotation_rotationjob_retry",
        "rotation_rotationjob_targets_word",
        "rotation_rotationjob_use_admin",
        "rotation_rotationjob_withdraw_risk",
        "scim_scimtoken_claim",
        "scim_scimtoken_regenerate",
        "scim_scimtoken_revoke",
        "workspace_account_adopt",
        "workspace_account_authenticator",
        "workspace_account_check_now",
        "workspace_account_edit",
        "workspace_account_forget_authenticator",
        "workspace_account_grant",
        "workspace_account_password",
        "workspace_account_reset",
        "workspace_account_rotate",
        "workspace_account_rotate_many",
        "workspace_auditevent_export",
        "workspace_auditevent_verify",
        "workspace_delivery_send_again",
        "workspace_grant_end",
        "workspace_grant_expiry",
        "workspace_grant_role",
        "workspace_notice_settle",
        "workspace_team_add_member",
        "workspace_team_remove_member",
        "workspace_team_rename",
        "workspace_user_ask_deletion",
        "workspace_user_edit",
        "workspace_user_end_sessions",
        "workspace_user_guest",
        "workspace_user_invite",
        "workspace_user_offboard",
        "workspace_user_reactivate",
        "workspace_user_reset_second_factor",
        "workspace_user_restore",
        "workspace_user_role",
        "workspace_webhookendpoint_disable",
        "workspace_webhookendpoint_edit",
        "workspace_webhookendpoint_enable",
        "workspace_webhookendpoint_rotate",
        "workspace_webhookendpoint_test",
        "workspace_workspace_configure",
        "workspace_workspace_guard",
        "workspace_workspace_limit_hosts",
        "workspace_workspace_notifications",
        "workspace_workspace_schedule",
    }  # fmt: skip


def test_looking_at_a_page_changes_nothing(acme: Company) -> None:
    events = AuditEvent.objects.count()
    for act in ("change", "edit", "role", "invite", "reactivate", "offboard"):
        acme.browser().get(page(acme.member, act))
    assert AuditEvent.objects.count() == events


# People


def test_the_list_shows_who_was_disabled_when_and_by_whom(acme: Company) -> None:
    by_owner, by_okta = acme.person("one"), acme.person("two")
    deactivation.deactivate(by_owner, actor=Actor.person(acme.owner), reason="left")
    deactivation.deactivate(by_okta, actor=Actor("token", None, "Okta production"), reason="left")
    shown = text_of(acme.browser(), "/admin/workspace/user/?state=disabled")
    assert "by owner@acme.example" in shown
    assert "by Okta production (SCIM token)" in shown
    assert "member@acme.example" not in shown
    assert "one@acme.example" not in text_of(acme.browser(), "/admin/workspace/user/?state=active")


def test_support_staff_are_not_named_to_a_customer(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=Actor.person(support()), reason="asked to")
    for path in ("/admin/workspace/user/", page(acme.member), "/admin/workspace/auditevent/"):
        shown = text_of(acme.browser(), path)
        assert "Cerby support" in shown
        assert "platform.example" not in shown


def test_people_are_found_by_state_role_and_source(acme: Company) -> None:
    guest = local_person(acme)
    invitations.invite(guest, actor=TESTS)
    for query, expected in (
        ("state=invited", {guest}), ("managed=local", {guest}), ("role=owner", {acme.owner}),
        ("managed=okta&role=member", {acme.member}), ("q=GUEST", {guest}), ("state=deleted", set()),
    ):  # fmt: skip
        answer = acme.browser().get(f"/admin/workspace/user/?{query}")
        assert set(answer.context["cl"].queryset) == expected
    assert "Invited" in text_of(acme.browser(), page(guest))


def test_deleted_people_are_listed_only_when_asked_for(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    pseudonymisation.pseudonymise(acme.member, actor=TESTS)
    assert "purged-" not in text_of(acme.browser(), "/admin/workspace/user/")
    assert "purged-" in text_of(acme.browser(), "/admin/workspace/user/?state=deleted")
    assert "deleted for good" in text_of(acme.browser(), page(acme.member))


def test_a_persons_page_says_what_they_use_saw_and_where_they_were(acme: Company) -> None:
    access.grant(acme.account, acme.member, actor=TESTS)
    access.reveal(acme.account, acme.member, actor=Actor.person(acme.member))
    sections = {section.title: section for section in acme.browser().get(page(acme.member)).context["detail"].sections}
    assert [row[1] for row in sections["Accounts they can use"].rows][1] == "directly"
    assert "Operations" in sections["Accounts they can use"].rows[0][1]
    assert sections["Passwords they looked at"].rows[0][1] == "version 1"
    assert "Operations" in sections["Teams"].rows[0][0]
    assert "Person added" in {row[1] for row in sections["History"].rows}


def test_a_local_person_is_added_and_edited(acme: Company) -> None:
    fields = {"user_name": "new@acme.example", "email": "new@acme.example", "given_name": "New"}
    post(acme.browser(), "/admin/workspace/user/add/", **fields)
    user = User.objects.get(user_name="new@acme.example")
    assert (user.workspace, user.provisioned_at, user.role) == (acme.workspace, None, Role.MEMBER)

    post(acme.browser(), page(user, "edit"), **{**fields, "given_name": "Newer"})
    user.refresh_from_db()
    assert user.given_name == "Newer"
    event = AuditEvent.objects.filter(subject_id=user.pk).latest("id")
    assert (event.verb, event.actor_id) == ("person.updated", acme.owner.pk)


def test_what_the_verb_refuses_is_said_on_the_page(acme: Company) -> None:
    shown = post(acme.browser(), "/admin/workspace/user/add/", user_name="MEMBER@acme.example", given_name="Twice")
    assert "belongs to another person in this workspace" in shown
    assert 'value="Twice"' in shown
    assert User.objects.filter(workspace=acme.workspace).count() == 2


def test_a_managed_profile_is_not_edited_here(acme: Company) -> None:
    shown = post(acme.browser(), page(acme.member, "edit"), user_name="taken@acme.example")
    assert "Okta manages this profile" in shown
    acme.member.refresh_from_db()
    assert acme.member.user_name == "member@acme.example"


def test_a_role_is_changed(acme: Company) -> None:
    post(acme.browser(), page(acme.member, "role"), role="owner")
    acme.member.refresh_from_db()
    assert acme.member.role == Role.OWNER


def test_nobody_changes_their_own_role(acme: Company) -> None:
    assert "cannot change your own role" in post(acme.browser(), page(acme.owner, "role"), role="member")
    acme.owner.refresh_from_db()
    assert acme.owner.role == Role.OWNER


def test_a_person_is_reactivated_empty_handed(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert "Nothing they had comes back" in text_of(acme.browser(), page(acme.member, "reactivate"))
    post(acme.browser(), page(acme.member, "reactivate"))
    acme.member.refresh_from_db()
    assert acme.member.is_active
    assert not TeamMembership.objects.filter(user=acme.member, left_at=None).exists()


def test_an_invitation_link_is_shown_once_and_works(acme: Company, settings: Any) -> None:
    guest = local_person(acme)
    answer = acme.browser().post(page(guest, "invite"), {"proof": PASSWORD})
    link = answer.context["secret"]
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert link.startswith(f"{settings.BASE_URL}/invitation/{guest.pk}/")
    assert invitations.accept(guest.pk, link.rstrip("/").rpartition("/")[2], Secret(PASSWORD)) == guest
    assert link not in text_of(acme.browser(), page(guest)) + text_of(acme.browser(), page(guest, "invite"))


@pytest.mark.parametrize("proof", [{}, {"proof": ""}, {"proof": "not my password"}])
def test_an_invitation_link_asks_for_a_proof(acme: Company, proof: dict[str, str]) -> None:
    guest, browser = local_person(acme), acme.browser()
    assert 'name="proof"' in text_of(browser, page(guest, "invite"))
    assert "secret" not in (browser.post(page(guest, "invite"), proof).context or {})
    assert not AuditEvent.objects.filter(verb="person.invited").exists()


def test_a_disabled_person_is_not_invited(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert "has no access and cannot be invited" in post(acme.browser(), page(acme.member, "invite"), proof=PASSWORD)
    assert not AuditEvent.objects.filter(verb="person.invited").exists()


def test_platform_staff_say_in_which_workspace_they_add(acme: Company, rival: Company) -> None:
    browser = acme.browser(support())
    post(browser, "/admin/workspace/team/add/", workspace=str(rival.workspace.pk), display_name="Support's")
    assert Team.objects.get(display_name="Support's").workspace == rival.workspace
    assert "required" in post(browser, "/admin/workspace/team/add/", display_name="Nobody's")


# Teams


def test_a_local_team_is_made_renamed_and_its_members_changed(acme: Company) -> None:
    post(acme.browser(), "/admin/workspace/team/add/", display_name="Night shift")
    team = Team.objects.get(display_name="Night shift")
    assert (team.workspace, team.provisioned_at) == (acme.workspace, None)

    post(acme.browser(), page(team, "rename"), display_name="Day shift")
    post(acme.browser(), page(team, "add_member"), members=str(acme.member.pk))
    team.refresh_from_db()
    assert team.display_name == "Day shift"
    assert TeamMembership.objects.filter(team=team, user=acme.member, left_at=None).exists()

    post(acme.browser(), page(team, "remove_member"), members=str(acme.member.pk))
    assert TeamMembership.objects.get(team=team).left_at is not None


def test_a_managed_team_is_read_only(acme: Company) -> None:
    team = teams.create(acme.workspace, "Pushed", actor=TESTS, managed=True)
    teams.add_members(team, [acme.member.pk], actor=TESTS)
    for act in ("rename", "add_member", "remove_member"):
        shown = post(acme.browser(), page(team, act), display_name="x", members=str(acme.owner.pk))
        assert "Okta manages this team" in shown
        assert page(team, act) not in text_of(acme.browser(), page(team))
    team.refresh_from_db()
    assert team.display_name == "Pushed"
    assert list(TeamMembership.objects.filter(team=team, left_at=None).values_list("user", flat=True)) == [
        acme.member.pk
    ]


def test_a_teams_page_lists_members_and_accounts(acme: Company) -> None:
    sections = {section.title: section for section in acme.browser().get(page(acme.team)).context["detail"].sections}
    assert sections["Members"].rows[0][1] == "member@acme.example"
    assert "Okta" in sections["Members"].rows[0][2]
    assert "Router" in sections["Accounts its members can use"].rows[0][0]


def test_a_team_says_when_a_push_last_changed_it(acme: Company) -> None:
    pushed = teams.create(acme.workspace, "Pushed", actor=TESTS, managed=True)
    assert "none seen yet" in text_of(acme.browser(), page(pushed))
    assert "Last change by push" not in text_of(acme.browser(), page(acme.team))
    teams.add_members(pushed, [acme.member.pk], actor=Actor("token", None, "Okta"))
    assert "none seen yet" not in text_of(acme.browser(), page(pushed))
    rows = acme.browser().get("/admin/workspace/team/").context["cl"].result_list
    assert {team.display_name: team.pushed_at is not None for team in rows} == {"Operations": False, "Pushed": True}


# Grants


def test_a_guest_is_given_access_with_a_last_day(acme: Company) -> None:
    day = timezone.now().date() + timedelta(days=9)
    given = {"user": str(acme.owner.pk), "role": "collaborator"}
    assert "in the past" in post(acme.browser(), page(acme.account, "grant"), **given, last_day="2020-01-01")
    assert f"until {day + timedelta(days=1)} 00:00 UTC" in post(
        acme.browser(), page(acme.account, "grant"), **given, last_day=day.isoformat()
    )
    grant = Grant.objects.get(user=acme.owner)
    assert grant.expires_at is not None
    assert grant.expires_at.date() == day + timedelta(days=1)
    for path in (page(acme.account), page(acme.owner), "/admin/workspace/grant/"):
        assert grant.expires_at.isoformat() in text_of(acme.browser(), path)
    found = acme.browser().get("/admin/workspace/grant/?state=guest").context["cl"]
    assert list(found.queryset) == [grant]


def test_a_grant_is_ended_with_its_reason(acme: Company) -> None:
    post(acme.browser(), page(acme.grant, "end"), reason="Project over")
    acme.grant.refresh_from_db()
    assert acme.grant.ended_at is not None
    assert acme.grant.end_reason == "Project over"
    assert "Project over" in text_of(acme.browser(), page(acme.grant))


def test_grants_are_listed_by_state(acme: Company) -> None:
    access.end(acme.grant, actor=TESTS, reason="over")
    other = access.grant(acme.account, acme.member, actor=TESTS)
    for query, expected in (("state=live", other), ("state=ended", acme.grant)):
        answer = acme.browser().get(f"/admin/workspace/grant/?{query}")
        assert list(answer.context["cl"].queryset) == [expected]
    assert Grant.objects.count() == 2


# The audit log


def test_the_chain_is_verified(acme: Company) -> None:
    assert "The chain holds" in post(acme.browser(), "/admin/workspace/auditevent/verify/")


def test_a_broken_chain_is_said(acme: Company) -> None:
    while audit.seal(acme.workspace):
        pass
    event = AuditEvent.objects.filter(workspace=acme.workspace).earliest("id")
    with pgtrigger.ignore():  # as somebody with the database's password could
        AuditEvent.objects.filter(pk=event.pk).update(verb="nothing.happened")
    assert f"broken at event {event.pk}" in post(acme.browser(), "/admin/workspace/auditevent/verify/")


def test_the_log_is_filtered_by_subject_and_actor(acme: Company) -> None:
    audit.record(
        acme.workspace, Verb.PERSON_DELISTED, acme.member, actor=Actor.person(acme.owner), since=str(timezone.now())
    )
    for query in ("about=person&by=person", f"subject_id__exact={acme.member.pk}&by=person", "q=delisted"):
        answer = acme.browser().get(f"/admin/workspace/auditevent/?{query}")
        assert [event.verb for event in answer.context["cl"].queryset] == ["person.delisted"]


# The workspace


def test_an_owner_decides_what_a_departure_rotates_and_who_makes_owners(acme: Company, rival: Company) -> None:
    path = page(acme.workspace, "configure")
    assert "Privileged accounts" in text_of(acme.browser(), path)
    shown = post(acme.browser(), path, rotation_policy="all", provider_assigns_owner="on")
    assert "in force from now on" in shown
    acme.workspace.refresh_from_db()
    assert (acme.workspace.rotation_policy, acme.workspace.provider_assigns_owner) == ("all", True)
    post(acme.browser(), path, rotation_policy="all", provider_assigns_owner="on")
    assert AuditEvent.objects.filter(verb="workspace.configured").count() == 1
    post(acme.browser(), page(rival.workspace, "configure"), rotation_policy="none")
    rival.workspace.refresh_from_db()
    assert rival.workspace.rotation_policy == "privileged"


def test_an_owner_makes_no_link_to_another_owners_account(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    shown = post(acme.browser(), page(second, "invite"), proof=PASSWORD)
    assert "password of their own" in shown
    assert not AuditEvent.objects.filter(verb="person.invited").exists()
    own = acme.browser().post(page(acme.owner, "invite"), {"proof": PASSWORD})
    assert "/invitation/" in own.context["secret"]
