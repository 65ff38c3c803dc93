"""Guessing at the door: slow for strangers, never the end for the owner of the account, and telling nothing."""

import pickle
import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import hashers
from django.core.cache import cache, caches
from django.test import Client

from tests.companies import PASSWORD, TESTS, Company
from workspace import deactivation, people, throttle
from workspace.counters import count
from workspace.models import AuditEvent
from workspace.people import Profile

pytestmark = pytest.mark.django_db

WRONG = "wrong"
PLAIN = "do not fit together"
TWINS = "another battery staple 10"
PAUSED = "sign-in pauses for up to 15 minutes"


def attempt(
    name: str = "member@acme.example", password: str = WRONG, *, at: str = "203.0.113.7",
    browser: Client | None = None, headers: dict[str, str] | None = None, workspace: str = "",
) -> str:  # fmt: skip
    """What the door answers: the address it leads to, or the page."""
    typed = {"username": name, "password": password, "workspace": workspace}
    response = (browser or Client()).post("/login/", typed, REMOTE_ADDR=at, headers=headers or {})
    return response.get("Location") or response.content.decode()


def exhaust(**where: Any) -> None:
    for _ in range(throttle.TRIES):
        assert PLAIN in attempt(**where)


def test_a_name_from_an_address_pauses_after_a_few_wrong_tries(acme: Company) -> None:
    exhaust()
    page = attempt(password=PASSWORD)
    assert PLAIN in page
    assert PAUSED in page


def test_who_does_not_exist_is_paused_alike(acme: Company) -> None:
    """The pages differ in the name that was typed, and in nothing else."""

    def page(name: str) -> str:
        exhaust(name=name)
        return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", attempt(name).replace(name, ""))

    assert page("member@acme.example") == page("nobody@acme.example")


def test_another_address_and_another_name_go_on(acme: Company, rival: Company) -> None:
    exhaust()
    assert attempt(password=PASSWORD, at="198.51.100.1") == "/"
    assert attempt("owner@acme.example", PASSWORD) == "/"
    assert attempt("member@rival.example", PASSWORD) == "/"


def test_letter_case_and_blanks_make_no_other_name(acme: Company) -> None:
    exhaust()
    for name in ("MEMBER@acme.example", " member@acme.example "):
        assert PAUSED in attempt(name, PASSWORD)


def test_another_user_agent_is_no_other_client(acme: Company) -> None:
    exhaust()
    assert PAUSED in attempt(password=PASSWORD, headers={"User-Agent": "another"})


def test_addresses_of_one_ipv6_network_are_one(acme: Company) -> None:
    for n in range(throttle.TRIES):
        attempt(at=f"2001:db8:1:2::{n:x}")
    assert PAUSED in attempt(password=PASSWORD, at="2001:db8:1:2:ffff::1")
    assert attempt(password=PASSWORD, at="2001:db8:1:3::1") == "/"


def test_the_pause_ends_by_itself_and_is_not_made_longer_by_trying(acme: Company) -> None:
    exhaust()
    ends = [ttl(key) for key in counters()]
    for _ in range(3):
        assert PAUSED in attempt(password=PASSWORD)
    assert ends
    for before, after in zip(ends, map(ttl, counters()), strict=True):
        assert 0 < after <= before <= throttle.PAUSE_SECONDS
    cache.delete_many([key.split(":1:", 1)[1] for key in counters()])
    assert attempt(password=PASSWORD) == "/"


def client() -> Any:
    return cache._cache.get_client()  # type: ignore[attr-defined]  # the redis client behind Django's cache


def counters() -> list[str]:
    return sorted(key.decode() for key in client().keys(f"{cache.key_prefix}:*"))


def ttl(key: str) -> int:
    return int(client().ttl(key))


def test_the_right_password_lets_the_wrong_ones_before_be_forgotten(acme: Company) -> None:
    for _ in range(3):
        for _ in range(throttle.TRIES - 1):
            attempt()
        assert attempt(password=PASSWORD) == "/"


def test_many_addresses_slow_a_name_down_and_do_not_lock_it(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "TRIES_OF_A_NAME", 6)
    monkeypatch.setattr(throttle, "SLOW_SECONDS", 600)
    for n in range(6):
        assert PAUSED not in attempt(at=f"198.51.100.{n}")
    assert PAUSED not in attempt(at="198.51.100.100")  # the one try of that time
    assert PAUSED in attempt(password=PASSWORD, at="198.51.100.101")
    slow = [key for key in counters() if key.endswith(":slow")]
    assert 0 < ttl(slow[0]) <= throttle.SLOW_SECONDS
    cache.delete(slow[0].split(":1:", 1)[1])
    assert attempt(password=PASSWORD, at="198.51.100.101") == "/"


def test_strangers_cannot_keep_a_browser_out_that_signed_in_before(
    acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "TRIES_OF_A_NAME", 6)
    own = Client()
    assert attempt(password=PASSWORD, browser=own) == "/"
    own.post("/logout/")
    for n in range(8):
        attempt(at=f"198.51.100.{n}")
    exhaust_own_address = [attempt() for _ in range(6)]
    assert PAUSED in exhaust_own_address[-1]
    assert attempt(password=PASSWORD, browser=own) == "/"


def test_a_known_browser_is_counted_by_itself(acme: Company) -> None:
    own = Client()
    attempt(password=PASSWORD, browser=own)
    for _ in range(throttle.TRIES):
        attempt(browser=own)
    assert PAUSED in attempt(password=PASSWORD, browser=own, at="198.51.100.1")
    assert attempt(password=PASSWORD) == "/"


def test_a_known_browser_is_known_for_its_own_name_alone(acme: Company, rival: Company) -> None:
    """Whoever has one account gains no free tries at another."""
    own = Client()
    attempt("member@rival.example", PASSWORD, browser=own)
    exhaust(browser=own)
    assert PAUSED in attempt(password=PASSWORD)


def test_a_made_up_mark_of_a_known_browser_is_none(acme: Company) -> None:
    forger = Client()
    forger.cookies[throttle.COOKIE] = f"{acme.member.pk.hex}.0123456789abcdef:1tABCD:forged"
    exhaust(browser=forger)
    assert PAUSED in attempt(password=PASSWORD)


def test_many_names_from_one_address_pause_the_address(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "TRIES_FROM_AN_ADDRESS", 6)
    for n in range(6):
        attempt(f"guess{n}@acme.example")
    assert PAUSED in attempt(password=PASSWORD)
    assert attempt(password=PASSWORD, at="198.51.100.1") == "/"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "pauses"),
    [(0, "{n}.1.1.1", True), (1, "{n}.1.1.1, 203.0.113.9", True), (1, "9.9.9.9, 203.0.113.{n}", False),
     (1, "203.0.113.9:400{n}", True), (1, "[2001:db8::1]:400{n}", True), (1, "{n}.1.1.1, unknown", True),
     (2, "{n}.1.1.1", True)],
)
def test_addresses_are_those_that_trusted_proxies_saw(
    acme: Company, settings: Any, proxies: int, forwarded: str, pauses: bool
) -> None:
    settings.TRUSTED_PROXIES = proxies
    for n in range(throttle.TRIES):
        attempt(headers={"X-Forwarded-For": forwarded.format(n=n)})
    assert (PAUSED in attempt(headers={"X-Forwarded-For": forwarded.format(n=9)})) is pauses


def test_without_valkey_nobody_is_kept_out(acme: Company, settings: Any) -> None:
    """Okta and Valkey may be down on the same day."""
    connection = caches["default"]
    pool = connection._cache._pools  # type: ignore[attr-defined]
    kept, servers = dict(pool), list(connection._servers)  # type: ignore[attr-defined]
    pool.clear()
    connection._cache._servers[:] = ["redis://127.0.0.1:1/0"]  # type: ignore[attr-defined]
    try:
        assert PLAIN in attempt()
        assert attempt(password=PASSWORD) == "/"
    finally:
        connection._cache._servers[:] = servers  # type: ignore[attr-defined]
        pool.clear()
        pool.update(kept)


def test_what_the_counters_keep_names_nobody(acme: Company) -> None:
    attempt()
    kept = str(counters()) + str([client().get(key) for key in counters()])
    assert "member" not in kept
    assert "203.0.113" not in kept


@pytest.mark.parametrize(
    "junk", [pickle.dumps({"would": "run"}), b"", b"not JSON", b"[1]", b"null", b"1e9", b"NaN", b"9" * 5000, b"\xff"]
)
def test_what_is_no_count_is_one_that_begins_anew(acme: Company, junk: bytes) -> None:
    """Whoever reaches Valkey may write anything into it; nobody is answered with a failure for that."""
    attempt()
    kept = counters()
    for key in kept:
        client().set(key, junk)
    exhaust()
    assert PAUSED in attempt(password=PASSWORD)
    assert all(int(client().get(key)) == throttle.TRIES for key in kept if not key.endswith("slow"))


def test_what_is_of_another_type_is_replaced(acme: Company) -> None:
    attempt()
    for key in counters():
        client().delete(key)
        client().rpush(key, "x")
    assert PLAIN in attempt()
    exhaust()
    assert PAUSED in attempt(password=PASSWORD)


def test_a_proof_is_counted_whatever_stands_in_the_place_of_its_count() -> None:
    key = f"proof:{uuid4()}"
    for junk in ("x", "[1]"):
        client().set(cache.make_key(key), junk)
        assert [count(key, seconds=60), count(key, seconds=60)] == [1, 2]


# One name in two workspaces


def twin_of_member(company: Company) -> None:
    """Somebody in `company` with the e-mail of acme's member and a password that its Owner chose."""
    twin = people.provision(company.workspace, Profile("twin", email="member@acme.example"), actor=TESTS)
    twin.set_password(TWINS)
    twin.save(update_fields=["password"])


@pytest.mark.parametrize("workspace", ["", "acme", "rival\x00", "rival" + " " * 60 + "x"])
def test_a_browser_that_a_namesake_signed_in_with_is_not_known(acme: Company, rival: Company, workspace: str) -> None:
    """An Owner elsewhere makes somebody of the victim's name, signs in as them, and guesses as a known browser."""
    twin_of_member(rival)
    own = Client()
    assert attempt(password=TWINS, browser=own) == "/"
    for n in range(throttle.TRIES):
        attempt(browser=own, workspace=workspace, at=f"198.51.100.{n}")
    assert len(name_counters()) == (0 if "rival" in workspace else 1)
    exhaust(browser=own)
    assert PAUSED in attempt(password=PASSWORD, workspace="acme")


def test_a_namesakes_right_password_forgets_no_guess_at_another(acme: Company, rival: Company) -> None:
    twin_of_member(rival)
    for workspace in ("acme", "acme", "", ""):
        assert PLAIN in attempt(workspace=workspace)
        assert attempt(password=TWINS, workspace=workspace and "rival") == "/"
    attempt(workspace="acme")
    assert PAUSED in attempt(password=PASSWORD, workspace="acme")


def test_who_names_the_workspace_is_known_all_the_same(acme: Company, rival: Company) -> None:
    twin_of_member(rival)
    own = Client()
    assert attempt(password=PASSWORD, browser=own) == "/"
    exhaust()
    assert PAUSED in attempt(password=PASSWORD, browser=own)
    assert attempt(password=PASSWORD, browser=own, workspace="acme") == "/"


def name_counters() -> list[str]:
    return [key for key in counters() if ":sign-in:name:" in key]


# As long for everybody


@pytest.mark.parametrize("name", [f"{name}@acme.example" for name in ("member", "nobody", "new", "gone")])
def test_a_wrong_password_costs_one_hash_and_one_event_whoever_is_meant(
    acme: Company, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    people.provision(acme.workspace, Profile("new@acme.example"), actor=TESTS)  # has no password
    deactivation.deactivate(acme.person("gone"), actor=TESTS, reason="left")
    hashed: list[int] = []
    before = AuditEvent.objects.count()
    hasher = hashers.get_hasher()
    for method in ("encode", "verify"):
        monkeypatch.setattr(type(hasher), method, counting(hashed, getattr(type(hasher), method)))
    assert PLAIN in attempt(name)
    assert len(hashed) == 1
    assert AuditEvent.objects.count() == before + 1


def counting(seen: list[Any], call: Any) -> Any:
    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return call(*args, **kwargs)

    return counted


def test_a_failed_sign_in_is_an_event_of_the_person_who_was_meant(acme: Company, rival: Company) -> None:
    attempt()
    event = AuditEvent.objects.get(verb="person.sign_in_failed")
    assert (event.workspace, event.subject_id) == (acme.workspace, acme.member.pk)
    assert not AuditEvent.objects.filter(workspace=rival.workspace, verb="person.sign_in_failed").exists()


def test_what_was_typed_for_nobody_is_written_down_nowhere(acme: Company) -> None:
    """People type their password into the wrong field."""
    attempt("my secret password 7")
    event = AuditEvent.objects.get(verb="person.sign_in_failed")
    assert (event.workspace, event.subject_id) == (None, None)
    assert "secret password" not in str(list(AuditEvent.objects.values()))
