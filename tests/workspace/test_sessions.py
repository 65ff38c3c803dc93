"""Devices and sessions: what a person and an Owner see of them and end; keys stay out of pages."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from rotation import sweep
from tests.companies import PASSWORD, Company
from workspace import clients, sessions
from workspace.audit import Actor
from workspace.errors import NotFound
from workspace.models import AuditEvent, Session

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0"
    " Mobile/15E148 Safari/604.1"
)


def signed_in(email: str = "member@acme.example", *, agent: str = FIREFOX, at: str = "203.0.113.7") -> Client:
    browser = Client(headers={"User-Agent": agent}, REMOTE_ADDR=at)
    assert browser.post("/login/", {"username": email, "password": PASSWORD}).status_code == 302
    return browser


def key_of(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def text(response: Any) -> str:
    return str(response.content.decode())


def is_in(browser: Client) -> bool:
    return browser.get("/api/v1/me").status_code == 200


def test_a_session_keeps_when_where_and_with_what_it_began(acme: Company) -> None:
    signed_in()
    session = Session.objects.get(user=acme.member)
    assert (session.address, session.user_agent) == ("203.0.113.7", FIREFOX)
    assert session.began_at is not None
    assert session.seen_at is not None


def test_a_session_in_use_is_seen_again_after_some_minutes(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = signed_in()
    began = Session.objects.get(user=acme.member)
    browser.get("/")
    assert Session.objects.get(user=acme.member).seen_at == began.seen_at
    later = time.time() + sessions.SEEN_AGAIN_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    browser.get("/", REMOTE_ADDR="198.51.100.1")
    seen = Session.objects.get(user=acme.member)
    assert seen.seen_at is not None
    assert began.seen_at is not None
    assert seen.seen_at > began.seen_at
    assert (seen.address, seen.began_at) == ("198.51.100.1", began.began_at)


def test_the_profile_lists_my_sessions_and_nobody_elses(acme: Company, rival: Company) -> None:
    here = signed_in()
    signed_in(agent=IPHONE, at="198.51.100.1")
    signed_in("owner@acme.example", at="192.0.2.1")
    signed_in("member@rival.example", at="192.0.2.2")
    page = text(here.get("/profile/"))
    assert "Firefox on Windows (this one)" in page
    assert "Safari on iPhone" in page
    assert "198.51.100.1" in page
    assert "192.0.2" not in page
    assert key_of(here) not in page


def test_one_session_ends_and_the_others_go_on(acme: Company) -> None:
    here, other, third = signed_in(), signed_in(), signed_in()
    key = key_of(other)
    answer = here.post(f"/profile/sessions/{sessions.digest(key)}/end/")
    assert answer["Location"] == "/profile/"
    assert [is_in(browser) for browser in (here, other, third)] == [True, False, True]
    assert AuditEvent.objects.filter(verb="session.ended", actor_id=acme.member.pk).count() == 1


def test_ending_ones_own_is_signing_out(acme: Company) -> None:
    here = signed_in()
    key = key_of(here)
    assert here.post(f"/profile/sessions/{sessions.digest(key)}/end/")["Location"] == "/login/"
    assert not is_in(here)
    assert not Session.objects.filter(user=acme.member).exists()


def test_all_others_end_at_once(acme: Company, rival: Company) -> None:
    here, other, colleague, theirs = (
        signed_in(), signed_in(), signed_in("owner@acme.example"), signed_in("member@rival.example"),
    )  # fmt: skip
    here.post("/profile/sessions/end-others/")
    assert [is_in(browser) for browser in (here, other, colleague, theirs)] == [True, False, True, True]


def test_a_session_of_anothers_is_one_that_does_not_exist(acme: Company, rival: Company) -> None:
    mine, theirs = signed_in(), signed_in("member@rival.example")
    key = key_of(theirs)
    for handle in (sessions.digest(key), key, "0" * 32):
        assert mine.post(f"/profile/sessions/{handle}/end/").status_code == 404
    assert is_in(theirs)
    with pytest.raises(NotFound):
        sessions.end(acme.member, sessions.digest(key), actor=Actor.person(acme.owner))


def test_an_owner_sees_and_ends_a_persons_sessions(acme: Company, rival: Company) -> None:
    member, other, theirs = signed_in(), signed_in(agent=IPHONE), signed_in("member@rival.example")
    owner = acme.browser()
    page = text(owner.get(f"/admin/workspace/user/{acme.member.pk}/change/"))
    assert "Firefox on Windows" in page
    assert "Safari on iPhone" in page
    key = key_of(other)
    path = f"/admin/workspace/user/{acme.member.pk}/sessions/"
    owner.post(path, {"session": sessions.digest(key)})
    assert [is_in(browser) for browser in (member, other)] == [True, False]
    owner.post(path, {"session": ""})
    assert [is_in(browser) for browser in (member, theirs)] == [False, True]
    events = AuditEvent.objects.filter(verb="session.ended", subject_id=acme.member.pk)
    assert {event.actor_id for event in events} == {acme.owner.pk}


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (FIREFOX, "Firefox on Windows"), (IPHONE, "Safari on iPhone"), ("curl/8.1", "curl on an unknown system"),
        ("", "A browser on an unknown system"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Linux"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
    ],
)  # fmt: skip
def test_devices_are_named_as_people_know_them(agent: str, said: str) -> None:
    assert clients.device_of(agent) == said


def test_what_a_browser_calls_itself_is_cut_and_escaped(acme: Company) -> None:
    browser = signed_in(agent="<script>alert(1)</script>" + "x" * 1000)
    assert len(Session.objects.get(user=acme.member).user_agent) == 300
    assert "<script>alert" not in text(browser.get("/profile/"))


def test_expired_sessions_are_deleted(acme: Company) -> None:
    here, expired = signed_in(), signed_in()
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk=sessions.digest(key_of(expired))).update(expire_date=past)
    sweep.upkeep()
    assert [session.digest for session in Session.objects.all()] == [sessions.digest(key_of(here))]
    assert is_in(here)
