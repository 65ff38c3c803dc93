"""The second factor: set up, asked for, each code once, never guessed, lost and taken away; whose it is."""

import base64
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from tests.authenticator import Authenticator, forget_used
from tests.companies import PASSWORD, TESTS, Company
from tests.console_world import support
from workspace import deactivation, people, pseudonymisation, second_factor
from workspace.audit import Actor
from workspace.errors import Conflict, Invalid, Refused
from workspace.models import AuditEvent, RecoveryCode, Role, Session, TotpDevice, User

pytestmark = pytest.mark.django_db



@pytest.fixture(autouse=True)
def _still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands in the middle of a step, so that no code ages while a test runs."""
    now = time.time() // 30 * 30 + 15
    monkeypatch.setattr(time, "time", lambda: now)


WRONG = "does not fit"
KEY = re.compile(r'id="key"[^>]*>([A-Z2-7 ]+)<')
CODE = re.compile(r"\b[a-z2-9]{4}(?:-[a-z2-9]{4}){3}\b")


def text(response: Any) -> str:
    return str(response.content.decode())


def first_step(email: str, *, to: str = "/") -> Client:
    """A browser after the right password."""
    browser = Client()
    answer = browser.post("/login/", {"username": email, "password": PASSWORD, "next": to})
    assert answer["Location"] == "/login/code/"
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/api/v1/me").status_code == 200


def verbs(user: User) -> list[str]:
    return list(AuditEvent.objects.filter(subject_id=user.pk).order_by("id").values_list("verb", flat=True))


def set_up(browser: Client) -> tuple[Authenticator, list[str]]:
    """As a person does it in the web app; the recovery codes."""
    page = text(browser.post("/second-factor/", {"proof": PASSWORD}))
    app = Authenticator(KEY.findall(page)[0])
    shown = text(browser.post("/second-factor/confirm/", {"code": app.code()}))
    return app, CODE.findall(shown)


# Setting it up


def test_a_person_sets_it_up_with_an_app_and_is_shown_ten_recovery_codes_once(acme: Company) -> None:
    browser = acme.browser(acme.member)
    _, codes = set_up(browser)
    assert len(set(codes)) == 10
    assert second_factor.is_enrolled(acme.member)
    assert "second_factor.set_up" in verbs(acme.member)
    again = text(browser.get("/second-factor/"))
    assert not CODE.findall(again)
    assert not KEY.findall(again)
    assert "10 of your recovery codes are left" in again


def test_the_key_is_shown_as_a_picture_without_script_or_style(acme: Company) -> None:
    page = text(acme.browser(acme.member).post("/second-factor/", {"proof": PASSWORD}))
    assert re.search(r"<svg[^>]*>.*</svg>", page, re.S)
    assert not re.search(r"\sstyle=|<style|<script", page)


def test_a_wrong_first_code_sets_nothing_up_and_shows_the_same_key(acme: Company) -> None:
    browser = acme.browser(acme.member)
    key = KEY.findall(text(browser.post("/second-factor/", {"proof": PASSWORD})))
    page = text(browser.post("/second-factor/confirm/", {"code": Authenticator(key[0]).wrong()}))
    assert WRONG in page
    assert KEY.findall(page) == key
    assert not second_factor.is_enrolled(acme.member)
    assert "second_factor.set_up" not in verbs(acme.member)


def test_a_borrowed_browser_sets_nothing_up(acme: Company) -> None:
    """Whoever could would lock the person out."""
    browser = acme.browser(acme.member)
    for proof in ({}, {"proof": "wrong"}):
        assert not KEY.findall(text(browser.post("/second-factor/", proof)))
    assert not TotpDevice.objects.exists()


def test_a_key_that_was_begun_long_ago_cannot_be_confirmed(acme: Company) -> None:
    app = Authenticator(second_factor.begin(acme.member).key.reveal())
    TotpDevice.objects.update(created_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(Refused, match="too long"):
        second_factor.confirm(acme.member, app.code(), actor=TESTS)


def test_other_sessions_end_when_it_is_set_up(acme: Company) -> None:
    here, elsewhere = acme.browser(acme.member), acme.browser(acme.member)
    set_up(here)
    assert is_in(here)
    assert not is_in(elsewhere)


def test_another_app_takes_the_place_of_the_first_only_when_confirmed(acme: Company) -> None:
    first = Authenticator.of(acme.member)
    second = Authenticator(second_factor.begin(acme.member).key.reveal())
    assert second_factor.verify(acme.member, second.code()) is None
    forget_used(acme.member)
    assert second_factor.verify(acme.member, first.code()) == "totp"
    second_factor.confirm(acme.member, second.code(), actor=TESTS)
    forget_used(acme.member)
    assert second_factor.verify(acme.member, first.code()) is None
    forget_used(acme.member)
    assert second_factor.verify(acme.member, second.code()) == "totp"
    assert verbs(acme.member)[-1] == "second_factor.replaced"


def test_nothing_stored_gives_the_key_or_a_code(acme: Company) -> None:
    enrolment = second_factor.begin(acme.member)
    app = Authenticator(enrolment.key.reveal())
    codes = second_factor.confirm(acme.member, app.code(), actor=TESTS)
    stored = str([*TotpDevice.objects.values(), *RecoveryCode.objects.values(), *AuditEvent.objects.values()])
    raw = base64.b32decode(enrolment.key.reveal())
    for secret in (enrolment.key.reveal(), raw.hex(), repr(raw)[2:-1], *(code.reveal() for code in codes)):
        assert secret not in stored
    assert str(enrolment) == "Enrolment(key=***, uri=***)"


def test_a_sealed_key_moved_to_another_person_does_not_open(acme: Company, rival: Company) -> None:
    app = Authenticator.of(rival.member)
    Authenticator.of(acme.member)
    sealed = TotpDevice.objects.get(user=rival.member).sealed
    TotpDevice.objects.filter(user=acme.member).update(sealed=sealed)
    with pytest.raises(Exception, match="moved from another place"):
        second_factor.verify(acme.member, app.code())


# Signing in with it


def test_the_password_alone_lets_nobody_in(acme: Company) -> None:
    Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    assert not is_in(browser)
    assert browser.get("/")["Location"].startswith("/login/")
    assert not Session.objects.filter(user=acme.member).exists()


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_the_code_of_now_or_a_step_away_lets_a_person_in(acme: Company, steps: int) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example", to="/keys/")
    answer = browser.post("/login/code/", {"code": app.code(steps=steps)})
    assert answer["Location"] == "/keys/"
    assert is_in(browser)
    event = AuditEvent.objects.filter(verb="person.signed_in").get()
    assert (event.actor_id, event.detail) == (acme.member.pk, {"second_factor": "totp"})


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_of_another_time_does_not(acme: Company, steps: int) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    assert WRONG in text(browser.post("/login/code/", {"code": app.code(steps=steps)}))
    assert not is_in(browser)
    assert verbs(acme.member)[-1] == "person.code_refused"


def test_a_code_that_was_used_does_not_fit_again(acme: Company) -> None:
    """Whoever looked over the shoulder, or sits on the line, gains nothing."""
    app = Authenticator.of(acme.member)
    code = app.code()
    assert first_step("member@acme.example").post("/login/code/", {"code": code}).status_code == 302
    second = first_step("member@acme.example")
    assert WRONG in text(second.post("/login/code/", {"code": code}))
    assert not is_in(second)


def test_the_code_that_set_it_up_does_not_fit_again(acme: Company) -> None:
    app = Authenticator(second_factor.begin(acme.member).key.reveal())
    code = app.code()
    second_factor.confirm(acme.member, code, actor=TESTS)
    assert second_factor.verify(acme.member, code) is None


def test_an_earlier_code_does_not_fit_after_a_later_one(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    assert second_factor.verify(acme.member, app.code(steps=1)) == "totp"
    TotpDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    assert second_factor.verify(acme.member, app.code()) is None


def test_a_right_code_during_the_pause_after_a_wrong_one_does_not_fit(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    assert second_factor.verify(acme.member, app.wrong()) is None
    assert second_factor.verify(acme.member, app.code()) is None


def test_the_pause_grows_and_ends_within_a_quarter_of_an_hour(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    TotpDevice.objects.update(
        throttling_failure_count=40, throttling_failure_timestamp=timezone.now() - timedelta(minutes=14)
    )
    assert second_factor.verify(acme.member, app.code()) is None
    TotpDevice.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(minutes=15))
    assert second_factor.verify(acme.member, app.code()) == "totp"


@pytest.mark.parametrize("answer", ["", "12345", "1234567", "٠١٢٣٤٥", "abcdef", "-00001", "1e5", "\x00", "x" * 40])
def test_what_is_no_code_is_refused(acme: Company, answer: str) -> None:
    Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    assert browser.post("/login/code/", {"code": answer}).status_code == 200
    assert not is_in(browser)


def test_anothers_code_does_not_fit(acme: Company, rival: Company) -> None:
    theirs = Authenticator.of(rival.member)
    Authenticator.of(acme.member)
    assert second_factor.verify(acme.member, theirs.code()) is None
    assert second_factor.verify(acme.member, theirs.recovery_codes[0]) is None
    assert second_factor.codes_left(rival.member) == 10


def test_a_code_without_the_password_opens_nothing(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    assert Client().post("/login/code/", {"code": app.code()})["Location"] == "/login/"


def test_the_second_step_lapses(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    late = time.time() + 301
    monkeypatch.setattr(time, "time", lambda: late)
    assert browser.post("/login/code/", {"code": app.code()})["Location"] == "/login/"
    assert not is_in(browser)


@pytest.mark.parametrize("what", ["password", "departure"])
def test_the_second_step_ends_with_the_password_and_the_access(acme: Company, what: str) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    if what == "password":
        acme.member.set_password("another battery staple 10")
        acme.member.save(update_fields=["password"])
    else:
        deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert browser.post("/login/code/", {"code": app.code()})["Location"] == "/login/"
    assert not is_in(browser)


def test_the_two_steps_give_new_session_ids(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser = Client()
    browser.session["planted"] = "by an attacker"
    name = "".join(browser.cookies)
    seen = []
    for path, data in (
        ("/login/", {"username": "member@acme.example", "password": PASSWORD}), ("/login/code/", {"code": app.code()})
    ):  # fmt: skip
        browser.post(path, data)
        seen.append(next(value.value for key, value in browser.cookies.items() if "session" in key))
    assert len({name, *seen}) == 3


def test_the_wanted_page_stays_ours_through_both_steps(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example", to="https://evil.example/")
    assert browser.post("/login/code/", {"code": app.code()})["Location"] == "/"


# Recovery codes


def test_a_recovery_code_lets_a_person_in_once(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    code = app.recovery_codes[3]
    assert browser.post("/login/code/", {"code": f" {code.upper()} "}).status_code == 302
    assert "9 are left" in text(browser.get("/"))
    again = first_step("member@acme.example")
    assert WRONG in text(again.post("/login/code/", {"code": code}))
    assert second_factor.codes_left(acme.member) == 9


def test_a_recovery_code_works_while_wrong_codes_are_typed(acme: Company) -> None:
    """Somebody else's guesses pause the app's codes, and keep nobody out."""
    app = Authenticator.of(acme.member)
    second_factor.verify(acme.member, app.wrong())
    assert second_factor.verify(acme.member, app.recovery_codes[0]) == "recovery"


def test_new_recovery_codes_end_the_former(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    browser.post("/login/code/", {"code": app.code()})
    codes = CODE.findall(text(browser.post("/second-factor/codes/")))
    assert len(codes) == 10
    assert second_factor.verify(acme.member, app.recovery_codes[0]) is None
    assert second_factor.verify(acme.member, codes[0]) == "recovery"
    assert verbs(acme.member)[-1] == "second_factor.codes_renewed"


def test_recovery_codes_belong_to_a_second_factor(acme: Company) -> None:
    with pytest.raises(Refused):
        second_factor.renew_codes(acme.member, actor=TESTS)


# Taking it away


def test_a_member_may_do_without_again_and_an_owner_may_not(acme: Company) -> None:
    for user in (acme.member, acme.owner):
        Authenticator.of(user)
    second_factor.remove(acme.member, actor=Actor.person(acme.member))
    assert not second_factor.is_enrolled(acme.member)
    assert not RecoveryCode.objects.filter(user=acme.member).exists()
    with pytest.raises(Refused):
        second_factor.remove(acme.owner, actor=Actor.person(acme.owner))


def test_a_borrowed_browser_removes_and_renews_nothing(acme: Company) -> None:
    app = Authenticator.of(acme.member)
    browser = first_step("member@acme.example")
    browser.post("/login/code/", {"code": app.code()})
    session = browser.session
    session["reauthenticated_at"] = 0
    session.save()
    for path in ("/second-factor/remove/", "/second-factor/codes/"):
        assert not CODE.findall(text(browser.post(path, {"proof": "wrong"})))
    assert second_factor.is_enrolled(acme.member)
    assert second_factor.codes_left(acme.member) == 10
    forget_used(acme.member)
    browser.post("/second-factor/remove/", {"proof": app.code()})
    assert not TotpDevice.objects.exists()


def test_a_departure_ends_it_and_who_returns_begins_anew(acme: Company, rival: Company) -> None:
    """The phone may be the company's, or may have been lost: nothing that let in once does so again."""
    for user in (acme.member, rival.member):
        Authenticator.of(user)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert AuditEvent.objects.get(verb="person.deactivated").detail["second_factors"] == 1
    back = people.reactivate(acme.member, actor=TESTS)
    assert not second_factor.is_enrolled(back)
    assert not RecoveryCode.objects.filter(user=back).exists()
    assert second_factor.is_enrolled(rival.member)
    assert second_factor.codes_left(rival.member) == 10


def test_a_disabled_person_sets_nothing_up(acme: Company) -> None:
    second_factor.begin(acme.member)
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    assert not TotpDevice.objects.exists()
    for attempt in (second_factor.begin, second_factor.begun):
        with pytest.raises(Refused):
            attempt(acme.member)


def test_a_reset_takes_it_away_and_ends_the_sessions(acme: Company, rival: Company) -> None:
    Authenticator.of(acme.member)
    browser = acme.browser(acme.member)
    second_factor.reset(acme.member, actor=Actor.person(acme.owner))
    assert not is_in(browser)
    assert not TotpDevice.objects.exists()
    event = AuditEvent.objects.get(verb="second_factor.reset")
    assert (event.actor_id, event.subject_id) == (acme.owner.pk, acme.member.pk)
    with pytest.raises(Conflict):
        second_factor.reset(acme.member, actor=Actor.person(acme.owner))


def test_nobody_resets_their_own(acme: Company) -> None:
    Authenticator.of(acme.owner)
    with pytest.raises(Refused, match="another Owner"):
        second_factor.reset(acme.owner, actor=Actor.person(acme.owner))


def test_a_purge_leaves_nothing_of_it(acme: Company) -> None:
    deactivation.deactivate(acme.member, actor=TESTS, reason="left")
    TotpDevice(workspace=acme.workspace, user=acme.member, name="left behind", sealed=b"").save(force_insert=True)
    RecoveryCode.objects.create(workspace=acme.workspace, user=acme.member, digest=bytes(32))
    gone = pseudonymisation.pseudonymise(acme.member, actor=TESTS)
    assert (gone["second factors"], gone["recovery codes"]) == (1, 1)
    assert not TotpDevice.objects.exists()
    assert not RecoveryCode.objects.exists()


# Tenancy


def test_the_database_keeps_it_with_its_person(acme: Company, rival: Company) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TotpDevice(workspace=rival.workspace, user=acme.member, name="x", sealed=b"").save(force_insert=True)
        connection.check_constraints()
    with pytest.raises(IntegrityError), transaction.atomic():
        RecoveryCode.objects.create(workspace=rival.workspace, user=acme.member, digest=bytes(32))
        connection.check_constraints()


def test_platform_staff_have_one_without_a_workspace(acme: Company) -> None:
    staff = support()
    app = Authenticator.of(staff)
    browser = first_step("support@platform.example", to="/admin/")
    assert browser.post("/login/code/", {"code": app.code()})["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_a_wrong_first_code_names_its_field(acme: Company) -> None:
    app = Authenticator(second_factor.begin(acme.member).key.reveal())
    with pytest.raises(Invalid) as refused:
        second_factor.confirm(acme.member, app.wrong(), actor=TESTS)
    assert refused.value.field == "code"


def test_roles_do_not_matter_for_setting_it_up(acme: Company) -> None:
    person = acme.person("admin", role=Role.ADMIN)
    assert len(Authenticator.of(person).recovery_codes) == 10
