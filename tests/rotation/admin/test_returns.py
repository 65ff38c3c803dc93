"""What an Owner does in the console about disabled people and those who come back."""

from typing import Any

import pytest

from rotation.models import Offboarding
from scim import erasure
from tests.companies import TESTS, Company
from tests.console_world import act_text, support, text_of
from tests.rotation.leaving import leave, owned
from tests.workspace.test_admin_acts import page, post
from workspace import access, people
from workspace.models import AuditEvent, Grant, TeamMembership, User

pytestmark = pytest.mark.django_db


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
    erasure.purge(User.objects.get(pk=acme.member.pk), actor=TESTS, despite_exposures=True)
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
