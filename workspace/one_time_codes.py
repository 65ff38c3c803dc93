"""One-time codes by time (RFC 6238), for people's second factor and for the log-ins that people share."""

import hmac
import time
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

ALGORITHMS: Final[dict[str, type[hashes.SHA1 | hashes.SHA256 | hashes.SHA512]]] = {
    "SHA1": hashes.SHA1,
    "SHA256": hashes.SHA256,
    "SHA512": hashes.SHA512,
}


def step_at(seconds: float, period: int) -> int:
    """The number of the step that a moment (seconds since 1970) lies in."""
    return int(seconds // period)


def code_of(key: bytes, step: int, *, digits: int = 6, algorithm: str = "SHA1") -> str:
    """The code of one step. Keys shorter than RFC 4226 asks for are taken: which one a site gives out is its choice."""
    made = HOTP(key, digits, ALGORITHMS[algorithm](), enforce_key_length=False)
    return made.generate(step).decode()


def matching_step(key: bytes, code: str, *, after: int, period: int = 30, digits: int = 6) -> int | None:
    """The step whose code this is: the present one, the one before or the one behind it, and later than `after`.

    None when it is none of theirs. Every candidate is compared, so that the time tells nothing.
    """
    now = step_at(time.time(), period)
    sent = code.encode(errors="replace")
    fitting = [s for s in (now - 1, now, now + 1) if hmac.compare_digest(code_of(key, s, digits=digits).encode(), sent)]
    return next((step for step in fitting if step > after), None)
