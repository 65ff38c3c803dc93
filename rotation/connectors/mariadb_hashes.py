"""What MariaDB and MySQL store of a password, computed here, so that no statement and no log of theirs contains it."""

import base64
import hashlib
import secrets
import string
from collections.abc import Callable, Mapping
from typing import Final

from rotation.connectors import mariadb_ed25519

NATIVE: Final = "mysql_native_password"
ED25519: Final = "ed25519"
CACHING_SHA2: Final = "caching_sha2_password"

SALT_LENGTH: Final = 20
THOUSANDS_OF_ROUNDS: Final = 5
_SALT_LETTERS: Final = string.ascii_letters + string.digits + "./"
_CRYPT_LETTERS: Final = "./0123456789" + string.ascii_uppercase + string.ascii_lowercase


def native(password: str) -> str:
    """`mysql_native_password`: SHA-1 of SHA-1, without a salt. The length of generated passwords makes up for that."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()


def ed25519(password: str) -> str:
    """MariaDB's `ed25519`: the public key, in Base64 without padding."""
    return base64.b64encode(mariadb_ed25519.public_key(password.encode())).decode().rstrip("=")


def caching_sha2(password: str, salt: str = "") -> str:
    """MySQL's `caching_sha2_password`: SHA-256 crypt with 5000 rounds and a salt of 20 characters."""
    salt = salt or "".join(secrets.choice(_SALT_LETTERS) for _ in range(SALT_LENGTH))
    digest = _sha256_crypt(password.encode(), salt.encode("latin-1"), THOUSANDS_OF_ROUNDS * 1000)
    return f"$A${THOUSANDS_OF_ROUNDS:03}${salt}{digest}"


HASHES: Final[Mapping[str, Callable[[str], str]]] = {NATIVE: native, ED25519: ed25519, CACHING_SHA2: caching_sha2}
"""How each plugin's stored value is made, for the plugins where that can be done here."""


def _sha256_crypt(key: bytes, salt: bytes, rounds: int) -> str:
    """The digest of "Unix crypt using SHA-256 and SHA-512" (Drepper, 2008), for a salt of any length."""
    digest = hashlib.sha256(key + salt + _repeated(hashlib.sha256(key + salt + key).digest(), len(key)))
    length = len(key)
    while length:
        digest.update(hashlib.sha256(key + salt + key).digest() if length & 1 else key)
        length >>= 1
    result = digest.digest()
    p = _repeated(hashlib.sha256(key * len(key)).digest(), len(key))
    s = _repeated(hashlib.sha256(salt * (16 + result[0])).digest(), len(salt))
    for number in range(rounds):
        odd, third, seventh = number & 1, number % 3, number % 7
        result = hashlib.sha256(
            (p if odd else result) + (s if third else b"") + (p if seventh else b"") + (result if odd else p)
        ).digest()
    return _crypt_base64(result)


def _repeated(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _crypt_base64(digest: bytes) -> str:
    """43 characters, the digest's bytes taken in the order that crypt prescribes, six bits at a time from the right."""
    order = [(0, 10, 20)]
    while len(order) < len(digest) // 3:
        first, second, third = order[-1]
        order.append((third + 1, first + 1, second + 1))
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in order]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(_CRYPT_LETTERS[group >> 6 * place & 0x3F] for group, letters in groups for place in range(letters))
