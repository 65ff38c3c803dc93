"""What a workspace signs can be checked by anybody who has its public key, and by no other key."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from tests.companies import Company, company
from workspace import crypto, signing
from workspace.errors import Invalid, Undecryptable
from workspace.models import AuditEvent, SigningKey


@pytest.mark.django_db
def test_a_signature_fits_its_own_key_and_text_only(acme: Company, rival: Company) -> None:
    jws = signing.sign(acme.workspace, b"what was said")
    mine, theirs = (signing.jwk_of(signing.live_key(one.workspace)) for one in (acme, rival))

    assert signing.verify(jws, mine) == b"what was said"
    with pytest.raises(Invalid, match="does not fit"):
        signing.verify(jws, theirs)
    header, _, signature = jws.split(".")
    other = signing.sign(acme.workspace, b"what was not said").split(".")[1]
    with pytest.raises(Invalid, match="does not fit"):
        signing.verify(f"{header}.{other}.{signature}", mine)


@pytest.mark.django_db
@pytest.mark.parametrize("jws", ["", "a.b", "a.b.c.d", "!.!.!", "bnVsbA.e30.e30"])
def test_what_is_no_signature_is_said_to_be_none(acme: Company, jws: str) -> None:
    with pytest.raises(Invalid, match="RFC 7515"):
        signing.verify(jws, signing.jwk_of(signing.live_key(acme.workspace)))


@pytest.mark.django_db
def test_another_algorithm_is_not_believed(acme: Company) -> None:
    _, payload, signature = signing.sign(acme.workspace, b"x").split(".")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    with pytest.raises(Invalid, match="Ed25519"):
        signing.verify(f"{none}.{payload}.{signature}", signing.jwk_of(signing.live_key(acme.workspace)))


@pytest.mark.django_db
@pytest.mark.parametrize("jwk", [{}, {"kty": "RSA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}])
def test_a_key_of_another_kind_is_refused(acme: Company, jwk: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="no public Ed25519 key"):
        signing.verify(signing.sign(acme.workspace, b"x"), jwk)


@pytest.mark.django_db
def test_the_published_example_of_the_rfc_verifies_here() -> None:
    """RFC 8037, appendix A.4: another implementation's signature."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    jws = (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    assert signing.verify(jws, jwk) == b"Example of Ed25519 signing"


@pytest.mark.django_db
def test_the_private_half_is_sealed_for_its_row_and_making_it_is_recorded(acme: Company) -> None:
    key = signing.live_key(acme.workspace)
    assert set(signing.jwk_of(key)) == {"kty", "crv", "x", "kid", "alg", "use"}
    with pytest.raises(Undecryptable):
        crypto.unseal_at(bytes(key.sealed), f"signing/{uuid4()}/{key.pk}")
    assert AuditEvent.objects.get(verb="signing_key.made").detail == {"kid": key.kid}
    assert signing.live_key(acme.workspace) == key


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_make_one_key() -> None:
    workspace = company("acme").workspace

    def ask(_: int) -> str:
        try:
            return signing.live_key(workspace).kid
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert SigningKey.objects.for_workspace(workspace).count() == 1


def test_what_former_releases_signed_still_verifies() -> None:
    """Made by the code before joserfc, with the private key 00 01 02 … 1f."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}
    jws = (
        "eyJhbGciOiJFZERTQSIsImtpZCI6IjFJRzJ0TUg3SjJ3Ykpabk9mOExKelFpdEtmN0xNdm9BRWxzdURNVk01NFkifQ.e30."
        "CiL2CqR5_npsArPlP4mgUaIaFVwS77eFD9oXklFHz2o4HukKeizSV0sOeXT0zwXK30atLE2zNxoNo1v80HQeCw"
    )
    assert signing.verify(jws, jwk) == b"{}"
    assert signing.kid_of(jws) == "1IG2tMH7J2wbJZnOf8LJzQitKf7LMvoAElsuDMVM54Y"


@pytest.mark.django_db
def test_a_certificate_of_many_accounts_is_signed_and_verified(acme: Company) -> None:
    payload = b"x" * 3_000_000
    jws = signing.sign(acme.workspace, payload)
    assert signing.verify(jws, signing.jwk_of(signing.live_key(acme.workspace))) == payload
