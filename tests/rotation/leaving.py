"""What the tests of departures have in common: accounts with an Owner, many people, and a rotation that is over."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from uuid_utils.compat import uuid7

from rotation.departures import offboarding
from rotation.models import Offboarding, RotationJob
from rotation.states import JobState
from tests.companies import TESTS, Company
from workspace import access, accounts, bulk
from workspace.crypto import Secret
from workspace.models import Account, Grant, GrantRole, SecretVersion, User


def owned(company: Company, name: str, owner: User, *, privileged: bool = True) -> Account:
    """A by-hand account with a password, which `owner` alone owns."""
    account = accounts.create(
        company.workspace, name, actor=TESTS, password=Secret(f"of-{name}"), is_privileged=privileged
    )
    access.grant(account, owner, actor=TESTS, role=GrantRole.OWNER)
    return account


def leave(user: User, cause: str = "left") -> Offboarding:
    done = offboarding.offboard(user, actor=TESTS, cause=cause)
    assert done is not None
    return done


def rotated(company: Company, account: Account, *, seconds: float) -> RotationJob:
    """A rotation of the account that took this long and is over."""
    now = timezone.now()
    return RotationJob.objects.create(
        workspace=company.workspace, account=account, cause="past", state=JobState.DONE, finished_at=now,
        requested_at=now - timedelta(seconds=seconds),
    )  # fmt: skip


def many_accounts(company: Company, number: int, holder: User, *, role: str = GrantRole.OWNER) -> None:
    """So many privileged accounts, each with a password and a grant of the holder's; written past the verbs."""
    ids = [uuid7() for _ in range(number)]
    names = [f"Account {n:05}" for n in range(number)]
    shared: dict[str, Any] = {"workspace_id": company.workspace.pk}
    bulk.insert(Account, {"id": ids, "name": names}, is_privileged=True, **shared)
    bulk.insert(SecretVersion, {"account_id": ids}, number=1, sealed=b"-", visible_from=timezone.now(), **shared)
    bulk.insert(Grant, {"account_id": ids}, user_id=holder.pk, role=role, **shared)


def many_people(company: Company, number: int, *, start: int = 0) -> list[User]:
    """So many active people, written past the verbs."""
    names = [f"p{n:04}@{company.workspace.slug}.example" for n in range(start, start + number)]
    return User.objects.bulk_create(
        User(workspace=company.workspace, user_name=name, email=name, given_name="P", family_name=name[:5])
        for name in names
    )
