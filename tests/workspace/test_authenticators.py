"""Authenticators of shared accounts: sealed, each code handed out once, whatever comes in between."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from django.db import IntegrityError, connection, transaction

from tests.companies import TESTS, Company
from workspace import authenticators
from workspace.authenticators import NoCodeYet
from workspace.crypto import Secret
from workspace.errors import Invalid, NotFound, Undecryptable
from workspace.models import AuditEvent, Authenticator

pytestmark = pytest.mark.django_db

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(time, "time", lambda: seconds)


def test_codes_are_those_of_rfc_6238(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appendix B: the secret "12345678901234567890", SHA-1, eight digits."""
    key = base64.b32encode(b"12345678901234567890").decode()
    authenticators.enroll(acme.account, Secret(f"otpauth://totp/x?secret={key}&digits=8"), actor=TESTS)
    for seconds, code in ((59, "94287082"), (1111111109, "07081804"), (20000000000, "65353130")):
        at(monkeypatch, seconds)
        assert authenticators.next_code(acme.account, within=0).reveal() == code


@pytest.mark.parametrize(
    ("algorithm", "secret", "code"),
    [
        ("SHA256", b"1234567890" * 3 + b"12", "46119246"),
        ("SHA512", b"1234567890" * 6 + b"1234", "90693936"),
    ],
)
def test_codes_by_the_newer_digests_are_those_of_rfc_6238(
    acme: Company, monkeypatch: pytest.MonkeyPatch, algorithm: str, secret: bytes, code: str
) -> None:
    """Appendix B, the row of second 59."""
    key = base64.b32encode(secret).decode().rstrip("=")
    address = f"otpauth://totp/x?secret={key}&digits=8&algorithm={algorithm}"
    authenticators.enroll(acme.account, Secret(address), actor=TESTS)
    at(monkeypatch, 59)
    assert authenticators.next_code(acme.account, within=0).reveal() == code


@pytest.mark.parametrize(
    "text", [KEY, KEY.lower(), " ".join(KEY[i : i + 4] for i in range(0, 32, 4)), KEY + "====", f"  {KEY}\n",
             f"otpauth://totp/Site:app?secret={KEY}&issuer=Site", f"otpauth://totp/x?secret={KEY.lower()}&digits=6"],
)  # fmt: skip
def test_a_key_is_taken_as_sites_show_it(acme: Company, text: str) -> None:
    authenticators.enroll(acme.account, Secret(text), actor=TESTS)
    code = authenticators.next_code(acme.account, within=0)
    assert pyotp.TOTP(KEY).verify(code.reveal(), valid_window=1)
    assert Authenticator.objects.get().digits == 6


def test_the_short_keys_of_many_sites_are_taken(acme: Company) -> None:
    authenticators.enroll(acme.account, Secret("JBSWY3DPEHPK3PXP"), actor=TESTS)
    assert len(authenticators.next_code(acme.account, within=0).reveal()) == 6


def test_what_an_address_says_is_kept(acme: Company) -> None:
    text = f"otpauth://totp/x?secret={KEY}&algorithm=sha256&digits=7&period=60"
    row = authenticators.enroll(acme.account, Secret(text), actor=TESTS)
    row.refresh_from_db()
    assert (row.algorithm, row.digits, row.period) == ("SHA256", 7, 60)


@pytest.mark.parametrize(
    "text",
    ["", "not a key!", "01890189", "JBSWY3DP", "otpauth://hotp/x?secret=" + KEY, "otpauth://totp/x", "\x00" * 32,
     "ÄÖÜ" * 9,
     f"otpauth://totp/x?secret={KEY}&digits=9", f"otpauth://totp/x?secret={KEY}&period=0",
     f"otpauth://totp/x?secret={KEY}&period=-1", f"otpauth://totp/x?secret={KEY}&algorithm=MD5"],
)  # fmt: skip
def test_what_is_no_key_is_refused_and_not_repeated(acme: Company, text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        authenticators.enroll(acme.account, Secret(text), actor=TESTS)
    assert refusal.value.field == "key"
    assert KEY not in refusal.value.detail
    assert not Authenticator.objects.exists()


def test_a_code_is_handed_out_once(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticators.enroll(acme.account, Secret(KEY), actor=TESTS)
    at(monkeypatch, 1000)
    first = authenticators.next_code(acme.account, within=0)
    with pytest.raises(NoCodeYet) as refusal:
        authenticators.next_code(acme.account, within=5)
    assert refusal.value.seconds == 20  # the step ends at 1020
    at(monkeypatch, 1020)
    assert authenticators.next_code(acme.account, within=0) != first


def test_a_clock_that_goes_back_hands_out_nothing_again(acme: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    authenticators.enroll(acme.account, Secret(KEY), actor=TESTS)
    at(monkeypatch, 10_000)
    authenticators.next_code(acme.account, within=0)
    at(monkeypatch, 5_000)
    with pytest.raises(NoCodeYet):
        authenticators.next_code(acme.account, within=0)


def test_the_next_code_is_waited_for(acme: Company) -> None:
    authenticators.enroll(acme.account, Secret(f"otpauth://totp/x?secret={KEY}&period=1"), actor=TESTS)
    codes = {authenticators.next_code(acme.account, within=10).reveal() for _ in range(3)}
    assert len(codes) == 3


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_two_codes(acme: Company) -> None:
    authenticators.enroll(acme.account, Secret(f"otpauth://totp/x?secret={KEY}&period=1"), actor=TESTS)

    def take(_: int) -> str:
        try:
            return authenticators.next_code(acme.account, within=20).reveal()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        codes = list(pool.map(take, range(3)))
    assert len(set(codes)) == 3


def test_the_key_is_sealed_for_its_account(acme: Company, rival: Company) -> None:
    row = authenticators.enroll(acme.account, Secret(KEY), actor=TESTS)
    other = authenticators.enroll(rival.account, Secret("JBSWY3DPEHPK3PXQJBSWY3DPEHPK3PXQ"), actor=TESTS)
    assert KEY.encode() not in bytes(row.sealed)
    Authenticator.objects.filter(pk=other.pk).update(sealed=row.sealed)
    with pytest.raises(Undecryptable):
        authenticators.next_code(rival.account, within=0)


def test_the_database_keeps_it_in_its_workspace(acme: Company, rival: Company) -> None:
    row = authenticators.enroll(acme.account, Secret(KEY), actor=TESTS)
    with pytest.raises(IntegrityError), transaction.atomic():
        Authenticator.objects.filter(pk=row.pk).update(account=rival.account)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_new_key_replaces_the_former_and_removing_it_is_written_down(acme: Company) -> None:
    authenticators.enroll(acme.account, Secret(KEY), actor=TESTS)
    authenticators.next_code(acme.account, within=0)
    authenticators.enroll(acme.account, Secret("JBSWY3DPEHPK3PXQ"), actor=TESTS)
    authenticators.next_code(acme.account, within=0)  # another key, another code
    for _ in range(2):
        authenticators.remove(acme.account, actor=TESTS)
    assert authenticators.find(acme.account) is None
    with pytest.raises(NotFound, match="No authenticator"):
        authenticators.next_code(acme.account, within=0)
    written = AuditEvent.objects.filter(verb__startswith="account.authenticator").order_by("id")
    assert [event.verb.rpartition("_")[2] for event in written] == ["stored", "stored", "removed"]
    assert KEY not in str(list(written.values()))
