"""Signatures that others can check without us: compact JWS (RFC 7515) by Ed25519 (RFC 8037), one key a workspace."""

import base64
import binascii
import hashlib
import json
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.db import IntegrityError, transaction

from workspace import audit, crypto
from workspace.audit import Actor
from workspace.crypto import Secret
from workspace.errors import Invalid
from workspace.models import SigningKey, Workspace

PUBLIC_BYTES: Final = 32

Jwk = dict[str, str]


def sign(workspace: Workspace, payload: bytes) -> str:
    """A compact JWS over `payload` by the workspace's key, which is made when it is first needed."""
    key = live_key(workspace)
    private = Ed25519PrivateKey.from_private_bytes(_decoded(crypto.unseal_at(bytes(key.sealed), _place(key)).reveal()))
    signed = f"{_encoded(_json({'alg': 'EdDSA', 'kid': key.kid}))}.{_encoded(payload)}"
    return f"{signed}.{_encoded(private.sign(signed.encode()))}"


def verify(jws: str, jwk: Jwk) -> bytes:
    """The payload that the holder of `jwk` signed. Raises Invalid, saying why, when they did not."""
    header, payload, signature = _parts(jws)
    if header.get("alg") != "EdDSA":
        raise Invalid("The signature is not one by Ed25519 (EdDSA).")
    try:
        _public(jwk).verify(signature, jws.rpartition(".")[0].encode())
    except InvalidSignature:
        raise Invalid("The signature does not fit: the text was changed, or another key signed it.") from None
    return payload


def kid_of(jws: str) -> str:
    """Which key a JWS says signed it. Raises Invalid for what is no JWS."""
    return str(_parts(jws)[0].get("kid", ""))


def live_key(workspace: Workspace) -> SigningKey:
    """The key that signs now."""
    live = SigningKey.objects.for_workspace(workspace).filter(retired_at=None)
    return live.first() or _make(workspace) or live.get()


def jwk_of(key: SigningKey) -> Jwk:
    """The public half as a JSON Web Key (RFC 7517, RFC 8037 section 2)."""
    return {**_jwk(bytes(key.public)), "kid": key.kid, "alg": "EdDSA", "use": "sig"}


def _make(workspace: Workspace) -> SigningKey | None:
    """A new key; None when another request made one just now."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    key = SigningKey(workspace=workspace, public=public, kid=_thumbprint(public))
    key.sealed = crypto.seal_at(Secret(_encoded(private.private_bytes_raw())), _place(key))
    try:
        with transaction.atomic():
            key.save(force_insert=True)
            audit.record(workspace, "signing_key.made", key, actor=Actor.system("certificates"), kid=key.kid)
    except IntegrityError:
        return None
    return key


def _place(key: SigningKey) -> str:
    return f"signing/{key.workspace_id}/{key.pk}"


def _jwk(public: bytes) -> Jwk:
    return {"crv": "Ed25519", "kty": "OKP", "x": _encoded(public)}


def _thumbprint(public: bytes) -> str:
    return _encoded(hashlib.sha256(_json(_jwk(public))).digest())


def _public(jwk: Jwk) -> Ed25519PublicKey:
    public = _decoded(str(jwk.get("x", "")))
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or len(public) != PUBLIC_BYTES:
        raise Invalid("That is no public Ed25519 key in JWK form (kty OKP, crv Ed25519).", field="key")
    return Ed25519PublicKey.from_public_bytes(public)


def _parts(jws: str) -> tuple[dict[str, Any], bytes, bytes]:
    try:
        header, payload, signature = (_decoded(part) for part in jws.split("."))
        parsed = json.loads(header)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Invalid("That is no signature in the compact form of RFC 7515.")
    return parsed, payload, signature


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Raises ValueError for what is no base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
