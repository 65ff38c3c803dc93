"""Users of MariaDB and MySQL. The server is given hashes only, so no password is in a statement or its logs.

What MySQL does differently (dual passwords, caching_sha2_password) is tried against its documented protocol and
grammar, not on a MySQL server.
"""

import re
import time
from typing import Annotated, Final, NoReturn

from pydantic import AfterValidator, Field

from rotation.connectors import mariadb_policy
from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.mariadb_account import (
    CREATES,
    KILLS,
    REPLICATES,
    RULES,
    SEES,
    Change,
    UserAccount,
    Version,
    change_of,
    granted,
    own_change,
)
from rotation.connectors.mariadb_hashes import HASHES
from rotation.connectors.mariadb_protocol import Server, SslMode
from rotation.connectors.mariadb_session import (
    NO_SUCH_THREAD,
    NO_SUCH_USER,
    NotAdmitted,
    Refused,
    Session,
    WrongPassword,
    log_in,
)
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret

POLL_SECONDS: Final = 0.05

_SESSIONS: Final = "SELECT id FROM information_schema.processlist WHERE user = %s AND id <> CONNECTION_ID()"
_OTHER_HOSTS: Final = "SELECT Host FROM mysql.user WHERE User = %s AND Host <> %s ORDER BY Host"


def _fingerprint(text: str) -> str:
    plain = text.replace(":", "").lower()
    if plain and not re.fullmatch("[0-9a-f]{64}", plain):
        raise ValueError("must be the SHA-256 of the server's certificate: 64 hexadecimal digits")
    return plain


class MariaDbSettings(TargetSettings):
    """`user_host` is the second half of the user's name on the server, as in 'app'@'%'."""

    host: Host
    port: Port = 3306
    user_host: Annotated[
        str,
        Field(
            min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$",
            description="The host in the user's name on the server, as in app@% or app@10.0.0.5.",
        ),
    ] = "%"  # fmt: skip
    ssl_mode: Annotated[
        SslMode,
        Field(
            title="SSL mode",
            description="preferred goes on without TLS where the server has none; verify_identity alone makes sure of"
            " the server.",
        ),
    ] = "preferred"
    certificate_sha256: Annotated[
        str,
        Field(
            max_length=95, title="Certificate SHA-256",
            description="The fingerprint of a certificate that no known authority signed.",
        ),
        AfterValidator(_fingerprint),
    ] = ""  # fmt: skip
    dual_passwords: Annotated[
        bool, Field(description="MySQL 8.0.14 and newer: the old password works until the new one is proved.")
    ] = False


class MariaDb(Connector):
    """A user at a host. Its own password suffices on MariaDB; an admin needs CREATE USER, and SELECT on mysql.*."""

    key = "mariadb"
    label = "MariaDB / MySQL"
    capabilities = Capabilities(
        self_change=True, admin_reset=True, closes_sessions=True, can_verify=True, may_truncate=False
    )
    Settings = MariaDbSettings

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self.capabilities = Capabilities(
            self_change=True, admin_reset=True, two_passwords=self._target.dual_passwords, closes_sessions=True,
            can_verify=True, may_truncate=False,
        )  # fmt: skip

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """`ALTER USER` with hashes made here, or as the user itself `SET PASSWORD`. Raises TargetError.

        PERMISSION for an account that is locked, or that logs in by a plugin whose hash cannot be made here.
        """
        text = text_of(new)
        with self._session(admin or self.itself(current), Deadline(self.timeout)) as session:
            version = _version(session)
            if self._target.dual_passwords and not version.has_dual_passwords:
                raise TargetError(
                    FailureKind.PERMISSION,
                    "This server has no dual passwords; MySQL has them from 8.0.14 on. Switch “dual passwords” off.",
                )
            who = (self.username, self._target.user_host) if admin else _own_name(session)
            account = self._account(session, who)
            self._refuse_unusable(account)
            self._keep_policy(session, text)
            if admin is None and version.is_mariadb:
                self._set_own(session, account, text)
                return
            try:
                self._alter(session, account, who, text, version)
            except Refused as error:
                if admin is not None:
                    raise
                raise TargetError(
                    error.kind, f"{error.detail} On MySQL a user sets its own password as text only, which is not sent."
                    " Name an admin account.",
                ) from None  # fmt: skip

    def verify(self, password: Secret) -> bool:
        """What the server says to a fresh login's password; an expired one is still right. Raises TargetError."""
        try:
            with log_in(self._server(), Login(self.username, password), deadline=Deadline(self.timeout)):
                return True
        except NotAdmitted:
            return True
        except WrongPassword:
            return False

    def retire(self, old: Secret, *, new: Secret, admin: Login | None) -> None:
        """MySQL's `DISCARD OLD PASSWORD`, where two are valid beside each other. Raises TargetError."""
        if self._target.dual_passwords:
            with self._session(admin or Login(self.username, new), Deadline(self.timeout)) as session:
                who = (self.username, self._target.user_host) if admin else _own_name(session)
                session.query("ALTER USER %s@%s DISCARD OLD PASSWORD", *who)

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """KILL every connection of the user but our own, and see them gone. Raises TargetError.

        An admin without the rights for it is not told so by the server: it sees fewer sessions. So the rights are
        looked at, and where they are missing the user does it, who may always end its own.
        """
        deadline = Deadline(self.timeout)
        if admin is not None:
            with self._session(admin, deadline) as session:
                rights = _granted(session)
                if rights & KILLS and rights & SEES:
                    return self._close_in(session, self._target.user_host, deadline)
        with self._session(Login(self.username, new), deadline) as session:
            return self._close_in(session, _own_name(session)[1], deadline)

    def _close_in(self, session: Session, user_host: str, deadline: Deadline) -> Closed:
        """Raises TargetError UNREACHABLE when some are left at the end of the time."""
        ended: set[str] = set()
        while left := [row[0] for row in session.query(_SESSIONS, self.username)]:
            for number in left:
                if number not in ended:
                    ended.add(number)
                    _kill(session, number)
            if deadline.left() <= 2 * POLL_SECONDS:
                raise TargetError(FailureKind.UNREACHABLE, f"{len(left)} session(s) of {self.username} do not end.")
            time.sleep(POLL_SECONDS)
        return Closed(len(ended), self._follow_ups(session, user_host))

    def _follow_ups(self, session: Session, user_host: str) -> tuple[str, ...]:
        found, who = [], f"{self.username}@{user_host}"
        try:
            hosts = [row[0] for row in session.query(_OTHER_HOSTS, self.username, user_host)]
            account = self._account(session, (self.username, user_host))
            rights = _granted(session, self.username, user_host)
        except TargetError as error:
            if error.kind is not FailureKind.PERMISSION:
                raise
            return (f"Does {self.username} exist for other hosts than {user_host}? Each has a password of its own.",)
        if hosts:
            found.append(f"{self.username} also exists for {', '.join(hosts)}, each with a password of its own.")
        if account.others:
            found.append(f"{who} may also log in by {', '.join(account.others)}, without this password.")
        if rights & RULES:
            found.append(f"{who} rules the server: look for users, events and routines of whoever knew its password.")
        elif rights & CREATES:
            found.append(f"{who} may create users: look for those made by whoever knew its password.")
        if rights & REPLICATES:
            found.append(f"{who} may replicate: give the new password to replicas that log in with it.")
        return tuple(found)

    def _account(self, session: Session, who: tuple[str, str]) -> UserAccount:
        """Raises TargetError PERMISSION for a user that does not exist, or that may not be looked at."""
        try:
            rows = session.query("SHOW CREATE USER %s@%s", *who)
            return UserAccount.parsed(rows[0][0])
        except Refused as error:
            if error.number in NO_SUCH_USER or error.number == 1396:
                self._missing(session, who)
            raise TargetError(
                error.kind, f"{error.detail} An admin account needs SELECT on mysql.* to see how {who[0]} logs in."
            ) from None
        except (ValueError, LookupError):
            raise TargetError(
                FailureKind.PERMISSION, f"The server describes {'@'.join(who)} in a way that is not understood here."
            ) from None

    def _missing(self, session: Session, who: tuple[str, str]) -> NoReturn:
        hosts = [row[0] for row in session.query(_OTHER_HOSTS, *who)]
        known = f" There is one for {', '.join(hosts)}: see the setting user_host." if hosts else ""
        raise TargetError(FailureKind.PERMISSION, f"There is no user {'@'.join(who)} on this server.{known}")

    def _refuse_unusable(self, account: UserAccount) -> None:
        if account.is_locked:
            raise TargetError(
                FailureKind.PERMISSION,
                f"The account of {self.username} is locked, so that no password is accepted. Unlock it, then go on.",
            )
        if not account.hashable or account.has_factors:
            ways = "several factors" if account.has_factors else ", ".join(account.others)
            raise TargetError(
                FailureKind.PERMISSION,
                f"{self.username} logs in by {ways}. A password is set here as a hash only, and for"
                f" {', '.join(HASHES)} alone; it is not sent as text.",
            )

    def _keep_policy(self, session: Session, text: str) -> None:
        """Raises TargetError POLICY for a password that the server's own rules would refuse if it saw it."""
        rows = session.query(mariadb_policy.QUERY, *mariadb_policy.NAMES)
        broken = mariadb_policy.broken_rule({row[0]: row[1] for row in rows}, self.username, text)
        if broken:
            raise TargetError(FailureKind.POLICY, f"The server's rules for passwords want another one: {broken}.")

    def _set_own(self, session: Session, account: UserAccount, text: str) -> None:
        if len(account.hashable) > 1:
            ways = ", ".join(method.plugin for method in account.hashable)
            raise TargetError(
                FailureKind.PERMISSION,
                f"{self.username} has several passwords ({ways}), and can change only the first itself. Name an admin"
                " account.",
            )
        self._run(session, own_change(account.hashable[0], text))

    def _alter(
        self, session: Session, account: UserAccount, who: tuple[str, str], text: str, version: Version
    ) -> None:
        retain = self._target.dual_passwords
        self._run(session, change_of(account, who, text, version, retain=retain))
        if version.has_dual_passwords and not retain:
            try:  # one that was retained earlier would outlive this change
                session.query("ALTER USER %s@%s DISCARD OLD PASSWORD", *who)
            except TargetError as error:
                raise TargetError(
                    FailureKind.UNREACHABLE, f"Changed, but an older password may be left: {error.detail}"
                ) from None

    def _run(self, session: Session, change: Change) -> None:
        try:
            session.query(change.statement, *change.values, secrets=change.secrets)
        except Refused as error:
            if not error.is_strict_validation:
                raise
            raise TargetError(
                FailureKind.PERMISSION,
                "The server takes passwords as text only (strict_password_validation), which would put them into its"
                " logs. Switch that off: the rules of simple_password_check are kept here.",
            ) from None

    def _session(self, login: Login, deadline: Deadline) -> Session:
        session = log_in(self._server(), login, deadline=deadline)
        try:
            session.query("SET SESSION sql_mode = ''")
        except BaseException:
            session.close()
            raise
        return session

    @property
    def _target(self) -> MariaDbSettings:
        return MariaDbSettings.model_validate(self.settings)

    def _server(self) -> Server:
        target = self._target
        return Server(target.host, target.port, target.ssl_mode, target.certificate_sha256)


def _version(session: Session) -> Version:
    return Version.of(session.query("SELECT VERSION()")[0][0])


def _own_name(session: Session) -> tuple[str, str]:
    """The user and host by which the server knows this session: not always those it came with."""
    name, _, host = session.query("SELECT CURRENT_USER()")[0][0].rpartition("@")
    return name, host


def _granted(session: Session, *who: str) -> frozenset[str]:
    """The global privileges of a user, or of the session's own."""
    rows = session.query("SHOW GRANTS FOR %s@%s", *who) if who else session.query("SHOW GRANTS")
    return granted(row[0] for row in rows)


def _kill(session: Session, number: str) -> None:
    try:
        session.query("KILL %s", int(number))
    except Refused as error:
        if error.number != NO_SUCH_THREAD:
            raise
