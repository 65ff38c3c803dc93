"""An invitation link lives no longer than the access of whoever made it."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from tests.authenticator import Authenticator
from tests.companies import TESTS, Company
from tests.console_world import support
from workspace import access, accounts, deactivation, invitations, people, second_factor
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import NotFound, Refused
from workspace.models import Account, Reveal, Role, User
from workspace.people import Profile

pytestmark = pytest.mark.django_db

NEW = Secret("mellow copper lantern 77")


def newcomer(company: Company) -> User:
    profile = Profile("new", email=f"new@{company.workspace.slug}.example")
    return people.provision(company.workspace, profile, actor=TESTS)


def token_of(link: str) -> str:
    return link.split("/")[3]


def works(user: User, link: str) -> bool:
    try:
        invitations.invited(user.pk, token_of(link))
    except NotFound:
        return False
    return Client().get(link).status_code == 302


def test_a_link_of_an_owner_works_while_they_are_one(acme: Company) -> None:
    user = newcomer(acme)
    link = invitations.invite(user, actor=Actor.person(acme.owner))
    assert works(user, link)
    invitations.accept(user.pk, token_of(link), NEW)
    assert User.objects.get(pk=user.pk).check_password(NEW.reveal())


def test_it_dies_with_the_owners_access(acme: Company) -> None:
    """Somebody who knows that they will leave must not keep a way in."""
    user, second = newcomer(acme), acme.person("second", role=Role.OWNER)
    link, others = (invitations.invite(user, actor=Actor.person(owner)) for owner in (acme.owner, second))
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    assert not works(user, link)
    assert Client().get(link).status_code == 404
    assert works(user, others)
    with pytest.raises(NotFound):
        invitations.accept(user.pk, token_of(link), NEW)


def test_it_stays_dead_when_the_owner_returns(acme: Company) -> None:
    user = newcomer(acme)
    link = invitations.invite(user, actor=Actor.person(acme.owner))
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    people.set_role(people.reactivate(acme.owner, actor=TESTS), Role.OWNER, actor=TESTS)
    assert not works(user, link)


def test_it_dies_with_the_owners_role_and_with_their_password(acme: Company) -> None:
    user, second = newcomer(acme), acme.person("second", role=Role.OWNER)
    for owner in (acme.owner, second):
        owner.refresh_from_db()
    by_role, by_password = (invitations.invite(user, actor=Actor.person(owner)) for owner in (acme.owner, second))
    people.set_role(acme.owner, Role.MEMBER, actor=TESTS)
    invitations.set_password(second, Secret("another battery staple 10"), actor=Actor.person(second))
    assert not works(user, by_role)
    assert not works(user, by_password)


def test_the_name_of_the_inviter_cannot_be_changed(acme: Company, rival: Company) -> None:
    user, second = newcomer(acme), acme.person("second", role=Role.OWNER)
    link = invitations.invite(user, actor=Actor.person(acme.owner))
    text = token_of(link).partition(".")[0]
    others = [f".{user.pk.hex}" for user in (second, rival.owner, acme.member)]
    for by in ("", *others, ".", ".nobody", ".." + "0" * 32):
        with pytest.raises(NotFound):
            invitations.invited(user.pk, f"{text}{by}")


def test_an_owner_invites_into_their_own_workspace_alone(acme: Company, rival: Company) -> None:
    for actor in (rival.owner, acme.member):
        with pytest.raises(Refused):
            invitations.invite(newcomer(acme) if actor == rival.owner else acme.person("x"), actor=Actor.person(actor))


def test_links_of_support_depend_on_nobody_in_the_workspace(acme: Company) -> None:
    user, staff = newcomer(acme), support()
    links = [
        invitations.invite(user, actor=Actor.command("set_workspace_owner", operator="ops")),
        invitations.invite(user, actor=Actor.person(staff)),
    ]
    deactivation.deactivate(acme.owner, actor=TESTS, reason="left")
    assert all(works(user, link) for link in links)
    User.objects.filter(pk=staff.pk).update(is_active=False, deactivated_at=staff.created_at)
    assert [works(user, link) for link in links] == [True, False]


# Of somebody who has a password


def of_nobody_else(company: Company) -> Account:
    """An account that the member alone reaches, not the Owner."""
    own = accounts.create(company.workspace, "Safe", actor=TESTS, password=Secret("first-password"))
    access.grant(own, company.member, actor=TESTS)
    return own


@pytest.mark.parametrize("verb", [invitations.invite, second_factor.reset])
def test_who_could_sign_in_as_another_is_taken_to_know_what_they_reach(
    acme: Company, rival: Company, verb: Any, django_capture_on_commit_callbacks: Any
) -> None:
    own = of_nobody_else(acme)
    unreached = accounts.create(acme.workspace, "Vault", actor=TESTS, password=Secret("first-password"))
    of_nobody_else(rival)
    Authenticator.of(acme.member)
    with django_capture_on_commit_callbacks(execute=True):
        verb(acme.member, actor=Actor.person(acme.owner))
    known = {each.account_id for each in access.could_have_known(acme.owner)}
    assert {own.pk, acme.account.pk} <= known
    assert unreached.pk not in known
    assert not Reveal.objects.filter(workspace=rival.workspace).exists()
    (told,) = mail.outbox
    assert told.to == ["member@acme.example"]
    assert "/invitation/" not in told.body


def test_who_invites_a_newcomer_or_themselves_comes_to_know_nothing(
    acme: Company, django_capture_on_commit_callbacks: Any
) -> None:
    user = newcomer(acme)
    access.grant(of_nobody_else(acme), user, actor=TESTS)
    access.grant(acme.account, acme.owner, actor=TESTS)
    with django_capture_on_commit_callbacks(execute=True):
        for invited in (user, acme.owner):
            invitations.invite(invited, actor=Actor.person(acme.owner))
    assert not Reveal.objects.exists()
    assert not mail.outbox
