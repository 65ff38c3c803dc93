"""Sealing of secrets: AES-256-GCM under a key ring, each ciphertext bound to the place where it is stored.

Layout of a sealed value: 1 byte format, 4 bytes key id, 12 bytes nonce, ciphertext with its 16-byte tag
(NIST SP 800-38D). The first key of `settings.ENCRYPTION_KEYS` seals, every key opens, so a key is replaced
by putting a new one in front.
"""

import base64
import binascii
import hashlib
import os
from typing import Final, final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from workspace.errors import Undecryptable

_FORMAT: Final = b"\x01"
_KEY_ID: Final = slice(1, 5)
_NONCE: Final = slice(5, 17)
_BODY: Final = slice(17, None)


@final
class Secret:
    """A password in memory. Its repr, str and format are `***`; only `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A Secret is never pickled.")


def decode_key(text: str) -> bytes:
    """32 key bytes from url-safe or standard base64. Raises ValueError with a sentence for the operator."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise ValueError("an encryption key is not base64") from error
    if len(key) != 32:
        raise ValueError(f"an encryption key must be 32 bytes in base64, this one has {len(key)}")
    return key


def seal(secret: Secret, *, workspace: UUID, account: UUID, version: int) -> bytes:
    """Encrypt a password for its version's row: under another workspace, account or version it does not open."""
    return seal_at(secret, _version(workspace, account, version))


def unseal(sealed: bytes, *, workspace: UUID, account: UUID, version: int) -> Secret:
    """Decrypt a version's password. Raises Undecryptable as `unseal_at`."""
    return unseal_at(sealed, _version(workspace, account, version))


def seal_at(secret: Secret, place: str) -> bytes:
    """Encrypt any secret for one place: `place` names what it is and the ids of its row, as `webhook/{workspace}/{id}`.

    Stored anywhere else the bytes do not open.
    """
    key = decode_key(settings.ENCRYPTION_KEYS[0])
    nonce = os.urandom(12)
    return _FORMAT + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, secret.reveal().encode(), _binding(place))


def unseal_at(sealed: bytes, place: str) -> Secret:
    """Decrypt. Raises Undecryptable when no key fits or the bytes belong to another place."""
    key = _ring().get(sealed[_KEY_ID])
    if sealed[:1] != _FORMAT or key is None:
        raise Undecryptable(
            "A stored secret was sealed with an encryption key that is not configured. "
            "Add the former key to CERBY_ENCRYPTION_KEYS."
        )
    try:
        text = AESGCM(key).decrypt(sealed[_NONCE], sealed[_BODY], _binding(place))
    except InvalidTag as error:
        raise Undecryptable("A stored secret is damaged or was moved from another place.") from error
    return Secret(text.decode())


def key_ids() -> set[bytes]:
    """The ids of the keys that this process holds."""
    return set(_ring())


def _ring() -> dict[bytes, bytes]:
    keys = [decode_key(text) for text in settings.ENCRYPTION_KEYS]
    return {_key_id(key): key for key in keys}


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"cerby key id" + key).digest()[:4]


def _version(workspace: UUID, account: UUID, version: int) -> str:
    return f"{workspace}/{account}/{version}"


def _binding(place: str) -> bytes:
    return f"cerby/secret/1/{place}".encode()
