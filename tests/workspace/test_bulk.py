"""Many rows in one statement: as the ORM would have written them, whatever their number."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from tests.companies import Company
from workspace import bulk
from workspace.models import Account, Grant, GrantRole, Team

pytestmark = pytest.mark.django_db
THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_rows_get_what_is_given_what_is_shared_and_the_fields_defaults(acme: Company) -> None:
    names = ["It's", 'one "more"', "{curly, \\back}", "NULL"]
    written = bulk.insert(
        Account, {"name": names, "archived_at": [THEN, None, THEN, None]},
        workspace_id=acme.workspace.pk, target={"host": "%s"}, is_privileged=True,
    )  # fmt: skip
    assert written == 4
    rows = Account.objects.filter(workspace=acme.workspace).exclude(pk=acme.account.pk).order_by("pk")
    assert [row.name for row in rows] == names
    assert [row.archived_at for row in rows] == [THEN, None, THEN, None]
    first = rows[0]
    assert (first.target, first.is_privileged, first.connector) == ({"host": "%s"}, True, "by_hand")
    assert first.password_classes == ["lower", "upper", "digit"]
    assert len({row.pk for row in rows}) == 4


def test_a_collision_can_be_passed_over(acme: Company) -> None:
    each = {"account_id": [acme.account.pk], "user_id": [acme.member.pk]}
    shared: dict[str, Any] = {"workspace_id": acme.workspace.pk, "role": GrantRole.OWNER}
    assert bulk.insert(Grant, each, **shared) == 1
    assert bulk.insert(Grant, each, otherwise=bulk.IGNORE, **shared) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert(Grant, each, **shared)


def test_no_rows_are_no_statement(acme: Company, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert bulk.insert(Team, {"display_name": []}, workspace_id=acme.workspace.pk) == 0
    with django_assert_num_queries(1):
        names = [f"Team {n}" for n in range(5_000)]
        assert bulk.insert(Team, {"display_name": names}, workspace_id=acme.workspace.pk) == 5_000
