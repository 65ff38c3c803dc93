"""ACL users of Redis and Valkey. A user may have several passwords, so the new one is proved before the old one ends.

The server is given SHA-256 digests (`#…`, `!…`), so that no password is in MONITOR or the slow log. Only `AUTH` itself
carries one: use `tls` wherever the network is not trusted. See the Redis documentation, "ACL" and `ACL SETUSER`.
"""

import hashlib

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.redis_session import Server, Session, understood
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret


class RedisAclSettings(TargetSettings):
    """`tls` verifies the server by the system's certificates. `save` writes users to the server's ACL file: without it
    a restart of the server brings old passwords back.
    """

    host: Host
    port: Port = 6379
    tls: bool = False
    save: bool = True


class RedisAcl(Connector):
    """An ACL user. An admin needs `ACL` and `CLIENT KILL`; the user itself may do it where it has those."""

    key = "redis_acl"
    label = "Redis / Valkey ACL"
    capabilities = Capabilities(
        self_change=True, admin_reset=True, two_passwords=True, closes_sessions=True, can_verify=True,
        failed_logins=None, may_truncate=False,
    )  # fmt: skip
    Settings = RedisAclSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """Add `new` beside the passwords there are; where none of these is known, in their place. Raises TargetError.

        `ACL SETUSER` makes users that do not exist, so the user is looked up first. A server that cannot save says
        so before anything is changed.
        """
        digest = _digest(text_of(new))
        with self._session(admin or self.itself(current)) as session:
            self._passwords(session)
            self._save(session)
            rules = ([] if current else ["resetpass"]) + [f"#{digest}"]
            session.ask("ACL", "SETUSER", self.username, *rules, secrets=(new.reveal(), digest))
            self._save_changed(session)

    def verify(self, password: Secret) -> bool:
        """The answer to `AUTH` on a fresh connection. A user that is switched off rejects every password."""
        text_of(password)
        with Session(self._server(), Deadline(self.timeout)) as session:
            return session.accepts(Login(self.username, password))

    def retire(self, old: Secret, *, new: Secret, admin: Login | None) -> None:
        """Leave `new` as the only password: `old` ends, and any other somebody added. Raises TargetError."""
        digest = _digest(text_of(new))
        with self._session(admin or Login(self.username, new)) as session:
            found = self._passwords(session)
            if digest not in found:
                raise TargetError(
                    FailureKind.AUTHENTICATION,
                    f"{self.username} no longer has the new password: somebody else changed it. Nothing was ended.",
                )
            others = [f"!{other}" for other in found if other != digest]
            if others:
                session.ask("ACL", "SETUSER", self.username, *others, secrets=tuple(found))
            self._save_changed(session)
            if self._passwords(session) != [digest]:
                raise TargetError(FailureKind.UNREACHABLE, f"Another password of {self.username} was just added.")

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """`CLIENT KILL USER`: every connection of the user but our own. Raises TargetError."""
        with self._session(admin or Login(self.username, new)) as session:
            with understood():
                count = int(session.ask("CLIENT", "KILL", "USER", self.username, "SKIPME", "yes"))
            return Closed(count, self._follow_ups(session))

    def _passwords(self, session: Session) -> list[str]:
        """SHA-256 of each of the user's passwords, hexadecimal. Raises TargetError PERMISSION for no usable user."""
        user = session.ask("ACL", "GETUSER", self.username)
        if user is None:
            raise TargetError(FailureKind.PERMISSION, f"There is no user {self.username} on this server.")
        with understood():
            properties = dict(zip(user[::2], user[1::2], strict=True))
            is_on, digests = b"on" in properties[b"flags"], [each.decode() for each in properties[b"passwords"]]
        if not is_on:
            raise TargetError(
                FailureKind.PERMISSION,
                f"The user {self.username} is switched off and no password is accepted. Switch it on, then go on.",
            )
        return digests

    def _save(self, session: Session) -> None:
        if self._target.save:
            try:
                session.ask("ACL", "SAVE")
            except TargetError as error:
                raise TargetError(
                    error.kind,
                    f"{error.detail} The server cannot save its users, so a restart would bring old passwords back."
                    " Give it an aclfile, or switch off “save” for this account.",
                ) from None

    def _save_changed(self, session: Session) -> None:
        """After a change "the target said no" would be untrue, whatever the reason is."""
        try:
            self._save(session)
        except TargetError as error:
            raise TargetError(FailureKind.UNREACHABLE, f"Changed, but not saved: {error.detail}") from None

    def _follow_ups(self, session: Session) -> tuple[str, ...]:
        try:
            with understood():
                information = _fields(session.ask("INFO"))
        except TargetError as error:
            if error.kind is not FailureKind.PERMISSION:
                raise
            return (f"Does this server have replicas? Each keeps users of its own: change {self.username} there too.",)
        if information.get("cluster_enabled", "0") == "0" and information.get("connected_slaves", "0") == "0":
            return ()
        return (f"Each node and replica keeps users of its own: change {self.username} there too.",)

    def _session(self, login: Login) -> Session:
        session = Session(self._server(), Deadline(self.timeout))
        try:
            session.log_in(login)
        except BaseException:
            session.close()
            raise
        return session

    @property
    def _target(self) -> RedisAclSettings:
        return RedisAclSettings.model_validate(self.settings)

    def _server(self) -> Server:
        return Server(self._target.host, self._target.port, self._target.tls)


def _digest(password: str) -> str:
    """SHA-256 is what ACL rules are written in; the length of generated passwords makes up for its speed."""
    return hashlib.sha256(password.encode()).hexdigest()


def _fields(information: bytes) -> dict[str, str]:
    lines = information.decode(errors="replace").splitlines()
    return {name: value for name, found, value in (line.partition(":") for line in lines) if found}
