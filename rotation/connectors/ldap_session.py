"""One connection to an LDAP server (RFC 4511), with a deadline, to a pinned address, TLS for the server's name.

Only what a password's change needs. Referrals are never followed: they lead to servers that nobody entered.
"""

import socket
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from rotation.connectors import dial, ldap_messages
from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.ldap_messages import Change, Reply
from rotation.connectors.secrecy import clean

Tls = Literal["ldaps", "starttls", "none"]

MOST_FOUND: Final = 100
"""Entries and references of a search; we ask for two entries."""
SUCCESS: Final = 0
OPERATIONS_ERROR: Final = 1
REFERRAL: Final = 10
CONFIDENTIALITY_REQUIRED: Final = 13
STRONGER_AUTH_REQUIRED: Final = 8
CONSTRAINT_VIOLATION: Final = 19
NO_SUCH_OBJECT: Final = 32
INVALID_CREDENTIALS: Final = 49
# "Not now", and nothing about the login: time limit, administrative limit, busy, unavailable, other.
TRANSIENT: Final = frozenset({3, 11, 51, 52, 80})


@dataclass(frozen=True)
class Server:
    """Where a directory answers. `host` is a name or a numeric address."""

    host: str
    port: int
    tls: Tls


class Session:
    """A connection, made at once and closed at the end of its `with` block. Raises TargetError UNREACHABLE."""

    def __init__(self, server: Server, deadline: dial.Deadline) -> None:
        self._deadline = deadline
        self._number = 0
        self._heard, self._allowance = b"", dial.Allowance()
        address = dial.resolve(server.host, server.port, deadline=deadline)
        try:
            self._socket = socket.create_connection((address.ip, address.port), timeout=deadline.left())
        except OSError as error:
            raise _unreachable(error) from None
        try:
            self._secure(server)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._send(ldap_messages.unbind(self._next()))
        except TargetError:
            pass
        finally:
            self.close()

    def close(self) -> None:
        self._socket.close()

    def bind(self, name: str, password: str) -> Reply:
        """The server's answer to a simple bind, whatever it is. Neither may be empty (RFC 4513, section 5.1.2)."""
        return self._ask(ldap_messages.bind(self._next(), name, password), "bindResponse", password)

    def change_password(self, name: str, *, old: str | None, new: str) -> Reply:
        """RFC 3062. Without `old` it takes the right to set others' passwords."""
        request = ldap_messages.password_modify(self._next(), name, old=old, new=new)
        return self._ask(request, "extendedResp", new, old or "")

    def modify(self, name: str, changes: Iterable[Change], *, secrets: tuple[str, ...] = ()) -> Reply:
        return self._ask(ldap_messages.modify(self._next(), name, changes), "modifyResponse", *secrets)

    def search(
        self, base: str, *, attributes: Sequence[str], where: Sequence[tuple[str, str]] = ()
    ) -> tuple[Reply, list[Reply]]:
        """The last word of the search and the entries found: `base`, or those below it in which `where` holds."""
        seconds = max(1, int(self._deadline.left()))
        request = ldap_messages.search(self._next(), base, where=where, attributes=attributes, seconds=seconds)
        self._send(request)
        found: list[Reply] = []
        while (reply := self._receive()).kind in ("searchResEntry", "searchResRef"):
            found.append(reply)
            if len(found) > MOST_FOUND:
                raise TargetError(FailureKind.UNREACHABLE, "The server sends more entries than asked for.")
        return self._expected(reply, "searchResDone"), [each for each in found if each.kind == "searchResEntry"]

    def _secure(self, server: Server) -> None:
        if server.tls == "none":
            return
        if server.tls == "starttls":
            reply = self._ask(ldap_messages.start_tls(self._next()), "extendedResp")
            if reply.code != SUCCESS:
                raise TargetError(FailureKind.PERMISSION, f"The server does not go over to TLS: {said(reply)}")
            if self._heard:  # put there before TLS began, to be taken for what came after
                raise TargetError(FailureKind.UNREACHABLE, "The server sent more than its word before going to TLS.")
        self._socket.settimeout(self._deadline.left())
        try:
            self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=server.host)
        except (OSError, ValueError) as error:
            raise _unreachable(error) from None

    def _ask(self, request: bytes, kind: str, *secrets: str) -> Reply:
        self._send(request)
        reply = self._expected(self._receive(), kind)
        return Reply(**{**vars(reply), "text": clean(reply.text, *secrets)})

    def _expected(self, reply: Reply, kind: str) -> Reply:
        """Raises TargetError UNREACHABLE for any other answer than one of this kind to the last request."""
        if reply.number == 0 and reply.name == ldap_messages.DISCONNECTION:
            raise TargetError(FailureKind.UNREACHABLE, f"The server ends the connection: {clean(said(reply))}")
        if reply.number != self._number or reply.kind != kind or reply.code is None:
            raise TargetError(FailureKind.UNREACHABLE, "The server answered something else than was asked.")
        return reply

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(self._deadline.left())
            self._socket.sendall(data)
        except OSError as error:
            raise _unreachable(error) from None

    def _receive(self) -> Reply:
        try:
            while (length := ldap_messages.length(self._heard)) is None or len(self._heard) < length:
                self._socket.settimeout(self._deadline.left())
                more = self._socket.recv(65536)
                if not more:
                    raise TargetError(FailureKind.UNREACHABLE, "The server closed the connection.")
                self._allowance.take(len(more))
                self._heard += more
            message, self._heard = self._heard[:length], self._heard[length:]
            return ldap_messages.reply(message)
        except ldap_messages.Malformed as error:
            raise TargetError(FailureKind.UNREACHABLE, f"The server sent {error}.") from None
        except OSError as error:
            raise _unreachable(error) from None


def said(reply: Reply) -> str:
    """The server's words and code, for a person."""
    return f"{reply.text} ({reply.code})" if reply.text else f"code {reply.code}"


def refused(reply: Reply, name: str) -> TargetError:
    """What an answer other than success means, where an operation has no more to say about it."""
    if reply.code in TRANSIENT:
        return TargetError(FailureKind.UNREACHABLE, f"The server cannot do it now: {said(reply)}")
    if reply.code == REFERRAL:
        return TargetError(FailureKind.PERMISSION, "The server takes no changes and refers to another: enter that one.")
    if reply.code in (CONFIDENTIALITY_REQUIRED, STRONGER_AUTH_REQUIRED):
        return TargetError(FailureKind.PERMISSION, f"The server wants TLS: {said(reply)}. Choose ldaps or starttls.")
    if reply.code == NO_SUCH_OBJECT:
        return TargetError(FailureKind.PERMISSION, f"There is no entry {name} on this server.")
    return TargetError(FailureKind.PERMISSION, f"The server refused it for {name}: {said(reply)}")


def _unreachable(error: Exception) -> TargetError:
    words = clean(str(error)) or type(error).__name__
    return TargetError(FailureKind.UNREACHABLE, f"The server could not be asked: {words}")
