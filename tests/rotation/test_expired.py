"""Who and what is past its time reaches nothing, by any entrance, before the sweep has written the end down."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from rotation import courier, manual
from rotation.departures import offboarding, orphans, returns
from rotation.models import Orphan, RotationJob
from scim import claims
from scim.models import ScimToken
from tests.authenticator import Authenticator
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import text_of
from tests.rotation.leaving import leave as leaves
from tests.rotation.leaving import owned
from tests.rotation.test_tasks import leave
from tests.workspace import strangers
from tests.workspace.test_signin import WRONG, person_of, sign_in
from workspace import (
    access,
    accounts,
    break_glass,
    deliveries,
    invitations,
    keys,
    notices,
    people,
    second_factor,
    takeovers,
)
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import CerbyError, Invalid, NotFound, Refused
from workspace.models import Delivery, Grant, GrantRole, Notice, Reveal, Role, SecretVersion, User

pytestmark = pytest.mark.django_db


def expire(user: User) -> User:
    """Their time is over at this very moment, by the database's clock."""
    User.objects.filter(pk=user.pk).update(expires_at=Now())
    return User.objects.get(pk=user.pk)


def expire_grant(grant: Grant) -> None:
    Grant.objects.filter(pk=grant.pk).update(expires_at=Now())


def program(key: str) -> Client:
    return Client(headers={"authorization": f"Bearer {key}"})


def turned_away(answer: Any) -> bool:
    """Whether somebody without access was answered so."""
    return answer.status_code == 401 or str(answer.get("Location", "")).startswith(("/login/", "/admin/login/"))


def test_an_expired_person_does_not_sign_in(acme: Company) -> None:
    expire(acme.member)
    browser, answer = sign_in(acme.member.email)
    assert WRONG in answer
    assert person_of(browser) is None


def test_a_code_that_is_owed_lets_nobody_in_whose_time_passed_meanwhile(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser, answer = sign_in(acme.member.email)
    assert answer.startswith("/login/code/")
    expire(acme.member)
    answered = browser.post("/login/code/", {"code": app.code()})
    assert turned_away(answered)
    assert person_of(browser) is None


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_session_in_use_opens_nothing_any_more(acme: Company, method: str) -> None:
    """Every address of the web app and the API answers as it answers a stranger."""
    browser = acme.browser(acme.member)
    expire(acme.member)
    for route in [*strangers.routes(), "tasks/", "api/v1/removals"]:
        if route.startswith(("login/", "invitation/")):
            continue
        path = f"/{route}" if "<" not in route else strangers.address(route, acme)
        answer, of_a_stranger = getattr(browser, method)(path), getattr(Client(), method)(path)
        assert answer.status_code == of_a_stranger.status_code, path
        assert answer.get("Location") == of_a_stranger.get("Location"), path
        assert acme.account_password.reveal() not in answer.content.decode(), path


def test_their_key_opens_nothing(acme: Company) -> None:
    expire(acme.member)
    for path in ("me", "accounts", f"accounts/{acme.account.pk}", "keys"):
        assert program(acme.api_key).get(f"/api/v1/{path}").status_code == 401
    assert program(acme.api_key).post(f"/api/v1/accounts/{acme.account.pk}/reveal").status_code == 401
    assert not Reveal.objects.filter(user=acme.member).exists()


def test_the_console_is_closed_to_an_owner_whose_time_has_passed(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    key = keys.issue(second, "laptop", actor=TESTS)[1].reveal()
    browser = acme.browser(second)
    assert browser.get("/admin/").status_code == 200
    expire(second)
    for path in ("/admin/", "/admin/workspace/user/", f"/admin/workspace/account/{acme.account.pk}/change/"):
        assert turned_away(browser.get(path)), path
    assert browser.get("/admin/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert turned_away(browser.post(f"/admin/workspace/user/{acme.member.pk}/offboard/", {"typed": "x"}))
    assert program(key).get(f"/api/v1/people/{acme.member.pk}/offboarding-preview").status_code == 401


def test_a_link_to_choose_a_password_is_dead_when_its_person_or_its_maker_is_past_their_time(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    for_expired = invitations.invite(acme.member, actor=Actor.person(acme.owner))
    by_expired = invitations.invite(acme.person("new"), actor=Actor.person(second))
    expire(acme.member)
    expire(second)
    for path in (for_expired, by_expired):
        assert Client().get(path).status_code == 404


def test_nobody_is_invited_whose_time_has_passed(acme: Company) -> None:
    expire(acme.member)
    answer = acme.browser().post(f"/admin/workspace/user/{acme.member.pk}/invite/", {"proof": PASSWORD})
    assert "/invitation/" not in answer.content.decode()


def test_verbs_do_nothing_for_who_was_let_in_a_moment_before(acme: Company) -> None:
    """A request that began in time ends without effect."""
    member, expired = acme.member, expire(acme.member)
    by = Actor.person(member)
    acts: list[Callable[[], Any]] = [
        lambda: access.reveal(acme.account, member, actor=by),
        lambda: keys.issue(member, "another", actor=by),
        lambda: second_factor.begin(member),
        lambda: invitations.set_password(member, Secret("quite another phrase 7"), actor=by),
        lambda: accounts.store_password(acme.account, Secret("another"), actor=by),
        lambda: offboarding.offboard(acme.owner, actor=by, cause="revenge"),
        lambda: access.grant(owned(acme, "New", acme.owner), expired, actor=TESTS),
    ]
    for act in acts:
        with pytest.raises(CerbyError):
            act()
    acme.owner.refresh_from_db()
    assert acme.owner.is_active
    assert SecretVersion.objects.filter(account=acme.account).count() == 1


def test_an_expired_owner_is_no_owner(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    Authenticator.of(second)
    User.objects.filter(pk=second.pk).update(provisioned_at=None)
    assert second in break_glass.owners(acme.workspace)
    second = expire(second)
    assert not second.is_owner
    assert not second.is_staff
    assert not access.shareable(second, [acme.account.pk])
    assert not break_glass.owners(acme.workspace)
    with pytest.raises(Refused):
        invitations.invite(acme.member, actor=Actor.person(second))


def test_the_console_says_that_somebodys_time_is_over(acme: Company) -> None:
    expire(acme.member)
    assert "Expired" in text_of(acme.browser(), f"/admin/workspace/user/{acme.member.pk}/change/")
    active = text_of(acme.browser(), "/admin/workspace/user/?state=active")
    assert acme.owner.user_name in active
    assert acme.member.user_name not in active


def test_the_databases_clock_decides(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose own clock is a day behind lets nobody in."""
    other, key = acme.browser(acme.owner), program(acme.api_key)
    access.grant(acme.account, acme.owner, actor=TESTS)
    expire(acme.member)
    expire_grant(Grant.objects.get(user=acme.owner))
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() - timedelta(days=1))
    assert key.get("/api/v1/me").status_code == 401
    assert not User.objects.get(pk=acme.member.pk).has_access
    assert WRONG in sign_in(acme.member.email)[1]
    assert other.get(f"/accounts/{acme.account.pk}/").status_code == 404
    assert not access.reachable_accounts(acme.owner).exists()


def test_the_last_owner_is_the_last_although_an_expired_one_is_there(acme: Company) -> None:
    second = acme.person("second", role=Role.OWNER)
    path = f"/admin/workspace/user/{acme.owner.pk}/role/"
    assert "is the last Owner" not in text_of(acme.browser(), path)
    expire(second)
    assert "is the last Owner" in text_of(acme.browser(), path)


def test_notices_go_to_no_expired_owner(acme: Company, settings: Any) -> None:
    settings.MAIL_DELAY_SECONDS = 0
    second, third = acme.person("second", role=Role.OWNER), acme.person("third", role=Role.OWNER)
    expire(second)
    notices.tell(acme.workspace, Notice.Kind.ORPHAN, acme.account, summary="Router has no owner.")
    deliveries.dispatch()
    assert {row.recipient for row in Delivery.objects.all()} == {acme.owner, third}
    expire(third)
    courier.once()
    assert [message.to for message in mail.outbox] == [[acme.owner.email]]
    with pytest.raises(Refused):
        deliveries.send_again(Delivery.objects.get(recipient=third), actor=TESTS)


def test_support_renews_no_token_for_an_expired_owner(acme: Company) -> None:
    token = ScimToken.objects.get(workspace=acme.workspace)
    expired = expire(acme.owner)
    with pytest.raises(Refused):
        claims.ask(token, expired, actor=TESTS)
    assert not mail.outbox


def test_select_boxes_and_successions_offer_no_expired_person(acme: Company) -> None:
    expired = expire(acme.member)
    query = {"app_label": "workspace", "model_name": "grant", "field_name": "user", "term": ""}
    offered = {row["id"] for row in acme.browser().get(reverse("admin:autocomplete"), query).json()["results"]}
    assert str(acme.owner.pk) in offered
    assert str(expired.pk) not in offered
    orphan = Orphan.objects.create(workspace=acme.workspace, account=acme.account)
    with pytest.raises(Invalid):
        orphans.confirm(orphan, expired, actor=TESTS)


def test_an_expired_person_gives_nothing_back_and_is_given_nothing(acme: Company) -> None:
    keeper, back = acme.person("keeper"), acme.person("back")
    account = owned(acme, "Vault", keeper)
    access.grant(account, back, actor=TESTS)
    leaves(back)
    people.reactivate(back, actor=TESTS)
    expire(keeper)
    with pytest.raises(Refused):
        returns.restore(back, [account.pk], actor=Actor.person(keeper))
    expire(back)
    with pytest.raises(Refused):
        returns.restore(back, [account.pk], actor=TESTS)


def test_who_helps_an_expired_person_comes_to_know_nothing(acme: Company) -> None:
    takeovers.note(expire(acme.member), actor=Actor.person(acme.owner), done="helped")
    assert not Reveal.objects.filter(user=acme.owner).exists()


# A grant


@pytest.fixture
def keeper(acme: Company) -> User:
    """An ordinary member who is the account's Owner."""
    person = acme.person("keeper")
    access.grant(acme.account, person, actor=TESTS, role=GrantRole.OWNER)
    return person


@pytest.fixture
def job(acme: Company, keeper: User) -> RotationJob:
    """A rotation of the account that waits for a person."""
    return leave(acme)


@pytest.fixture
def through_a_team(acme: Company, keeper: User) -> Grant:
    """The team's grant makes its member an Owner; the member's task is the same."""
    access.end(acme.grant, actor=TESTS, reason="another role")
    return access.grant(acme.account, acme.team, actor=TESTS, role=GrantRole.OWNER)


def test_a_task_is_no_task_of_whose_grant_has_expired(acme: Company, keeper: User, job: RotationJob) -> None:
    browser = acme.browser(keeper)
    assert str(job.pk) in text_of(browser, "/tasks/")
    assert "a new password" in text_of(browser, "/")
    expire_grant(Grant.objects.get(user=keeper))
    assert str(job.pk) not in text_of(browser, "/tasks/")
    assert "needs a new password" not in text_of(browser, "/")
    refused(browser, job)


def test_a_task_is_no_task_of_whose_teams_grant_has_expired(
    acme: Company, through_a_team: Grant, job: RotationJob
) -> None:
    browser = acme.browser(acme.member)
    assert str(job.pk) in text_of(browser, "/tasks/")
    expire_grant(through_a_team)
    assert str(job.pk) not in text_of(browser, "/tasks/")
    refused(browser, job)


def test_a_task_is_no_task_of_a_person_past_their_time(acme: Company, keeper: User, job: RotationJob) -> None:
    expired = expire(keeper)
    assert not manual.waiting_for(expired).exists()
    for act in (manual.suggest, lambda job, user: manual.answer(job, user, Secret("taken-over-1"))):
        with pytest.raises(NotFound):
            act(job, keeper)
    assert SecretVersion.objects.filter(account=acme.account).count() == 1


def refused(browser: Client, job: RotationJob) -> None:
    """Neither shown nor suggested a password nor believed one."""
    before = SecretVersion.objects.filter(account=job.account).count()
    assert browser.get(f"/tasks/{job.pk}/").status_code == 404
    assert browser.post(f"/tasks/{job.pk}/suggest/").status_code == 404
    assert browser.post(f"/tasks/{job.pk}/", {"password": "taken-over-1"}).status_code == 404
    assert browser.post(f"/tasks/{job.pk}/", {"suggested": "1"}).status_code == 404
    assert SecretVersion.objects.filter(account=job.account).count() == before


def test_an_expired_grant_shows_no_account_and_no_password(acme: Company) -> None:
    browser, key = acme.browser(acme.member), program(acme.api_key)
    assert str(acme.account.pk) in text_of(browser, "/")
    expire_grant(acme.grant)
    assert str(acme.account.pk) not in text_of(browser, "/")
    assert key.get("/api/v1/accounts").json()["count"] == 0
    assert browser.get(f"/accounts/{acme.account.pk}/").status_code == 404
    assert browser.post(f"/accounts/{acme.account.pk}/reveal/").status_code == 404
    assert key.get(f"/api/v1/accounts/{acme.account.pk}").status_code == 404
    assert key.post(f"/api/v1/accounts/{acme.account.pk}/reveal").status_code == 404
    assert not Reveal.objects.filter(user=acme.member).exists()


def test_an_expired_manager_shares_nothing(acme: Company) -> None:
    manager = acme.person("manager")
    given = access.grant(acme.account, manager, actor=TESTS, role=GrantRole.MANAGER)
    assert access.shareable(manager, [acme.account.pk])
    expire_grant(given)
    assert not access.shareable(manager, [acme.account.pk])


def test_the_console_counts_no_expired_owner(acme: Company, keeper: User) -> None:
    path = f"/admin/workspace/account/{acme.account.pk}/change/"
    assert "No Owner" not in text_of(acme.browser(), path)
    expire_grant(Grant.objects.get(user=keeper))
    assert "No Owner" in text_of(acme.browser(), path)
    assert "No Owner" in text_of(acme.browser(), "/admin/workspace/account/?owner=none")


def test_the_console_shows_no_expired_grant_as_a_way_in(acme: Company, keeper: User) -> None:
    expire_grant(acme.grant)
    expire_grant(Grant.objects.get(user=keeper))
    access.grant(acme.account, guest := acme.person("guest"), actor=TESTS)
    expire(guest)
    assert "No account is within this person" in text_of(acme.browser(), f"/admin/workspace/user/{keeper.pk}/change/")
    page = text_of(acme.browser(), f"/admin/workspace/account/{acme.account.pk}/change/")
    who = page[page.index("Who can use it") :]
    assert not re.search(r"Keeper|Guest Person|Operations", who[: who.index("Rotations")])
    state = text_of(acme.browser(), f"/admin/workspace/grant/{acme.grant.pk}/change/")
    assert "Expired" in state
    live = text_of(acme.browser(), "/admin/workspace/grant/?state=live")
    assert f"/grant/{acme.grant.pk}/" not in live


def test_whom_an_expired_owner_leaves_alone_is_left_alone(acme: Company, keeper: User) -> None:
    """An Owner whose grant is over owns beside nobody: the other one's departure leaves an orphan."""
    other = acme.person("other")
    access.grant(acme.account, other, actor=TESTS, role=GrantRole.OWNER)
    assert acme.account.pk not in orphans.owned_alone(other)
    expire_grant(Grant.objects.get(user=keeper))
    assert acme.account.pk in orphans.owned_alone(other)


def test_who_leaves_at_their_time_leaves_what_they_owned_to_the_queue(acme: Company, keeper: User) -> None:
    """The sweep comes after the time: what they owned until then is nobody's now."""
    assert orphans.owned_alone(expire(keeper)) == [acme.account.pk]


def test_an_account_whose_owner_is_past_their_time_is_not_owned_again(acme: Company, keeper: User) -> None:
    orphan = Orphan.objects.create(workspace=acme.workspace, account=acme.account)
    expire(keeper)
    assert orphans.settle_owned() == 0
    orphan.refresh_from_db()
    assert orphan.settled_at is None
