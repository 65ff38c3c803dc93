"""Acts made of several verbs: one transaction, rows locked once, all or nothing."""

from typing import Any

import pytest

from tests.companies import TESTS, Company
from workspace import people
from workspace.errors import Conflict
from workspace.models import User
from workspace.people import Profile
from workspace.transactions import already_locked, atomic

pytestmark = pytest.mark.django_db


def renamed(user: User, name: str) -> None:
    people.update_profile(user, Profile(name, email=user.email), actor=TESTS)


def test_a_verb_that_fails_takes_the_whole_act_with_it(acme: Company) -> None:
    other = acme.person("other")
    with pytest.raises(Conflict), atomic():
        renamed(acme.member, "new@acme.example")
        renamed(other, acme.owner.user_name)
    assert set(User.objects.filter(user_name="new@acme.example")) == set()


def test_a_verb_that_fails_alone_leaves_the_caller_s_transaction_usable(acme: Company) -> None:
    with pytest.raises(Conflict):
        renamed(acme.member, acme.owner.user_name)
    renamed(acme.member, "new@acme.example")
    assert User.objects.get(pk=acme.member.pk).user_name == "new@acme.example"


def test_within_an_act_a_row_is_locked_and_fetched_once(acme: Company, django_assert_num_queries: Any) -> None:
    with atomic():
        locked = people.lock(acme.member)
        with django_assert_num_queries(0):
            assert people.lock(acme.member) is locked
    assert already_locked(acme.member) is None


def test_verbs_within_an_act_see_what_the_verbs_before_have_changed(acme: Company) -> None:
    with atomic():
        renamed(acme.member, "new@acme.example")
        gone = people.deactivate(acme.member, actor=TESTS, reason="left")
    assert gone is not None
    assert gone.user_name == "new@acme.example"
    saved = User.objects.get(pk=acme.member.pk)
    assert (saved.user_name, saved.is_active) == ("new@acme.example", False)
