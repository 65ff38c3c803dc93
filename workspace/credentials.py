"""Bearer credentials we hand out: a kind, an indexed lookup part, a random part and a checksum.

`cerby_<kind>_<lookup><random><checksum>`: the prefix lets secret scanners and people recognise one, the
checksum lets a mistyped one be refused without a query. Only the SHA-256 of the whole is stored, which
suffices because the random part carries 190 bits (no dictionary to slow down).
"""

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

from workspace.crypto import Secret

ALPHABET: Final = string.digits + string.ascii_letters
LOOKUP_LENGTH: Final = 10
RANDOM_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6


@dataclass(frozen=True)
class Issued:
    """A new credential: `token` is shown once, `lookup` and `digest` (32 bytes) are stored."""

    token: Secret
    lookup: str
    digest: bytes


def issue(kind: str) -> Issued:
    """A new credential of `kind` ("scim", "key")."""
    lookup = _random(LOOKUP_LENGTH)
    body = lookup + _random(RANDOM_LENGTH)
    token = f"cerby_{kind}_{body}{_checksum(kind, body)}"
    return Issued(Secret(token), lookup, digest(token))


def lookup_of(token: str, kind: str) -> str | None:
    """The stored lookup part of a well-formed token of `kind`; None for anything else."""
    prefix = f"cerby_{kind}_"
    body = token.removeprefix(prefix)
    if not token.startswith(prefix) or len(body) != LOOKUP_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH:
        return None
    if not body.isascii() or body[-CHECKSUM_LENGTH:] != _checksum(kind, body[:-CHECKSUM_LENGTH]):
        return None
    return body[:LOOKUP_LENGTH]


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def fits(token: str, stored: bytes) -> bool:
    """Whether `token` is the one behind the `stored` digest, in constant time."""
    return hmac.compare_digest(digest(token), stored)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(kind: str, body: str) -> str:
    number, letters = zlib.crc32(f"{kind}_{body}".encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, len(ALPHABET))
        letters = ALPHABET[rest] + letters
    return letters
