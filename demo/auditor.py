"""An auditor who trusts nothing of Cerby: reads a certificate and checks its signature with a library of their own."""

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def holds(file: dict[str, Any], jwk: dict[str, str]) -> bool:
    """Whether the key's holder signed exactly what stands in the file (RFC 7515 section 5.2, RFC 8037)."""
    signed, _, signature = file["jws"].rpartition(".")
    try:
        Ed25519PublicKey.from_public_bytes(_decoded(jwk["x"])).verify(_decoded(signature), signed.encode())
    except InvalidSignature:
        return False
    return bool(json.loads(_decoded(signed.partition(".")[2])) == file["certificate"])


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
