"""One login on a PostgreSQL server through libpq, with a deadline, and with its failures told apart by SQLSTATE.

libpq keeps the SQLSTATE of a failed login to itself unless asked to put it into the message, and messages are
translated (`lc_messages`), so codes are read and never words. Codes: PostgreSQL documentation, appendix A.
"""

import ctypes
import fcntl
import importlib.util
import re
import select
import ssl
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.postgres_scram import ScramKeys
from rotation.connectors.secrecy import clean, text_of

SslMode = Literal["disable", "prefer", "require", "verify-full"]

# Only exchanges that prove the password without sending it. Refused by libpq itself: a server that asks for plain
# text, and a `trust` line in pg_hba.conf, after which no password would prove anything.
REQUIRED_AUTHENTICATION: Final = "scram-sha-256,md5"
REJECTED: Final = "28P01"  # invalid_password
# Hooks that judge passwords (passwordcheck, credcheck, pg_tle) raise these out of ALTER ROLE.
POLICY_STATES: Final = frozenset({"22023", "28P01", "28P02", "28000", "P0001"})
# Connection, resources, operator intervention, system errors; "not now" for locks, and a standby during a switchover.
TRANSIENT_CLASSES: Final = ("08", "40", "53", "57", "58")
TRANSIENT_STATES: Final = frozenset({"55P03", "25006"})

_VERBOSE: Final = 2  # PQERRORS_VERBOSE: "FATAL:  28P01: …", the severity translated, the code not
_STATE: Final = re.compile(r":  ([0-9A-Z]{5}): (.*)")
_REFUSED_BY_LIBPQ: Final = "authentication method requirement"


def _libpq() -> ctypes.CDLL:
    """The libpq that psycopg itself was loaded with, for the one function psycopg does not wrap."""
    spec = importlib.util.find_spec(f"psycopg_{pq.__impl__}._psycopg")
    if spec is None or spec.origin is None:
        raise ImportError("psycopg must be installed with its binary or C implementation.")
    library = ctypes.CDLL(spec.origin)
    library.PQsetErrorVerbosity.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return library


_LIBPQ: Final = _libpq()


class WrongPassword(TargetError):
    """The server compared the password and rejected it. A password past its VALID UNTIL gets the same answer."""

    def __init__(self, username: str) -> None:
        super().__init__(FailureKind.AUTHENTICATION, f"The server rejected the password of {username}.")


class NotAdmitted(TargetError):
    """The password was accepted, and the login refused all the same: NOLOGIN, no such database, too many sessions."""


@dataclass(frozen=True)
class Server:
    """Where a PostgreSQL server answers. `host` is a name or a numeric address."""

    host: str
    port: int
    database: str
    sslmode: SslMode


class Session:
    """An authenticated connection in autocommit, closed at the end of its `with` block. Each call has a deadline."""

    def __init__(self, connection: pq.abc.PGconn, deadline: dial.Deadline, allowance: dial.Allowance) -> None:
        self._connection, self._deadline, self._allowance = connection, deadline, allowance

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.finish()

    def settle(self) -> None:
        """Undo what a role's own settings (`ALTER ROLE … SET`) could have prepared for us, and bound each statement.

        Someone who knew the password may have put functions of their own in front of the server's.
        """
        self.run(
            "SET ROLE NONE; SET search_path = pg_catalog; SET default_transaction_read_only = off;"
            f" SET statement_timeout = {self._milliseconds_left()}"
        )

    def go_on(self, deadline: dial.Deadline) -> None:
        """Use it for another call. Raises TargetError when the connection is gone."""
        self._deadline = deadline
        self.run(f"SET statement_timeout = {self._milliseconds_left()}")

    def verifier(self, username: str, password: str) -> str:
        """The SCRAM-SHA-256 verifier (RFC 5803), computed by libpq: the server never sees the password."""
        return self._connection.encrypt_password(password.encode(), username.encode(), b"scram-sha-256").decode()

    def run(self, statements: str) -> None:
        """Constant statements without values and rows, in one round trip. Raises TargetError."""
        self._answer(lambda: self._connection.send_query(statements.encode()), ())

    def query(self, statement: bytes, *values: str, secrets: tuple[str, ...] = ()) -> list[list[str | None]]:
        """The rows of one statement, as text. `secrets` are kept out of the error's words. Raises TargetError."""
        encoded = [value.encode() for value in values]
        result = self._answer(lambda: self._connection.send_query_params(statement, encoded), secrets)
        return [[_text(result, row, column) for column in range(result.nfields)] for row in range(result.ntuples)]

    def _milliseconds_left(self) -> int:
        return max(1, int(self._deadline.left() * 1000))

    def _answer(self, send: Callable[[], None], secrets: tuple[str, ...]) -> pq.abc.PGresult:
        """What the server says to what is sent. Raises TargetError for its no, and where none is heard."""
        try:
            results = self._results(send)
        except psycopg.Error as error:
            raise TargetError(FailureKind.UNREACHABLE, f"The connection broke: {clean(str(error), *secrets)}") from None
        for result in results:
            if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                raise _statement_failed(result, secrets)
        return results[-1]

    def _results(self, send: Callable[[], None]) -> list[pq.abc.PGresult]:
        connection = self._connection
        connection.nonblocking = 1
        send()
        while connection.flush():
            _await(connection, write=True, deadline=self._deadline)
        results = []
        while (result := self._next_result()) is not None:
            results.append(result)
        if not results:
            raise psycopg.OperationalError("the server gave no answer")
        return results

    def _next_result(self) -> pq.abc.PGresult | None:
        connection = self._connection
        while connection.is_busy():
            _await(connection, write=False, deadline=self._deadline)
            _count(connection, self._allowance)
            connection.consume_input()
        return connection.get_result()


def log_in(server: Server, login: Login, *, deadline: dial.Deadline, keys: ScramKeys | None = None) -> Session:
    """A fresh login. Never sends an empty password, nor any password as plain text.

    With the `keys` of the password it is accepted only where the server stores the verifier made with them.
    Raises WrongPassword, NotAdmitted, or TargetError: UNREACHABLE when no server judged the password, PERMISSION
    when the server lets nobody in from here or would let everybody in (`trust`). Invalid for an empty password.
    """
    address = dial.resolve(server.host, server.port, deadline=deadline)
    connection = pq.PGconn.connect_start(_conninfo(server, login, address, keys).encode())
    allowance = dial.Allowance()
    session = Session(connection, deadline, allowance)
    try:
        _poll(connection, deadline, allowance)
        failure = None if connection.status == pq.ConnStatus.OK else _login_failed(connection, login)
    except BaseException:
        session.close()
        raise
    if failure:
        session.close()
        raise failure
    return session


def _conninfo(server: Server, login: Login, address: dial.Address, keys: ScramKeys | None) -> str:
    """`host` is only the name for TLS here; the connection goes to `hostaddr`. Nothing is left to PG… variables."""
    more = {"sslrootcert": _root_certificates()} if server.sslmode == "verify-full" else {}
    more |= keys.for_libpq if keys else {}
    return make_conninfo(
        host=server.host, hostaddr=address.ip, port=address.port, dbname=server.database, user=login.username,
        password=text_of(login.password), sslmode=server.sslmode, sslcertmode="disable", gssencmode="disable",
        require_auth=REQUIRED_AUTHENTICATION, application_name="cerby", client_encoding="UTF8",
        target_session_attrs="any", **more,
    )  # fmt: skip


def _root_certificates() -> str:
    """The system's certificates, or those of SSL_CERT_FILE; psycopg's own OpenSSL would look elsewhere."""
    return ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


def _poll(connection: pq.abc.PGconn, deadline: dial.Deadline, allowance: dial.Allowance) -> None:
    pointer = connection.pgconn_ptr  # type: ignore[attr-defined]  # documented, left out of psycopg's protocol class
    _LIBPQ.PQsetErrorVerbosity(pointer, _VERBOSE)
    waiting: int = pq.PollingStatus.WRITING
    while connection.status != pq.ConnStatus.BAD and waiting != pq.PollingStatus.OK:
        _await(connection, write=waiting == pq.PollingStatus.WRITING, deadline=deadline)
        _count(connection, allowance)
        waiting = connection.connect_poll()
        if waiting == pq.PollingStatus.FAILED:
            return


def _await(connection: pq.abc.PGconn, *, write: bool, deadline: dial.Deadline) -> None:
    """Until the socket is ready. Raises TargetError UNREACHABLE when the call's time is over first."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLOUT if write else select.POLLIN)
    while not poll.poll(deadline.left() * 1000):
        continue


def _count(connection: pq.abc.PGconn, allowance: dial.Allowance) -> None:
    """What has come, before libpq makes room for it. Raises TargetError UNREACHABLE when it is too much."""
    waiting = fcntl.ioctl(connection.socket, termios.FIONREAD, bytes(ctypes.sizeof(ctypes.c_int)))
    allowance.take(int.from_bytes(waiting, sys.byteorder))


def _login_failed(connection: pq.abc.PGconn, login: Login) -> TargetError:
    """What a failed login means. With sslmode=prefer libpq tries twice, so the message may hold two codes."""
    words = connection.error_message.decode(errors="replace")
    found = _STATE.findall(words)
    if any(state == REJECTED for state, _ in found):
        return WrongPassword(login.username)
    if not found:
        return _not_judged(words, login)
    state, message = found[-1]
    kind = FailureKind.UNREACHABLE if is_transient(state) else FailureKind.PERMISSION
    detail = f"The server refused the login of {login.username}: {clean(message, login.password.reveal())} ({state})."
    return NotAdmitted(kind, detail) if _was_authenticated(connection) else TargetError(kind, detail)


def _was_authenticated(connection: pq.abc.PGconn) -> bool:
    """Whether the server had sent AuthenticationOk before it refused the login.

    From that message on, and only then, libpq takes what comes for the answer to a query (fe-connect.c,
    CONNECTION_AWAITING_RESPONSE). Whether it is in one is told without blocking by its refusal of pipeline mode.
    """
    try:
        connection.enter_pipeline_mode()
    except psycopg.OperationalError:
        return True
    return False


def _not_judged(words: str, login: Login) -> TargetError:
    """No server's no, but libpq's own: nothing answered, or not in a way that could prove a password."""
    if _REFUSED_BY_LIBPQ in words:
        return TargetError(
            FailureKind.PERMISSION,
            f"The server does not ask for {login.username}'s password, or asks for it as plain text. See the lines for"
            " this login in pg_hba.conf: scram-sha-256 is what it should say there.",
        )
    return TargetError(FailureKind.UNREACHABLE, clean(words, login.password.reveal()) or "The server did not answer.")


def _text(result: pq.abc.PGresult, row: int, column: int) -> str | None:
    value = result.get_value(row, column)
    return None if value is None else bytes(value).decode()


def is_transient(state: str) -> bool:
    """Whether a SQLSTATE says "not now" and nothing about the login."""
    return state.startswith(TRANSIENT_CLASSES) or state in TRANSIENT_STATES


def _statement_failed(result: pq.abc.PGresult, secrets: tuple[str, ...]) -> TargetError:
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
    if state in POLICY_STATES:
        kind = FailureKind.POLICY
    elif is_transient(state) or not state:
        kind = FailureKind.UNREACHABLE
    else:
        kind = FailureKind.PERMISSION
    return TargetError(kind, f"The server refused: {clean(message, *secrets)} ({state or 'no code'}).")
