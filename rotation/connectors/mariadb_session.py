"""One login on a MariaDB or MySQL server, with a deadline, and with its failures told apart by the servers' codes.

PyMySQL speaks the protocol, on a socket to an address that was judged. Messages are translated (`lc_messages`), so
codes are read and never words: MariaDB's "Error Codes", MySQL's "Server Error Message Reference".
"""

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import pymysql
from pymysql.constants import CR

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.mariadb_protocol import CarefulConnection, Server
from rotation.connectors.secrecy import clean

REJECTED: Final = frozenset({1045, 1698})  # also for a name that does not exist, or not for this address
# Said after the password was found right: a limit of connections, and a password that has expired.
AFTER_LOGIN: Final = frozenset({1203, 1226, 1820, 1862})
# By an administrator (MariaDB, MySQL) and for failed logins (MariaDB, MySQL).
LOCKED: Final = frozenset({4151, 3118, 4150, 3955})
POLICY: Final = frozenset({1819, 3638})  # refused by a validation plugin; used before
# Connections, shutdown, hosts with too many errors, network, locks, a server that was made read-only.
NOT_NOW: Final = frozenset({1040, 1053, 1077, 1129, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1792, 1836})
NO_SUCH_USER: Final = frozenset({1133, 1410, 3162})
NO_SUCH_THREAD: Final = 1094
HOST_BLOCKED: Final = 1129
FAILED_FOR_A_REASON: Final = 1396  # "Operation ALTER USER failed": the warnings say why
OPTION_PREVENTS: Final = 1290  # the option's name is in the message, and is not translated
STRICT_VALIDATION: Final = "strict-password-validation"

# What PyMySQL stumbles over where a server does not speak the protocol.
NONSENSE: Final = (LookupError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError, struct.error)


class WrongPassword(TargetError):
    """The server rejected the name and the password together."""

    def __init__(self, username: str, *, encrypted: bool) -> None:
        hint = "" if encrypted else " An account that requires TLS gets the same answer without it."
        super().__init__(FailureKind.AUTHENTICATION, f"The server rejected the password of {username}.{hint}")


class NotAdmitted(TargetError):
    """The password was accepted, and the login refused all the same."""


class Refused(TargetError):
    """A statement that the server refused. `number` is the server's code, of the first cause where it names several."""

    def __init__(self, number: int, message: str, *secrets: str) -> None:
        super().__init__(_kind(number, message), f"The server refused: {clean(message, *secrets)} ({number}).")
        self.number = number
        self.is_strict_validation = number == OPTION_PREVENTS and STRICT_VALIDATION in message


class Session:
    """An authenticated connection in autocommit, closed at the end of its `with` block."""

    def __init__(self, connection: CarefulConnection, guard: "_Guard") -> None:
        self._connection, self._guard = connection, guard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._guard.end()
        with suppress(pymysql.Error, OSError, *NONSENSE):
            self._connection.close()

    def query(self, statement: str, *values: str | int, secrets: tuple[str, ...] = ()) -> list[list[str]]:
        """The rows of one statement, as text ("" for NULL). `secrets` are kept out of the error's words.

        `%s` stands for each of the values. Raises Refused, or TargetError UNREACHABLE.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values)
                rows: Any = cursor.fetchall()
        except pymysql.Error as error:
            number, message = _parts(error)
        except (OSError, *NONSENSE) as error:
            raise _broken(error) from None
        else:
            return [[_text(value) for value in row] for row in rows or ()]
        if _is_clients(number):
            raise TargetError(FailureKind.UNREACHABLE, f"The connection broke: {clean(message, *secrets)}")
        if number == FAILED_FOR_A_REASON:
            number, message = self._cause() or (number, message)
        raise Refused(number, message, *secrets)

    def _cause(self) -> tuple[int, str] | None:
        """The first error that the last statement failed for, from its warnings."""
        found = [(int(number), message) for level, number, message in self.query("SHOW WARNINGS") if level == "Error"]
        return next((cause for cause in found if cause[0] != FAILED_FOR_A_REASON), None)


class _Guard:
    """Cuts a connection when its time is over: PyMySQL limits each read, and a server could go on answering."""

    def __init__(self, connected: socket.socket, seconds: float) -> None:
        self._socket = connected.dup()  # PyMySQL gives its own away to TLS
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self._timer.cancel()
        self._socket.close()


def log_in(server: Server, login: Login, *, deadline: dial.Deadline) -> Session:
    """A fresh login. Raises WrongPassword, NotAdmitted, or TargetError: UNREACHABLE when no server judged the password,
    LOCKED, and PERMISSION when the server lets nobody in from here. Invalid for an empty password.
    """
    connection = CarefulConnection(server, login)
    address = dial.resolve(server.host, server.port, deadline=deadline)
    try:
        connected = socket.create_connection((address.ip, address.port), timeout=deadline.left())
    except OSError as error:
        raise _broken(error) from None
    session = Session(connection, _Guard(connected, deadline.left()))
    try:
        connection.connect(sock=connected)
    except pymysql.Error as error:
        failure = _login_failed(error, login, encrypted=connection.is_encrypted)
    except (OSError, *NONSENSE) as error:
        failure = _broken(error)
    except TargetError as error:
        failure = error
    else:
        return session
    session.close()
    connected.close()
    raise failure


def _login_failed(error: pymysql.Error, login: Login, *, encrypted: bool) -> TargetError:
    number, message = _parts(error)
    if number in REJECTED:
        return WrongPassword(login.username, encrypted=encrypted)
    words = f"The server refused the login of {login.username}: {clean(message, login.password.reveal())} ({number})."
    if number in AFTER_LOGIN:
        return NotAdmitted(FailureKind.PERMISSION, words)
    if number == CR.CR_AUTH_PLUGIN_CANNOT_LOAD:
        return TargetError(FailureKind.PERMISSION, words)
    if number == HOST_BLOCKED:
        words += " It blocks this machine after too many broken connections: FLUSH HOSTS ends that."
    return _broken(error) if _is_clients(number) else TargetError(_kind(number, message), words)


def _kind(number: int, message: str) -> FailureKind:
    kinds = {FailureKind.LOCKED: LOCKED, FailureKind.POLICY: POLICY, FailureKind.UNREACHABLE: NOT_NOW}
    if number == OPTION_PREVENTS and "read-only" in message:
        return FailureKind.UNREACHABLE
    return next((kind for kind, numbers in kinds.items() if number in numbers), FailureKind.PERMISSION)


def _is_clients(number: int) -> bool:
    """Whether a code is the client's own, and no server said anything."""
    return number < 1000 or 2000 <= number < 3000


def _broken(error: Exception) -> TargetError:
    words = _parts(error)[1] if isinstance(error, pymysql.Error) else str(error) if isinstance(error, OSError) else ""
    words = clean(words) or f"it does not speak the protocol ({type(error).__name__})"
    return TargetError(FailureKind.UNREACHABLE, f"The server could not be asked: {words}")


def _parts(error: pymysql.Error) -> tuple[int, str]:
    """PyMySQL gives a code and a message, or only a message (0)."""
    match error.args:
        case (int() as number, message, *_):
            return number, str(message)
    return 0, str(error)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return "" if value is None else str(value)
