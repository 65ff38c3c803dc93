"""Signatures that others can check without us: compact JWS (RFC 7515) by Ed25519 (RFC 8037), one key a workspace."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import IntegrityError
from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey

from workspace import audit, crypto
from workspace.audit import Actor, Verb
from workspace.crypto import Secret
from workspace.db.unit_of_work import savepoint
from workspace.errors import Invalid
from workspace.models import SigningKey, Workspace

Jwk = dict[str, str]

ALGORITHM: Final = "EdDSA"
"""RFC 9864 names it Ed25519; the libraries that auditors have know the older name."""
NO_JWS: Final = "That is no signature in the compact form of RFC 7515."
NO_KEY: Final = "That is no public Ed25519 key in JWK form (kty OKP, crv Ed25519)."


class _Registry(jws.JWSRegistry):
    """One algorithm. A certificate of 10,000 accounts is larger than joserfc's own limit for what is signed."""

    max_payload_length = 256 * 1024 * 1024

    def get_alg(self, name: str) -> JWSAlgModel:
        """Without joserfc's warning, at each signature, that the algorithm has a newer name."""
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"{name} is not Ed25519")
        return self.algorithms[ALGORITHM]


_REGISTRY: Final = _Registry()


def sign(workspace: Workspace, payload: bytes) -> str:
    """A compact JWS over `payload` by the workspace's key, which is made when it is first needed."""
    key = live_key(workspace)
    secret = crypto.unseal_at(bytes(key.sealed), _place(key)).reveal()
    private: dict[str, str | list[str]] = {**_public_jwk(key), "d": secret}
    header = {"alg": ALGORITHM, "kid": key.kid}
    return jws.serialize_compact(header, payload, OKPKey.import_key(private), registry=_REGISTRY)


def verify(text: str, jwk: Jwk) -> bytes:
    """The payload that the holder of `jwk` signed. Raises Invalid, saying why, when they did not."""
    signature = _extracted(text)
    if signature.headers().get("alg") != ALGORITHM:
        raise Invalid("The signature is not one by Ed25519 (EdDSA).")
    try:
        fits = jws.validate_compact(signature, _imported(jwk), registry=_REGISTRY)
    except JoseError as error:
        raise Invalid(f"The signature cannot be checked: {error}.") from None
    if not fits:
        raise Invalid("The signature does not fit: the text was changed, or another key signed it.")
    return bytes(signature.payload)


def kid_of(text: str) -> str:
    """Which key a JWS says signed it. Raises Invalid for what is no JWS."""
    return str(_extracted(text).headers().get("kid", ""))


def live_key(workspace: Workspace) -> SigningKey:
    """The key that signs now."""
    live = SigningKey.objects.for_workspace(workspace).filter(retired_at=None)
    return live.first() or _make(workspace) or live.get()


def jwk_of(key: SigningKey) -> Jwk:
    """The public half as a JSON Web Key (RFC 7517, RFC 8037 section 2)."""
    return {**_public_jwk(key), "kid": key.kid, "alg": ALGORITHM, "use": "sig"}


def _make(workspace: Workspace) -> SigningKey | None:
    """A new key; None when another request made one just now."""
    made = OKPKey.generate_key("Ed25519")
    key = SigningKey(workspace=workspace, public=made.public_key.public_bytes_raw(), kid=made.thumbprint())
    key.sealed = crypto.seal_at(Secret(str(made.as_dict(private=True)["d"])), _place(key))
    try:
        with savepoint():
            key.save(force_insert=True)
            audit.record(workspace, Verb.SIGNING_KEY_MADE, key, actor=Actor.system("certificates"), kid=key.kid)
    except IntegrityError:
        return None
    return key


def _place(key: SigningKey) -> str:
    return f"signing/{key.workspace_id}/{key.pk}"


def _public_jwk(key: SigningKey) -> Jwk:
    known = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(bytes(key.public)))
    return {name: str(value) for name, value in known.as_dict(private=False).items()}


def _imported(jwk: Jwk) -> OKPKey:
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise Invalid(NO_KEY, field="key")
    try:
        return OKPKey.import_key({name: str(jwk.get(name, "")) for name in ("kty", "crv", "x")})
    except (JoseError, ValueError):
        raise Invalid(NO_KEY, field="key") from None


def _extracted(text: str) -> jws.CompactSignature:
    try:
        return jws.extract_compact(text.encode(), registry=_REGISTRY)
    except (JoseError, ValueError):
        raise Invalid(NO_JWS) from None
