"""What is stored in the place of a password, beside values that servers and other programs made of the same ones."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rotation.connectors import mariadb_ed25519
from rotation.connectors.mariadb_hashes import caching_sha2, ed25519, native
from tests.generators import EFFORT, dice

# hashcat's example for its mode 7401, "MySQL $A$ (sha256crypt)".
SALT = bytes.fromhex("F9CC98CE08892924F50A213B6BC571A2C11778C5").decode("latin-1")
DIGEST = bytes.fromhex(
    "625479393559393965414D45316477456B484F41316E64484742577A2E3162785353526B7554584647562F"
).decode()


def test_native_is_what_the_servers_function_password_gives() -> None:
    assert native("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"
    assert native("Old-Password-1234") == "*80E971F67BD3953766764C60E0FBD6F3E6FDE948"


def test_ed25519_is_what_mariadb_stores() -> None:
    assert ed25519("Old-Password-1234") == "WW+ufEbEmRRZCF7f846PKdfrm7t8GSWyH4t+GcMXoIk"
    assert ed25519("secret") == "ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"


@pytest.mark.generated
@pytest.mark.parametrize("number", range(5 * EFFORT))
def test_ed25519_of_32_bytes_is_the_standards(number: int) -> None:
    random = dice(number)
    seed, challenge = random.randbytes(32), random.randbytes(32)
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert mariadb_ed25519.public_key(seed) == key.public_key().public_bytes_raw()
    assert mariadb_ed25519.sign(seed, challenge) == key.sign(challenge)


def test_caching_sha2_is_what_mysql_stores() -> None:
    assert caching_sha2("hashcat", SALT) == f"$A$005${SALT}{DIGEST}"


def test_caching_sha2_has_a_salt_of_its_own_each_time() -> None:
    one, other = caching_sha2("x"), caching_sha2("x")
    assert one != other
    assert len(one) == len(other) == 7 + 20 + 43
    assert one[7:27].isprintable()
    assert caching_sha2("x", one[7:27]) == one


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 127, 128])
def test_passwords_of_any_length_have_a_value(length: int) -> None:
    password = "ä" * length
    assert len(native(password)) == 41
    assert len(base64.b64decode(ed25519(password) + "=")) == 32
    assert len(caching_sha2(password)) == 70
