"""What a SCRAM-SHA-256 login is made of (RFC 5802, RFC 7677), derived here once for a password that is being set.

libpq derives it too, in three times the time, for the verifier and again for each login. It takes the keys as they are
from version 18 on.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import Final, Self

from psycopg import pq

ROUNDS: Final = 4096
"""PostgreSQL's own default (`scram_iterations`)."""
SALT_BYTES: Final = 16
TAKEN_BY_LIBPQ: Final = pq.version() >= 180000


@dataclass(frozen=True)
class ScramKeys:
    """One password's keys under one salt. Whoever has them may log in, so they are as secret as the password."""

    salt: bytes
    client: bytes = field(repr=False)
    server: bytes = field(repr=False)

    @classmethod
    def derived(cls, password: str) -> Self | None:
        """Under a new salt; None for a password beyond ASCII, which SASLprep (RFC 4013) would have to prepare."""
        if not password.isascii():
            return None
        salt = os.urandom(SALT_BYTES)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)
        return cls(salt, hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(salted, b"Server Key", "sha256"))

    @property
    def verifier(self) -> str:
        """What the server stores (RFC 5803): from it nobody can log in."""
        stored = hashlib.sha256(self.client).digest()
        return f"SCRAM-SHA-256${ROUNDS}:{_base64(self.salt)}${_base64(stored)}:{_base64(self.server)}"

    @property
    def for_libpq(self) -> dict[str, str]:
        """Connection settings that take the place of the password's derivation, where the salt is this one."""
        return {"scram_client_key": _base64(self.client), "scram_server_key": _base64(self.server)}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
