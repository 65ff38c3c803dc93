"""PyMySQL's connection made careful: which server it trusts, and what it answers to a server that asks for a password.

A server chooses the plugin by which somebody logs in, and some plugins want the password itself. PyMySQL obeys; here a
password goes only to a server that is known by its certificate. See MariaDB's and MySQL's "Authentication Plugins".
"""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import pymysql
from pymysql.cursors import Cursor

from rotation.connectors import dial, mariadb_ed25519
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.secrecy import text_of

SslMode = Literal["disabled", "preferred", "required", "verify_identity"]

NONCE_BYTES: Final = 20
MOST_WAYS: Final = 8
"""How many plugins a server may want one after another."""
_REMEMBERED: Final = 3
"""caching_sha2_password: the scrambled password was enough."""


@dataclass(frozen=True)
class Server:
    """Where a server answers. `fingerprint` is the SHA-256 of its certificate in hexadecimal, or empty."""

    host: str
    port: int
    ssl_mode: SslMode
    fingerprint: str = ""

    @property
    def is_verified(self) -> bool:
        """Whether a connection is known to end at the server that is meant."""
        return bool(self.fingerprint) or self.ssl_mode == "verify_identity"

    def context(self) -> ssl.SSLContext | None:
        """None leaves it to PyMySQL: TLS where the server has it, its certificate unchecked."""
        if not self.is_verified and self.ssl_mode != "required":
            return None
        context = ssl.create_default_context()
        if self.fingerprint or not self.is_verified:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.fingerprint:
            context.sslsocket_class = _pinned(self.fingerprint)
        return context


def _pinned(fingerprint: str) -> type[ssl.SSLSocket]:
    class PinnedSocket(ssl.SSLSocket):
        """Ends the handshake unless the certificate is the one that is expected."""

        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            found = hashlib.sha256(self.getpeercert(True) or b"").hexdigest()
            if found != fingerprint:
                raise ssl.SSLError(f"the server's certificate has the fingerprint {found}, and another is expected")

    return PinnedSocket


if TYPE_CHECKING:
    _Connection = pymysql.Connection[Cursor]
else:  # generic in its stubs alone
    _Connection = pymysql.Connection


class CarefulConnection(_Connection):
    """Not connected yet. The parts of PyMySQL that it leaves untyped or private are used in here alone."""

    def __init__(self, server: Server, login: Login) -> None:
        """Raises Invalid for a password that is never sent."""
        context = server.context()
        self.is_verified, self._allowance = server.is_verified, dial.Allowance()
        super().__init__(
            user=login.username, password=text_of(login.password).encode(), host=server.host, port=server.port,
            ssl=context, ssl_disabled=context is None and server.ssl_mode == "disabled", use_unicode=False,
            autocommit=True, program_name="cerby", defer_connect=True,
            auth_plugin_map=dict[str, Callable[[pymysql.Connection], Any]](PLUGINS),
        )  # fmt: skip

    @property
    def is_encrypted(self) -> bool:
        return bool(self._secure)  # type: ignore[attr-defined]

    def _get_server_information(self) -> None:
        """PyMySQL would send the password at once to a server that begins with `sha256_password`."""
        super()._get_server_information()  # type: ignore[misc]
        if getattr(self, "_auth_plugin_name", "") != "caching_sha2_password":
            self._auth_plugin_name = "mysql_native_password"

    def _read_bytes(self, num_bytes: int) -> bytes:
        """PyMySQL's only way to read. Raises TargetError for more than anybody has to say."""
        self._allowance.take(num_bytes)
        return bytes(super()._read_bytes(num_bytes))  # type: ignore[misc]

    def exchange(self, answer: bytes) -> Any:
        """The server's next packet, after `answer`. Raises pymysql.Error for an error packet."""
        self.write_packet(answer)
        return self.next_packet()

    def next_packet(self) -> Any:
        return self._read_packet()  # type: ignore[no-untyped-call]


class _Plugin:
    """What `auth_plugin_map` wants: made for a connection, given the server's packet, answering with the next one."""

    def __init__(self, connection: "pymysql.Connection[Any]") -> None:
        if not isinstance(connection, CarefulConnection):
            raise TypeError("made for a CarefulConnection")
        self.connection = connection

    def authenticate(self, packet: Any) -> Any:
        """The server's verdict. It may want one plugin after another, where an account can log in in several ways.

        Raises TargetError PERMISSION for a wish that is not granted.
        """
        packet = self.answer(packet)
        for _ in range(MOST_WAYS):
            if not packet.is_auth_switch_request():
                break
            packet.read_uint8()
            plugin = PLUGINS.get(bytes(packet.read_string()).decode("latin-1"), _Unwanted)
            packet = plugin(self.connection).answer(packet)
        return packet

    def answer(self, packet: Any) -> Any:
        """The packet that follows the answer to this one, which asks for a login by this plugin."""
        raise NotImplementedError


class _Native(_Plugin):
    def answer(self, packet: Any) -> Any:
        nonce = packet.read_all()[:NONCE_BYTES]
        return self.connection.exchange(scrambled_native(self.connection.password, nonce))


class _Ed25519(_Plugin):
    """MariaDB's. PyMySQL has it too, with another library for the curve."""

    def answer(self, packet: Any) -> Any:
        return self.connection.exchange(mariadb_ed25519.sign(self.connection.password, packet.read_all()))


class _CachingSha2(_Plugin):
    """MySQL's default: a scrambled password where the server remembers the login, the password itself elsewhere."""

    def answer(self, packet: Any) -> Any:
        if not packet.is_extra_auth_data():
            packet = self.connection.exchange(scrambled_sha2(self.connection.password, packet.read_all()[:NONCE_BYTES]))
        if not packet.is_extra_auth_data():
            return packet
        packet.advance(1)
        if packet.read_uint8() == _REMEMBERED:
            return self.connection.next_packet()
        if not self.connection.is_verified:
            raise _unwanted("caching_sha2_password does so at the first login after a change")
        return self.connection.exchange(self.connection.password + b"\0")


class _Unwanted(_Plugin):
    """Those that always want the password itself or something as good, and those that are not known here."""

    def answer(self, packet: Any) -> Any:
        raise _unwanted("the plugin of this account always does, or is not known here")


PLUGINS: Final[dict[str, type[_Plugin]]] = {
    "mysql_native_password": _Native, "client_ed25519": _Ed25519, "caching_sha2_password": _CachingSha2,
    "sha256_password": _Unwanted, "mysql_clear_password": _Unwanted, "mysql_old_password": _Unwanted,
    "dialog": _Unwanted,
}  # fmt: skip


def _unwanted(why: str) -> TargetError:
    return TargetError(
        FailureKind.PERMISSION,
        f"The server asks for the password itself; {why}. It is given to caching_sha2_password alone, and only where"
        " the server is known by its certificate: set ssl_mode to verify_identity, or enter certificate_sha256.",
    )


def scrambled_native(password: bytes, nonce: bytes) -> bytes:
    """XOR(SHA1(password), SHA1(nonce, SHA1(SHA1(password))))."""
    once = _sha1(password)
    return _xor(once, _sha1(nonce + _sha1(once)))


def scrambled_sha2(password: bytes, nonce: bytes) -> bytes:
    """XOR(SHA256(password), SHA256(SHA256(SHA256(password)), nonce))."""
    once = hashlib.sha256(password).digest()
    return _xor(once, hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest())


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
