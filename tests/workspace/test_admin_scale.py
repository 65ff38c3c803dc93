"""The console's lists cost the same number of statements whether a company has one row of a kind or 10,000."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rotation.models import Exposure, Offboarding, Orphan, RotationJob
from rotation.states import JobState
from scim.models import Operation, ProvisioningEvent, ScimToken
from tests.companies import TESTS, Company
from tests.console_world import address, plain_pages, populate, text_of
from workspace import crypto
from workspace.crypto import Secret
from workspace.models import Account, AuditEvent, Grant, SecretVersion, Team, TeamMembership, User

pytestmark = pytest.mark.django_db

ROWS = 10_000
MOST_STATEMENTS = 25
LISTS = [name for name in plain_pages() if name.endswith("_changelist")]


def statements(browser: Client, name: str, company: Company) -> int:
    browser.get(address(name, company))
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(address(name, company)).status_code == 200
    return len(asked)


def multiply(company: Company) -> None:
    """10,000 people who left, each with a team, an account, a departure, a rotation and the events of it all."""
    space, now, left = company.workspace, timezone.now(), TESTS.to_json()
    numbers = range(ROWS)
    people = User.objects.bulk_create(
        User(
            workspace=space, user_name=f"p{n}@acme.example", email=f"p{n}@acme.example", password="!", is_active=False,
            deactivated_at=now, deactivated_by=left, provisioned_at=now,
        )
        for n in numbers
    )  # fmt: skip
    teams = Team.objects.bulk_create(Team(workspace=space, display_name=f"Team {n}") for n in numbers)
    TeamMembership.objects.bulk_create(
        TeamMembership(workspace=space, team=team, user=company.member, joined_at=now) for team in teams
    )
    accounts = Account.objects.bulk_create(Account(workspace=space, name=f"Account {n}") for n in numbers)
    sealed = crypto.seal(Secret("x"), workspace=space.pk, account=accounts[0].pk, version=1)
    versions = SecretVersion.objects.bulk_create(
        SecretVersion(workspace=space, account=account, number=1, sealed=sealed, visible_from=now)
        for account in accounts
    )
    Grant.objects.bulk_create(
        Grant(workspace=space, account=account, team=team, granted_by=left)
        for account, team in zip(accounts, teams, strict=True)
    )
    offboardings = Offboarding.objects.bulk_create(
        Offboarding(workspace=space, user=user, cause="left", actor=left) for user in people
    )
    Exposure.objects.bulk_create(
        Exposure(
            workspace=space, offboarding=one, user=one.user, account=version.account, version=version, known_since=now
        )
        for one, version in zip(offboardings, versions, strict=True)
    )
    Orphan.objects.bulk_create(
        Orphan(workspace=space, account=account, former_owner=one.user, offboarding=one)
        for one, account in zip(offboardings, accounts, strict=True)
    )
    RotationJob.objects.bulk_create(
        RotationJob(workspace=space, account=account, cause="left", state=JobState.QUEUED) for account in accounts
    )
    about = {"verb": "person.deactivated", "actor_kind": "system", "subject_kind": "user"}
    AuditEvent.objects.bulk_create(AuditEvent(workspace=space, subject_id=user.pk, **about) for user in people)
    token = ScimToken.objects.for_workspace(space).earliest("created_at")
    ProvisioningEvent.objects.bulk_create(
        ProvisioningEvent(
            workspace=space, token=token, operation=Operation.MODIFY, resource_type="User", resource_id=user.pk,
            status=400 if n % 7 == 0 else 200, duration_ms=3, request_id=str(n),
        )
        for n, user in enumerate(people)
    )  # fmt: skip


def test_lists_take_no_more_statements_at_ten_thousand_rows(acme: Company, rival: Company) -> None:
    populate(acme)
    browser = acme.browser()
    few = {name: statements(browser, name, acme) for name in (*LISTS, "index")}
    multiply(acme)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    many = {name: statements(browser, name, acme) for name in (*LISTS, "index")}

    assert {name: count for name, count in many.items() if count > few[name] + 3} == {}
    assert max(many.values()) <= MOST_STATEMENTS, many
    assert "10,000+ people" in " ".join(text_of(browser, address("workspace_user_changelist", acme)).split())
