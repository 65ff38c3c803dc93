"""One Owner gets in when the identity provider is down; support helps the last one who lost everything."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from scim import doctor
from tests.authenticator import Authenticator
from tests.companies import TESTS, Company
from tests.console_world import text_of
from workspace import break_glass, deactivation, second_factor
from workspace.models import AuditEvent, Role, User

pytestmark = pytest.mark.django_db


def local_owner(company: Company) -> User:
    owner = company.person("safe", role=Role.OWNER)
    User.objects.filter(pk=owner.pk).update(provisioned_at=None)
    owner.refresh_from_db()
    return owner


def test_a_local_owner_with_both_factors_breaks_the_glass(acme: Company, rival: Company) -> None:
    assert break_glass.owners(acme.workspace) == []
    owner = local_owner(acme)
    Authenticator.of(owner)
    assert break_glass.owners(acme.workspace) == [owner]
    assert break_glass.warning(acme.workspace) == ""
    assert break_glass.warning(rival.workspace)


@pytest.mark.parametrize(
    "changed",
    [{"provisioned_at": timezone.now()}, {"role": Role.ADMIN}, {"password": "!unusable"},
     {"is_active": False, "deactivated_at": timezone.now()}],
)  # fmt: skip
def test_nobody_else_does(acme: Company, changed: dict[str, Any]) -> None:
    owner = local_owner(acme)
    Authenticator.of(owner)
    User.objects.filter(pk=owner.pk).update(**changed)
    assert break_glass.owners(acme.workspace) == []


def test_home_and_the_doctor_say_when_there_is_none(acme: Company) -> None:
    def finding() -> doctor.Finding:
        return next(each for each in doctor.examine(acme.workspace) if each.check == "break-glass Owner")

    assert finding().level is doctor.Level.ODD
    assert "while Okta is down" in text_of(acme.browser(), "/admin/")
    assert "Get in without Okta" in text_of(acme.browser(), "/admin/")
    owner = local_owner(acme)
    Authenticator.of(owner)
    assert finding().level is doctor.Level.FINE
    assert "while Okta is down" not in text_of(acme.browser(), "/admin/")


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("reset_second_factor", *arguments, "--format", "json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_support_resets_a_second_factor_and_says_why(acme: Company, rival: Company) -> None:
    for company in (acme, rival):
        Authenticator.of(company.owner)
    answer = run("acme", "owner@acme.example", "--reason", "ticket 4711")
    assert answer["user_name"] == "owner@acme.example"
    assert not second_factor.is_enrolled(acme.owner)
    assert second_factor.is_enrolled(rival.owner)
    event = AuditEvent.objects.get(verb="second_factor.reset")
    assert "ticket 4711" in event.actor_label
    assert event.subject_id == acme.owner.pk


@pytest.mark.parametrize("person", ["owner@rival.example", "member@acme.example"])
def test_support_resets_nothing_of_another_workspace_and_nothing_that_is_not_there(
    acme: Company, rival: Company, person: str
) -> None:
    Authenticator.of(rival.owner)
    with pytest.raises(CommandError) as refused:
        run("acme", person)
    assert refused.value.returncode == 1
    assert second_factor.is_enrolled(rival.owner)


def test_an_owner_resets_a_colleagues_after_proving_themselves(acme: Company, rival: Company) -> None:
    for user in (acme.member, rival.member):
        Authenticator.of(user)
    browser = acme.browser()
    path = f"/admin/workspace/user/{acme.member.pk}/second-factor/"
    assert "Reset the second factor" in text_of(browser, path)
    browser.post(path, {"proof": "wrong"})
    assert second_factor.is_enrolled(acme.member)
    browser.post(path, {"proof": "correct horse battery staple 9"})
    assert not second_factor.is_enrolled(acme.member)
    browser.post(f"/admin/workspace/user/{rival.member.pk}/second-factor/")
    assert second_factor.is_enrolled(rival.member)


def test_the_provider_may_end_the_last_owners_access_all_the_same(acme: Company) -> None:
    """Access ends at once, always; that is why the break-glass Owner is nobody the provider knows."""
    Authenticator.of(acme.owner)
    assert acme.okta().delete(f"/scim/v2/Users/{acme.owner.pk}").status_code == 204
    assert not User.objects.get(pk=acme.owner.pk).is_active
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
