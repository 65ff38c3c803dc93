"""The support desk's commands: what they share, those on the workspace, and that none reaches another customer."""

import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from cerby.environment import ROOT
from rotation.models import MassRemoval
from tests.authenticator import Authenticator
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import everything_of, populate
from tests.terminal import our_commands, run, support_commands
from tests.waiting import PATIENCE
from tests.workspace import strangers
from workspace import audit, deactivation, people
from workspace.commands import WorkspaceCommand
from workspace.models import AuditEvent, Role, User, Workspace
from workspace.people import Profile

pytestmark = pytest.mark.django_db

# For each command: arguments that name acme and mean something of rival's.
Reach = Callable[[Company], tuple[object, ...]]
TOWARDS_RIVAL: dict[str, Reach] = {
    "create_workspace": lambda rival: ("Rival", "--slug", "rival"),
    "set_workspace_owner": lambda rival: ("acme", rival.member.id),
    "reset_second_factor": lambda rival: ("acme", rival.member.id),
    "verify_audit": lambda rival: ("acme",),
    "export_audit": lambda rival: ("acme",),
    "workspace_status": lambda rival: ("acme",),
    "purge_workspace": lambda rival: ("acme", "--yes", "--despite-people"),
    "offboarding_certificate": lambda rival: ("acme", rival.member.id),
    "verify_certificate": lambda rival: ("certificate-of-rival.json",),
    "offboard": lambda rival: ("acme", rival.member.id, "--cause", "x"),
    "purge_user": lambda rival: ("acme", rival.member.id, "--yes", "--despite-exposures"),
    "explain_access": lambda rival: ("acme", rival.member.id, "Router"),
    "orphans": lambda rival: ("acme", "--account", "Of rival alone", "--confirm"),
    "removals": lambda rival: ("acme", "--answer", "confirm"),
    "retry_rotations": lambda rival: ("acme", "--account", "Of rival alone"),
    "rotate": lambda rival: ("acme", "Of rival alone"),
    "issue_scim_token": lambda rival: ("acme", "--label", "x", "--show-token"),
    "scim_doctor": lambda rival: ("acme",),
    "prune": lambda rival: ("--days", "1"),
    "connectors": lambda rival: (),
    "verify_accounts": lambda rival: ("acme",),
    "regenerate_scim_token": lambda rival: (
        "acme", strangers.everything(rival)["ScimToken"][0]["id"], "--owner", rival.owner.id,
    ),
    "revoke_scim_token": lambda rival: ("acme", strangers.everything(rival)["ScimToken"][0]["id"]),
}
# These name nobody, so they succeed and stay at home; prune keeps what is younger than its days, whosever it is.
WITHIN_ACME = {
    "connectors",
    "export_audit",
    "issue_scim_token",
    "prune",
    "purge_workspace",
    "verify_accounts",
    "verify_audit",
    "workspace_status",
}


def removal_of(company: Company) -> UUID:
    return MassRemoval.objects.for_workspace(company.workspace).get().pk


# What takes something away, or acts for a customer, with arguments that mean something of acme's.
DESTRUCTIVE: dict[str, Reach] = {
    "offboard": lambda acme: ("acme", acme.member.id, "--cause", "x"),
    "orphans": lambda acme: ("acme", "--confirm"),
    "prune": lambda acme: ("--days", "0"),
    "purge_user": lambda acme: ("acme", acme.person("gone").id, "--yes"),
    "purge_workspace": lambda acme: ("acme", "--yes", "--despite-people"),
    "regenerate_scim_token": lambda acme: ("acme", "Okta", "--owner", acme.owner.id),
    "removals": lambda acme: ("acme", "--answer", "confirm", "--removal", removal_of(acme)),
    "reset_second_factor": lambda acme: ("acme", acme.member.id),
    "retry_rotations": lambda acme: ("acme",),
    "revoke_scim_token": lambda acme: ("acme", "Okta"),
    "rotate": lambda acme: ("acme", acme.account.name),
}
# What operators run, on no customer: a process of the product, and a list of what can be set.
OPERATORS = {"sweep", "settings"}


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` as a process of its own, on the database of the tests."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return subprocess.run(  # our own manage.py
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env={**os.environ, "DATABASE_URL": url},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


# What they share


@pytest.mark.parametrize("name", sorted(support_commands()))
def test_acme_sees_and_changes_nothing_of_rivals(acme: Company, rival: Company, name: str) -> None:
    deactivation.deactivate(rival.member, actor=TESTS, reason="left")  # so that a purge would find it easy
    before = strangers.everything(rival)
    answer = run(name, *TOWARDS_RIVAL[name](rival))

    assert answer.code == (0 if name in WITHIN_ACME else 1)
    assert answer.said or name in WITHIN_ACME
    assert "rival.example" not in answer.out + answer.said
    assert strangers.everything(rival) == before


@pytest.mark.parametrize("name", sorted(support_commands()))
def test_help_shows_an_example_that_parses(name: str) -> None:
    command = support_commands()[name]
    parser = command.create_parser("manage.py", name)
    assert f"manage.py {name} {command.example}" in parser.format_help()
    assert parser.parse_args(shlex.split(command.example))


def test_every_command_of_ours_is_one_of_the_support_desk_s() -> None:
    assert set(our_commands()) - set(support_commands()) == OPERATORS
    assert set(TOWARDS_RIVAL) == set(support_commands())


@pytest.mark.parametrize("name", sorted(our_commands()))
def test_help_says_what_it_does_and_how_it_ends(name: str) -> None:
    command = our_commands()[name]
    parser = command.create_parser("manage.py", name)
    assert len(command.help) > 20
    if name in OPERATORS:
        return
    told = parser.format_help()
    assert "exit codes:" in told
    assert ("--dry-run" in told) == (name in DESTRUCTIVE)
    for option in ("--format {table,json}", "--reason REASON"):
        assert option in told
    for action in parser._actions:
        assert action.help, action.dest


@pytest.mark.parametrize("name", sorted(DESTRUCTIVE))
def test_a_dry_run_changes_nothing_and_tells_nobody(acme: Company, name: str) -> None:
    populate(acme)
    Authenticator.of(acme.member)
    arguments = DESTRUCTIVE[name](acme)
    if name == "purge_user":
        deactivation.deactivate(User.objects.get(pk=str(arguments[1])), actor=TESTS, reason="left")
    before = everything_of(acme)
    answer = run(name, *arguments, "--dry-run")
    assert (answer.code, answer.data["dry_run"]) == (0, True)
    assert everything_of(acme) == before
    assert not mail.outbox


ON_A_WORKSPACE = [name for name, command in support_commands().items() if isinstance(command, WorkspaceCommand)]


@pytest.mark.parametrize("name", sorted(ON_A_WORKSPACE))
def test_a_workspace_that_does_not_exist_is_said(rival: Company, name: str) -> None:
    slug, *rest = TOWARDS_RIVAL[name](rival)
    assert slug == "acme"
    answer = run(name, "nowhere", *rest)
    assert (answer.code, answer.said, answer.out) == (1, "There is no workspace nowhere.", "")


def test_who_ran_it_and_why_is_in_the_audit_trail(db: None) -> None:
    run("create_workspace", "New", "--slug", "new", "--reason", "ticket 4711")
    event = AuditEvent.objects.get(verb="workspace.created")
    assert event.actor_kind == "command"
    assert event.actor_label.startswith("create_workspace by ")
    assert pwd.getpwuid(os.getuid()).pw_name in event.actor_label
    assert event.actor_label.endswith(": ticket 4711")


@pytest.mark.django_db(transaction=True)
def test_exit_codes_are_0_done_1_refused_2_used_wrongly(acme: Company) -> None:
    done = manage("verify_audit", "acme")
    refused = manage("create_workspace", "Acme", "--slug", "acme")
    wrong = manage("create_workspace", "Acme")
    unshown = manage("issue_scim_token", "acme", "--label", "x")

    assert (done.returncode, refused.returncode, wrong.returncode, unshown.returncode) == (0, 1, 2, 2)
    assert "intact" in done.stdout
    assert "There is a workspace acme already." in refused.stderr
    assert "Traceback" not in refused.stderr + wrong.stderr + unshown.stderr
    assert refused.stdout == wrong.stdout == unshown.stdout == ""


def test_a_name_cannot_write_on_the_terminal(db: None) -> None:
    answer = run("create_workspace", "Evil\x1b[2J", "--slug", "evil", json=False)
    assert "\x1b" not in answer.out
    assert "Evil�[2J" in answer.out


# create_workspace


def test_a_workspace_is_created(db: None) -> None:
    answer = run("create_workspace", "Acme Ltd.", "--slug", "acme")
    workspace = Workspace.objects.get(slug="acme")
    assert answer.data == {"id": str(workspace.id), "slug": "acme", "name": "Acme Ltd."}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Other", slug) for slug in ("ACME", "acme", "two words", "", "a" * 61)] + [(" ", "new"), ("n" * 121, "new")],
)
def test_a_workspace_needs_a_name_and_a_free_slug(acme: Company, name: str, slug: str) -> None:
    assert run("create_workspace", name, "--slug", slug).code == 1
    assert Workspace.objects.count() == 1


# set_workspace_owner


def test_a_person_becomes_an_owner_beside_the_present_one(acme: Company) -> None:
    answer = run("set_workspace_owner", "acme", "MEMBER@acme.example")
    assert answer.data["role"] == "owner"
    assert answer.data["created"] is False
    assert "invitation" not in answer.data
    assert User.objects.filter(workspace=acme.workspace, role=Role.OWNER).count() == 2


def test_an_owner_who_does_not_exist_is_added_only_when_asked(acme: Company) -> None:
    assert "--create" in run("set_workspace_owner", "acme", "new@acme.example").said
    answer = run("set_workspace_owner", "acme", "new@acme.example", "--create")
    user = User.objects.get(email="new@acme.example")

    assert (answer.data["id"], answer.data["created"]) == (str(user.id), True)
    assert (user.role, user.workspace, user.provisioned_at) == (Role.OWNER, acme.workspace, None)
    assert "has no password yet" in answer.said
    assert "invitation" not in answer.out + answer.said.replace("invite", "")


def test_an_address_that_is_none_adds_nobody(acme: Company) -> None:
    answer = run("set_workspace_owner", "acme", "not an address", "--create")
    assert (answer.code, "not an e-mail address" in answer.said) == (2, True)


def test_the_invitation_link_is_shown_on_demand_and_works(acme: Company) -> None:
    answer = run("set_workspace_owner", "acme", "new@acme.example", "--create", "--show-link")
    address = answer.data["invitation"]
    assert address.startswith("http")
    path = "/" + address.split("/", 3)[3]
    browser = Client()
    page = browser.get(path)["Location"]
    assert browser.post(page, {"password": PASSWORD, "password_again": PASSWORD}).status_code == 302
    browser.post("/login/", {"username": "new@acme.example", "password": PASSWORD})
    assert browser.get("/admin/", follow=False).status_code == 200


def test_a_disabled_person_does_not_become_an_owner(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    answer = run("set_workspace_owner", "acme", "member@acme.example", "--show-link")
    assert (answer.code, "disabled" in answer.said) == (1, True)


def test_a_name_that_means_two_people_is_refused(acme: Company) -> None:
    people.provision(acme.workspace, Profile("other", email="twice@acme.example"), actor=TESTS)
    people.provision(acme.workspace, Profile("twice@acme.example"), actor=TESTS)
    answer = run("set_workspace_owner", "acme", "twice@acme.example")
    assert (answer.code, "Give the id" in answer.said) == (1, True)
    assert run("set_workspace_owner", "acme", uuid4()).code == 1


# verify_audit


def test_an_untouched_trail_is_chained_and_intact(acme: Company) -> None:
    answer = run("verify_audit", "acme")
    events = AuditEvent.objects.for_workspace(acme.workspace).count()
    assert answer.data == {
        "intact": True, "links": events, "not_chained_yet": 0, "broken_at_event": None, "why": "",
    }  # fmt: skip


def test_a_changed_trail_is_broken_and_exits_with_1(acme: Company) -> None:
    audit.seal(acme.workspace)
    event = AuditEvent.objects.for_workspace(acme.workspace).order_by("id")[1]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE workspace_auditevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE workspace_auditevent SET verb = 'forged' WHERE id = %s", [event.id])
    answer = run("verify_audit", "acme")

    assert answer.code == 1
    assert (answer.data["intact"], answer.data["broken_at_event"]) == (False, event.id)
    assert f"broken at event {event.id}" in answer.said
