"""What is stored of a session gives no way in: only digests of keys, wherever the product keeps anything."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, TESTS, Company
from workspace import deactivation, invitations, sessions
from workspace.models import Session

pytestmark = pytest.mark.django_db

COOKIE = settings.SESSION_COOKIE_NAME
NEW = "mellow copper lantern 77"


def signed_in(email: str = "member@acme.example") -> Client:
    browser = Client()
    assert browser.post("/login/", {"username": email, "password": PASSWORD}).status_code == 302
    return browser


def key_of(browser: Client) -> str:
    return browser.cookies[COOKIE].value


def with_cookie(value: str) -> Client:
    browser = Client()
    browser.cookies[COOKIE] = value
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/api/v1/me").status_code == 200


def places_of(text: str) -> set[str]:
    """Where the database and Valkey hold a text, as it is, in hex or in base64."""
    forms = {text, text.encode().hex(), base64.b64encode(text.encode()).decode().rstrip("=")}
    stored = [*rows(), *session_data(), *valkey()]
    assert len(stored) > 50
    return {place for place, contents in stored for form in forms if form in contents}


def rows() -> Iterator[tuple[str, str]]:
    """Each row of each table, as text; bytes are hex in it."""
    with connection.cursor() as cursor:
        tables = "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname"
        cursor.execute(f"{tables} NOT IN ('pg_catalog', 'information_schema')")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT one::text FROM {table} AS one")
            yield from ((table, text) for (text,) in cursor.fetchall())


def session_data() -> Iterator[tuple[str, str]]:
    """What a reader of the rows gets by undoing Django's compression."""
    return (("session data", json.dumps(session.get_decoded())) for session in Session.objects.all())


def valkey() -> Iterator[tuple[str, str]]:
    """Each key with its value, in all of the server's databases."""
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        numbers = [int(name.removeprefix("db")) for name in server.info("keyspace")]
    for number in numbers:
        with redis.Redis.from_url(settings.REDIS_URL, db=number) as server:
            yield from (("Valkey", f"{key!r} {value_of(server, key)!r}") for key in server.scan_iter())


def value_of(server: Any, key: bytes) -> object:
    readers: dict[bytes, Callable[[bytes], object]] = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"list": lambda name: server.lrange(name, 0, -1),
        b"zset": lambda name: server.zrange(name, 0, -1, withscores=True),
        b"stream": server.xrange,
        b"none": lambda name: None,  # lapsed since it was listed
    }
    return readers[server.type(key)](key)


def test_no_key_of_a_session_is_stored_anywhere(acme: Company, caplog: pytest.LogCaptureFixture) -> None:
    """Each step of a person's way gives the browser a key, or uses it; none of them is kept."""
    caplog.set_level("DEBUG")
    app, browser, keys = Authenticator.of(acme.owner), Client(), set()
    other = acme.browser()
    for path, data, status in (
        ("/login/", {"username": "owner@acme.example", "password": PASSWORD}, 302),
        ("/login/code/", {"code": app.wrong()}, 200),
        ("/login/code/", {"code": app.code()}, 302),
        ("/", None, 200),
        ("/admin/", None, 200),
        (f"/admin/workspace/user/{acme.owner.pk}/change/", None, 200),
        ("/keys/", {"label": "laptop"}, 200),
        ("/second-factor/", {}, 200),
        ("/profile/", {"current": "wrong", "password": NEW, "password_again": NEW}, 200),
        ("/profile/", None, 200),
        (f"/profile/sessions/{'0' * 64}/end/", {}, 404),
        ("/profile/sessions/end-others/", {}, 302),
        ("/logout/", {}, 302),
    ):
        answer = browser.get(path) if data is None else browser.post(path, data)
        forget_used(acme.owner)
        assert answer.status_code == status, path
        keys |= {key_of(browser), key_of(other)} - {""}
        assert {place for key in keys for place in places_of(key)} == set(), path
        assert not [key for key in keys if key in caplog.text], path
    assert len(keys) == 3


def test_digests_are_found_where_keys_are_not(acme: Company) -> None:
    """The search above looks where sessions are kept."""
    browser = signed_in()
    browser.post("/profile/", {"current": "wrong", "password": NEW, "password_again": NEW})
    assert places_of(sessions.digest(key_of(browser))) == {"public.workspace_session", "Valkey"}


def test_a_digest_in_a_cookie_is_nobody(acme: Company) -> None:
    """Whoever reads the table has it, and sends it."""
    key = key_of(signed_in())
    for value in (sessions.digest(key), Session.objects.get(user=acme.member).pk, key[:-1], key.upper(), "\x00" * 32):
        assert not is_in(with_cookie(value))
    assert is_in(with_cookie(key))


def test_the_database_takes_no_key(acme: Company) -> None:
    with pytest.raises(IntegrityError, match="session_is_digest"), transaction.atomic():
        Session.objects.create(digest="k" * 32, session_data="", expire_date=timezone.now())


def test_each_step_of_signing_in_kills_the_key_before(acme: Company) -> None:
    app, browser = Authenticator.of(acme.member), Client()
    dead: list[str] = []
    for path, data in (
        ("/login/", {"username": "member@acme.example", "password": PASSWORD}),
        ("/login/code/", {"code": app.code()}),
        ("/profile/", {"current": PASSWORD, "password": NEW, "password_again": NEW}),
    ):
        assert browser.post(path, data).status_code == 302
        assert key_of(browser) not in dead
        assert not [key for key in dead if is_in(with_cookie(key))]
        dead.append(key_of(browser))
    assert is_in(browser)
    assert Session.objects.count() == 1


def test_a_key_that_somebody_chose_becomes_no_session(acme: Company) -> None:
    browser = with_cookie("a" * 32)
    browser.post("/login/", {"username": "member@acme.example", "password": PASSWORD})
    assert key_of(browser) != "a" * 32
    assert is_in(browser)
    assert not is_in(with_cookie("a" * 32))


def test_an_ended_session_ends_for_every_holder_of_its_key(acme: Company, rival: Company) -> None:
    """However it ends: the key opens nothing any more, and nobody else's session is touched."""
    theirs = signed_in("member@rival.example")
    for end in ("log-out", "one", "departure"):
        browser = signed_in()
        copy = with_cookie(key_of(browser))
        assert is_in(copy)
        if end == "log-out":
            browser.post("/logout/")
        elif end == "one":
            sessions.end(acme.member, sessions.digest(key_of(browser)), actor=TESTS)
        else:
            deactivation.deactivate(acme.member, actor=TESTS, reason="left")
        assert not is_in(copy), end
        assert not Session.objects.filter(user=acme.member).exists(), end
    assert is_in(theirs)


def test_the_asynchronous_interface_keeps_digests_as_well() -> None:
    async_to_sync(_use_asynchronously)()


async def _use_asynchronously() -> None:
    store = sessions.SessionStore()
    await store.aset("kept", 1)
    await store.asave()
    assert await Session.objects.filter(pk=sessions.digest(store.session_key)).aexists()
    again = sessions.SessionStore(store.session_key)
    assert await again.aget("kept") == 1
    await again.acycle_key()
    assert not await again.aexists(store.session_key or "")
    assert await again.aexists(again.session_key or "")
    await again.aflush()
    assert not await Session.objects.aexists()


def test_an_invitation_under_way_is_in_no_row(acme: Company) -> None:
    """Between the link and the new password the browser alone keeps the link's token."""
    browser, link = Client(), invitations.invite(acme.member, actor=TESTS)
    token = link.split("/")[3]
    page = browser.get(link)["Location"]
    assert browser.get(page).status_code == 200
    assert places_of(token) == set()
    assert browser.post(page, {"password": NEW, "password_again": NEW}).status_code == 302
    assert browser.get(page).status_code == 404
    assert token not in str(browser.cookies)


def test_an_invitations_cookie_goes_to_its_page_alone(acme: Company) -> None:
    browser, link = Client(), invitations.invite(acme.member, actor=TESTS)
    answer = browser.get(link)
    (cookie,) = [one for one in answer.cookies.values() if one.value == link.split("/")[3]]
    assert cookie["path"] == answer["Location"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 24 * 3600)
