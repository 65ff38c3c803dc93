"""One connection to a Redis or Valkey server with a deadline; redis-py speaks the protocol, without pool or retries."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.secrecy import clean, text_of

REJECTED: Final = "WRONGPASS"
# Errors that say "not now" and nothing about the login or its rights.
TRANSIENT: Final = frozenset({"LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "OOM"})


# What redis-py stumbles over where a server does not speak the protocol.
NONSENSE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Server:
    """Where a Redis server answers. `host` is a name or a numeric address."""

    host: str
    port: int
    tls: bool


class _Heard:
    """A socket, of which only so much is listened to."""

    def __init__(self, whole: socket.socket) -> None:
        self.whole, self._allowance = whole, dial.Allowance()

    def recv(self, most: int) -> bytes:
        data = self.whole.recv(most)
        self._allowance.take(len(data))
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


class _PinnedConnection(redis.Connection):
    """redis-py's connection, to an address that was judged; TLS is still for the server's name."""

    def __init__(self, address: dial.Address, context: ssl.SSLContext | None, name: str, timeout: float) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # redis-py is typed in parts
            host=address.ip, port=address.port, protocol=2, driver_info=None, retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout, socket_connect_timeout=timeout,
        )  # fmt: skip
        self._context, self._name = context, name

    def _connect(self) -> _Heard:
        plain = socket.create_connection((self.host, self.port), timeout=self.socket_connect_timeout)
        if self._context is None:
            return _Heard(plain)
        try:
            return _Heard(self._context.wrap_socket(plain, server_hostname=self._name))
        except BaseException:
            plain.close()
            raise

    def cut(self) -> None:
        """End the connection from another thread; whoever reads from it finds it closed."""
        heard = self._sock
        with suppress(OSError):
            if heard is not None:
                socket.socket.shutdown(heard.whole, socket.SHUT_RDWR)  # not TLS's own, which is not for two threads


class Session:
    """A connection, made at once and closed at the end of its `with` block. Raises TargetError UNREACHABLE."""

    def __init__(self, server: Server, deadline: dial.Deadline) -> None:
        self._deadline = deadline
        address = dial.resolve(server.host, server.port, deadline=deadline)
        context = ssl.create_default_context() if server.tls else None
        self._connection: Any = _PinnedConnection(address, context, server.host, deadline.left())
        # redis-py limits each read; a server that sends a byte now and then would be listened to for ever.
        self._watchdog = threading.Timer(deadline.left(), self._connection.cut)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            self._connection.connect()  # type: ignore[no-untyped-call]  # as above
        except (redis.RedisError, OSError, *NONSENSE) as error:
            self.close()
            raise _explained(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._watchdog.cancel()
        self._connection.disconnect()

    def log_in(self, login: Login) -> None:
        """Raises TargetError AUTHENTICATION for a wrong password."""
        if not self.accepts(login):
            raise TargetError(FailureKind.AUTHENTICATION, f"The server rejected the password of {login.username}.")

    def accepts(self, login: Login) -> bool:
        """The server's answer to `AUTH`: True or WRONGPASS. Raises TargetError for every other one."""
        text = text_of(login.password)
        try:
            self._exchange("AUTH", login.username, text)
        except redis.AuthenticationError as error:
            if error.status_code == REJECTED:
                return False
            raise _explained(error, text) from None
        except (redis.RedisError, OSError, *NONSENSE) as error:
            raise _explained(error, text) from None
        return True

    def ask(self, *words: str, secrets: tuple[str, ...] = ()) -> Any:
        """The answer to one command, in RESP2's types. `secrets` are kept out of the error's words. TargetError."""
        try:
            return self._exchange(*words)
        except (redis.RedisError, OSError, *NONSENSE) as error:
            raise _explained(error, *secrets) from None

    def _exchange(self, *words: str) -> Any:
        self._connection.send_command(*words)
        return self._connection.read_response(timeout=self._deadline.left())


@contextmanager
def understood() -> Iterator[None]:
    """For what is made of an answer. Raises TargetError UNREACHABLE where it is not what such a server says."""
    try:
        yield
    except NONSENSE:
        raise _nonsense() from None


def _nonsense() -> TargetError:
    return TargetError(FailureKind.UNREACHABLE, "The server does not speak the protocol.")


def _explained(error: Exception, *secrets: str) -> TargetError:
    """What an error of redis-py means. A `ResponseError` is the server's no; most else is a broken connection."""
    if isinstance(error, NONSENSE) and not isinstance(error, OSError):  # a bad certificate is both
        return _nonsense()
    code = getattr(error, "status_code", None)
    words = clean(str(error), *secrets) or type(error).__name__
    if code == "NOPERM":
        return TargetError(FailureKind.PERMISSION, f"The login lacks a right on the server: {words}")
    refused = isinstance(error, redis.ResponseError | redis.AuthenticationError) and code not in TRANSIENT
    if refused:
        return TargetError(FailureKind.PERMISSION, f"The server refused: {words}")
    return TargetError(FailureKind.UNREACHABLE, f"The server could not be asked: {words}")
