"""PostgreSQL roles. The server is given SCRAM verifiers only, so no password is in a statement or its log."""

import time
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Final

from psycopg import sql
from pydantic import Field

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.postgres_scram import TAKEN_BY_LIBPQ, ScramKeys
from rotation.connectors.postgres_session import NotAdmitted, Server, Session, SslMode, WrongPassword, log_in
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

POLL_SECONDS: Final = 0.05

_ROLE = b"SELECT coalesce(rolvaliduntil <= now(), false) FROM pg_roles WHERE rolname = $1"
# The function behind pg_stat_activity, whose joins a fresh backend would plan for longer than the rest takes.
_SESSIONS = (
    b" FROM pg_stat_get_activity(NULL) WHERE pid <> pg_backend_pid()"
    b" AND usesysid = (SELECT oid FROM pg_roles WHERE rolname = $1)"
)
_FOLLOW_UPS = b"""SELECT rolsuper, rolcreaterole, rolreplication,
    (SELECT count(*) FROM pg_prepared_xacts WHERE owner = $1) FROM pg_roles WHERE rolname = $1"""


class PostgresSettings(TargetSettings):
    """`sslmode` as libpq knows it. `prefer` goes on without TLS where the server has none, and shows a wrong
    password to a server with TLS twice; `verify-full` trusts the system's certificates or SSL_CERT_FILE.
    """

    host: Host
    port: Port = 5432
    database: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")] = "postgres"
    sslmode: SslMode = "prefer"


class Postgres(Connector):
    """A role. Its own password suffices; an admin needs to be a superuser, or CREATEROLE with ADMIN on the role."""

    key = "postgres"
    label = "PostgreSQL"
    capabilities = Capabilities(
        self_change=True, admin_reset=True, closes_sessions=True, can_verify=True, failed_logins=None,
        may_truncate=False,
    )  # fmt: skip
    Settings = PostgresSettings

    _keys: tuple[Secret, ScramKeys] | None = None
    """Of the password that was set last: they prove it as well, and need not be derived again."""
    _changer: tuple[str, Session] | None = None
    """Whose session set it, and the session: kept for ending the others."""

    def close(self) -> None:
        if self._changer is not None:
            self._changer[1].close()
            self._changer = None

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """`ALTER ROLE … PASSWORD` with a verifier made here. Raises TargetError.

        PERMISSION for a role whose VALID UNTIL is over: no password of it is accepted, so none could be proved.
        """
        text, deadline, login = text_of(new), Deadline(self.timeout), admin or self.itself(current)
        self.close()
        session = self._session(login, deadline)
        try:
            self._refuse_unusable_role(session)
            self._set(text, session)
        except BaseException:
            session.close()
            raise
        self._changer = login.username, session

    def _set(self, text: str, session: Session) -> None:
        keys = ScramKeys.derived(text) if TAKEN_BY_LIBPQ else None
        verifier = keys.verifier if keys else session.verifier(self.username, text)
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
        words = statement.format(sql.Identifier(self.username), sql.Literal(verifier)).as_bytes(None)
        session.query(words, secrets=(text, verifier))
        self._keys = (Secret(text), keys) if keys else None

    def verify(self, password: Secret) -> bool:
        """What the server says to a fresh login's password; what it says about the login afterwards does not matter.

        Raises TargetError when the server does not judge it: unreachable, not let in from here, or no password
        asked for (a `trust` line, PERMISSION).
        """
        deadline = Deadline(self.timeout)
        if self._keys is not None and self._keys[0] == password:
            if self._accepts(password, deadline, self._keys[1]):
                return True
            self._keys = None  # somebody set it anew, perhaps to the same
        return self._accepts(password, deadline)

    def _accepts(self, password: Secret, deadline: Deadline, keys: ScramKeys | None = None) -> bool:
        try:
            with log_in(self._server, Login(self.username, password), deadline=deadline, keys=keys):
                return True
        except NotAdmitted:
            return True
        except WrongPassword:
            return False

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """Terminate every backend of the role but our own, and see them gone. Raises TargetError.

        An admin may reset passwords and still not be allowed to end sessions; the role itself always is.
        """
        deadline, itself = Deadline(self.timeout), Login(self.username, new)
        try:
            return self._close_as(admin or itself, deadline)
        except TargetError as error:
            if admin is None or error.kind is not FailureKind.PERMISSION:
                raise
            return self._close_as(itself, deadline)

    def _close_as(self, login: Login, deadline: Deadline) -> Closed:
        with self._kept(login, deadline) or self._session(login, deadline) as session:
            ended = session.query(b"SELECT pid, pg_terminate_backend(pid)" + _SESSIONS, self.username)
            pids = [pid for pid, _ in ended if pid is not None]
            if pids:
                self._await_end(session, pids, deadline)
            rows = session.query(_FOLLOW_UPS, self.username)
            return Closed(len(pids), tuple(_follow_ups(self.username, rows[0])) if rows else ())

    def _kept(self, login: Login, deadline: Deadline) -> Session | None:
        """The session that set the password, if it is this login's and still alive."""
        kept, self._changer = self._changer, None
        if kept is None:
            return None
        username, session = kept
        try:
            if username == login.username:
                session.go_on(deadline)
                return session
        except TargetError:
            pass  # a server may end what is idle, and a new login is no worse
        session.close()
        return None

    def _await_end(self, session: Session, pids: Sequence[str], deadline: Deadline) -> None:
        """Returns when none of them is left. Raises TargetError UNREACHABLE when some are at the end of the time."""
        statement, wanted = b"SELECT pid" + _SESSIONS + b" AND pid = ANY ($2::integer[])", f"{{{','.join(pids)}}}"
        while left := session.query(statement, self.username, wanted):
            if deadline.left() <= 2 * POLL_SECONDS:
                raise TargetError(FailureKind.UNREACHABLE, f"{len(left)} session(s) of {self.username} do not end.")
            time.sleep(POLL_SECONDS)

    def _refuse_unusable_role(self, session: Session) -> None:
        rows = session.query(_ROLE, self.username)
        if not rows:
            raise TargetError(FailureKind.PERMISSION, f"There is no role {self.username} on this server.")
        if rows[0][0] == "t":
            raise TargetError(
                FailureKind.PERMISSION,
                f"The password of {self.username} has expired (VALID UNTIL), so that the server accepts none at all."
                " Extend it, then go on.",
            )

    def _session(self, login: Login, deadline: Deadline) -> Session:
        session = log_in(self._server, login, deadline=deadline)
        try:
            session.settle()
        except BaseException:
            session.close()
            raise
        return session

    @cached_property
    def _server(self) -> Server:
        target = PostgresSettings.model_validate(self.settings)
        return Server(target.host, target.port, target.database, target.sslmode)


def _follow_ups(username: str, row: Sequence[str | None]) -> list[str]:
    superuser, creates_roles, replicates, prepared = row
    found = []
    if superuser == "t":
        found.append(
            f"{username} is a superuser: look for logins, functions and server files made by whoever knew its password."
        )
    elif creates_roles == "t":
        found.append(f"{username} may create roles: look for logins made by whoever knew its password.")
    if replicates == "t":
        found.append(f"{username} may replicate: give the new password to standbys and backups that log in with it.")
    if prepared not in (None, "0"):
        found.append(f"{username} has {prepared} prepared transaction(s), which outlive sessions: commit or roll back.")
    return found
