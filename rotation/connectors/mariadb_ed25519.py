"""Ed25519 (RFC 8032) with a secret of any length, as MariaDB's plugin of that name has it.

The plugin takes SHA-512 of the password where the RFC takes that of a 32-byte seed, which libraries insist on; for
passwords of 32 bytes the two are the same, and tested to be. Big integers in Python take their time and do not hide
how long: what is signed here is a server's challenge, by a worker, over a network.
"""

import hashlib
from typing import Final

P: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x·y = T/Z."""

_BASE_Y: Final = 4 * pow(5, -1, P) % P
_BASE_X: Final = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE: Final[Point] = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % P)
NEUTRAL: Final[Point] = (0, 1, 1, 0)


def public_key(password: bytes) -> bytes:
    """32 bytes: what the server stores, in Base64."""
    return _encoded(_times(_secret(password)[0], BASE))


def sign(password: bytes, challenge: bytes) -> bytes:
    """64 bytes: the answer to the server's challenge."""
    scalar, prefix = _secret(password)
    nonce = _number(hashlib.sha512(prefix + challenge).digest()) % ORDER
    point = _encoded(_times(nonce, BASE))
    digest = hashlib.sha512(point + public_key(password) + challenge).digest()
    return point + ((nonce + _number(digest) * scalar) % ORDER).to_bytes(32, "little")


def _secret(password: bytes) -> tuple[int, bytes]:
    """The scalar and the prefix (RFC 8032, 5.1.5)."""
    digest = hashlib.sha512(password).digest()
    return _number(digest[:32]) & (1 << 254) - 8 | 1 << 254, digest[32:]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _times(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = _sum(result, point)
        point = _sum(point, point)
        scalar >>= 1
    return result


def _sum(one: Point, other: Point) -> Point:
    """The complete addition of RFC 8032, 5.1.4."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _encoded(point: Point) -> bytes:
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")
