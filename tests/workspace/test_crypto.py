"""Sealed secrets open in their own place only, and never show."""

import base64
import os
import pickle
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.companies import TESTS, Company
from workspace import accounts, credentials, crypto
from workspace.crypto import Secret
from workspace.errors import Undecryptable
from workspace.models import SecretVersion

PLACE = {"workspace": UUID(int=1), "account": UUID(int=2)}


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_what_was_sealed_opens_in_its_place() -> None:
    sealed = crypto.seal(Secret("pässword"), **PLACE, version=3)
    assert crypto.unseal(sealed, **PLACE, version=3) == Secret("pässword")
    assert "pässword".encode() not in sealed


@pytest.mark.parametrize("elsewhere", [{"workspace": uuid4()}, {"account": uuid4()}, {"version": 4}])
def test_a_ciphertext_moved_elsewhere_does_not_open(elsewhere: dict[str, Any]) -> None:
    sealed = crypto.seal(Secret("x"), **PLACE, version=3)
    with pytest.raises(Undecryptable, match="moved"):
        crypto.unseal(sealed, **{**PLACE, "version": 3, **elsewhere})


def test_a_secret_of_another_kind_is_bound_to_its_place_too() -> None:
    sealed = crypto.seal_at(Secret("whsec"), f"webhook/{UUID(int=1)}/{UUID(int=2)}")
    assert crypto.unseal_at(sealed, f"webhook/{UUID(int=1)}/{UUID(int=2)}") == Secret("whsec")
    with pytest.raises(Undecryptable, match="moved"):
        crypto.unseal_at(sealed, f"webhook/{UUID(int=3)}/{UUID(int=2)}")


def test_an_unknown_key_is_an_error_and_a_former_key_still_opens(settings: Any) -> None:
    former = settings.ENCRYPTION_KEYS = [key()]
    sealed = crypto.seal(Secret("x"), **PLACE, version=1)
    settings.ENCRYPTION_KEYS = [key(), *former]
    assert crypto.unseal(sealed, **PLACE, version=1) == Secret("x")
    settings.ENCRYPTION_KEYS = [key()]
    with pytest.raises(Undecryptable, match="CERBY_ENCRYPTION_KEYS"):
        crypto.unseal(sealed, **PLACE, version=1)


@pytest.mark.parametrize("damaged", [b"", b"\x01", os.urandom(60)], ids=["empty", "short", "random"])
def test_damaged_bytes_are_an_error_and_never_handed_on(damaged: bytes) -> None:
    with pytest.raises(Undecryptable):
        crypto.unseal(damaged, **PLACE, version=1)


def test_the_same_password_is_sealed_differently_each_time() -> None:
    assert crypto.seal(Secret("x"), **PLACE, version=1) != crypto.seal(Secret("x"), **PLACE, version=1)


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret!r} {secret!s} {secret} {[secret]} {secret:>40}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@pytest.mark.django_db
def test_a_row_copied_to_a_rivals_account_does_not_open(acme: Company, rival: Company) -> None:
    mine = accounts.current_version(acme.account)
    assert mine is not None
    SecretVersion.objects.filter(account=rival.account).update(sealed=mine.sealed)
    theirs = accounts.current_version(rival.account)
    assert theirs is not None
    with pytest.raises(Undecryptable):
        accounts.open_version(theirs)


@pytest.mark.django_db
def test_a_stored_password_is_the_only_current_one_and_the_former_is_kept(acme: Company) -> None:
    accounts.store_password(acme.account, Secret("second"), actor=TESTS)
    versions = SecretVersion.objects.filter(account=acme.account).order_by("number")
    assert [version.visible_until is None for version in versions] == [False, True]
    assert accounts.open_version(versions[0]) == acme.account_password


def test_a_credential_is_recognised_and_a_mistyped_one_is_not() -> None:
    issued = credentials.issue("scim")
    text = issued.token.reveal()
    assert credentials.lookup_of(text, "scim") == issued.lookup
    assert credentials.fits(text, issued.digest)
    assert credentials.lookup_of(text, "key") is None
    assert credentials.lookup_of(text[:-1], "scim") is None
    for place in range(len("cerby_scim_"), len(text)):
        typo = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        assert credentials.lookup_of(typo, "scim") is None
