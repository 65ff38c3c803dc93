"""Entries of an LDAP directory: OpenLDAP and others with the password modify operation (RFC 3062), Active Directory.

Passwords go to the server as they are, in binds as in changes: use TLS wherever the network is not trusted. Active
Directory takes none without.
"""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.ldap_messages import Change, Reply
from rotation.connectors.ldap_session import (
    CONSTRAINT_VIOLATION,
    INVALID_CREDENTIALS,
    SUCCESS,
    Server,
    Session,
    Tls,
    refused,
    said,
)
from rotation.connectors.secrecy import text_of
from workspace.crypto import Secret
from workspace.errors import Invalid

_SPECIAL_IN_DN: Final = re.compile(r'[,+"\\<>;=]|\A[ #]|[ ]\Z')  # RFC 4514, section 2.4
# Of the password policy control.
_EXPIRED, _LOCKED, _NOT_ALLOWED, _TOO_YOUNG, _IN_HISTORY = 0, 1, 3, 7, 8
_LOCKED_FOR_GOOD: Final = b"000001010000Z"  # pwdAccountLockedTime of a login that an administrator locked
# What Active Directory appends to 49 ([MS-ERREF]): only said to whoever has the right password …
_AD_RIGHT_BUT: Final = frozenset({"530", "531", "532", "533", "701", "773"})
_AD_LOCKED: Final = "775"  # … and this one to everybody.
_AD_POLICY, _AD_WRONG_PASSWORD, _AD_NO_TLS = 0x52D, 0x56, 0x1F


def _template(text: str) -> str:
    if text and (text.count("{username}") != 1 or re.search(r"[{}]", text.replace("{username}", ""))):
        raise ValueError("must contain {username} once, as in uid={username},ou=people,dc=example,dc=org")
    return text


BindAs = Annotated[
    str,
    Field(
        max_length=500,
        title="Bind as",
        description="How a user name becomes the name to bind with: uid={username},ou=people,dc=example,dc=org or"
        " {username}@corp.example. Empty: user names are such names already.",
    ),
    AfterValidator(_template),
]


Directory = Annotated[
    Literal["openldap", "active_directory"],
    Field(description="openldap: any directory with the password modify operation (RFC 3062)."),
]
Security = Annotated[
    Tls,
    Field(
        title="TLS", description="ldaps is spoken on port 636, starttls on 389. With none passwords travel readable."
    ),
]


class LdapSettings(TargetSettings):
    """`tls` verifies the server by the system's certificates or SSL_CERT_FILE; `none` sends passwords readable."""

    directory: Directory = "openldap"
    host: Host
    port: Port = 636
    tls: Security = "ldaps"
    bind_as: BindAs = ""

    @model_validator(mode="after")
    def _no_active_directory_without_tls(self) -> Self:
        if self.directory == "active_directory" and self.tls == "none":
            raise ValueError("tls: Active Directory takes new passwords over TLS alone. Choose ldaps or starttls")
        return self


class Ldap(Connector):
    """An entry. It may change itself where the directory lets it; an admin needs to write the password of the entry."""

    key = "ldap"
    label = "LDAP (OpenLDAP, Active Directory)"
    capabilities = Capabilities(self_change=True, admin_reset=True, can_verify=True)
    Settings = LdapSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """The password modify operation, or `unicodePwd` in Active Directory. Raises TargetError.

        LOCKED or PERMISSION for a login that somebody locked: to set a password would let it in again.
        """
        text = text_of(new)
        login = admin or self.itself(current)
        with self._session() as session:
            self._log_in(session, login)
            if admin is None and text == login.password.reveal():
                return  # set by an earlier attempt; a directory's history would refuse it
            try:
                self._set(session, text, None if admin else login.password.reveal())
            except _Used:
                if not self.verify(new):  # else an earlier attempt set it
                    raise

    def verify(self, password: Secret) -> bool:
        """The answer to a bind on a fresh connection. What keeps the login out beside the password does not matter.

        Raises TargetError LOCKED where the directory says that it judges no password for now. Many say "wrong".
        """
        text = text_of(password)
        with self._session() as session:
            return self._accepts(session, Login(self.username, Secret(text)))

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """LDAP has no operation that ends somebody else's connection. Says what a person has to see to."""
        return Closed(follow_ups=(_LIVE_ON.format(self.username), *(_TICKETS if self._is_ad else ())))

    # Logins

    def _log_in(self, session: Session, login: Login) -> None:
        reply = self._bind(session, login)
        if reply.code == SUCCESS:
            return
        if self._is_right_but_kept_out(reply, login.username):
            raise TargetError(
                FailureKind.PERMISSION,
                f"The password of {login.username} is right, and the directory lets nobody in with it: it has expired,"
                " or has to be changed, or the login is switched off. Mend that, or name an admin account.",
            )
        raise TargetError(FailureKind.AUTHENTICATION, f"The server rejected the password of {login.username}.")

    def _accepts(self, session: Session, login: Login) -> bool:
        reply = self._bind(session, login)
        return reply.code == SUCCESS or self._is_right_but_kept_out(reply, login.username)

    def _bind(self, session: Session, login: Login) -> Reply:
        """The answer to a bind, success or 49. Raises TargetError for any other."""
        reply = session.bind(self._bind_name(login.username), text_of(login.password))
        if reply.code not in (SUCCESS, INVALID_CREDENTIALS):
            raise refused(reply, login.username)
        return reply

    def _is_right_but_kept_out(self, reply: Reply, username: str) -> bool:
        """49 is the answer to wrong passwords and, with a word beside it, to right ones. Raises TargetError LOCKED."""
        found = re.search(r"\bdata ([0-9a-f]+)", reply.text) if self._is_ad else None
        word = found[1].lower() if found else ""
        if reply.policy_error == _LOCKED or word == _AD_LOCKED:
            raise TargetError(FailureKind.LOCKED, f"The directory has locked {username} and judges no password now.")
        return reply.policy_error == _EXPIRED or word in _AD_RIGHT_BUT

    # The change

    def _set(self, session: Session, new: str, old: str | None) -> None:
        if self._is_ad:
            self._set_unicode_pwd(session, new, old)
            return
        name = self._bind_name(self.username)
        if old is None:
            self._refuse_locked(session, name)
        reply = session.change_password(name, old=old, new=new)
        if reply.code != SUCCESS:
            raise self._not_set(reply)
        if old is None:
            self._spare_second_change(session, name)

    def _refuse_locked(self, session: Session, name: str) -> None:
        """Not where an administrator locked the login: its new password would unlock it. As far as we may see."""
        _, found = session.search(name, attributes=("pwdAccountLockedTime", "nsAccountLock"))
        values = {value for entry in found for each in entry.attributes.values() for value in each}
        if values & {_LOCKED_FOR_GOOD, b"true", b"TRUE"}:
            raise TargetError(
                FailureKind.PERMISSION,
                f"An administrator of the directory locked {self.username}, so that it accepts no password at all."
                " Unlock it, then go on.",
            )

    def _spare_second_change(self, session: Session, name: str) -> None:
        """With pwdMustChange the directory wants the login to change what was set for it, and lets it do nothing else.

        As far as the admin may say so; where not, the login's own next bind is what tells.
        """
        _, found = session.search(name, attributes=("pwdReset",))
        if any(entry.attributes.get("pwdreset") == [b"TRUE"] for entry in found):
            session.modify(name, [("replace", "pwdReset", ())])

    def _not_set(self, reply: Reply) -> TargetError:
        error = reply.policy_error
        if error == _IN_HISTORY:
            return _Used(FailureKind.POLICY, f"The directory remembers this password: {said(reply)}")
        if error in (_NOT_ALLOWED, _TOO_YOUNG):
            return TargetError(FailureKind.PERMISSION, f"The directory does not let it be changed now: {said(reply)}")
        if error is not None or reply.code == CONSTRAINT_VIOLATION:
            return TargetError(FailureKind.POLICY, f"The directory refused the new password: {said(reply)}")
        return refused(reply, self.username)

    def _set_unicode_pwd(self, session: Session, new: str, old: str | None) -> None:
        """[MS-ADTS] 3.1.1.3.1.5: replaced by an admin; by the login itself the old value deleted and the new added."""
        name = self._distinguished_name(session)
        if old is None:
            changes: list[Change] = [("replace", "unicodePwd", [_quoted(new)])]
        else:
            changes = [("delete", "unicodePwd", [_quoted(old)]), ("add", "unicodePwd", [_quoted(new)])]
        reply = session.modify(name, changes, secrets=(new, old or ""))
        if reply.code != SUCCESS:
            raise self._not_set_in_ad(reply)

    def _not_set_in_ad(self, reply: Reply) -> TargetError:
        """Active Directory says why in the first word of its text: a Windows error code, hexadecimal."""
        found = re.match(r"([0-9A-Fa-f]{8}):", reply.text)
        reason = int(found[1], 16) if found else None
        if reason == _AD_POLICY:
            return TargetError(FailureKind.POLICY, f"The domain's password policy refused it: {said(reply)}")
        if reason == _AD_WRONG_PASSWORD:
            return TargetError(FailureKind.AUTHENTICATION, f"The directory rejected the old password: {said(reply)}")
        if reason == _AD_NO_TLS:
            return TargetError(FailureKind.PERMISSION, f"The directory finds the connection too weak: {said(reply)}")
        return refused(reply, self.username)

    # Names

    def _bind_name(self, username: str) -> str:
        """A name with “=” is a DN, one with “@” or “\\” what Active Directory calls its users: taken as they are."""
        if not username.strip():  # with an empty name every password is accepted, as nobody's (RFC 4513, 5.1.1)
            raise Invalid("username: a login in the directory must be named.", field="username")
        template = self._target.bind_as
        if not template or "=" in username or (self._is_ad and re.search(r"[@\\]", username)):
            return username
        is_dn = "=" in template
        return template.replace("{username}", _escaped(username) if is_dn else username)

    def _distinguished_name(self, session: Session) -> str:
        name = self._bind_name(self.username)
        if "=" in name:
            return name
        _, root = session.search("", attributes=("defaultNamingContext",))
        contexts = [value for entry in root for value in entry.attributes.get("defaultnamingcontext", ())]
        if not contexts:
            raise TargetError(FailureKind.PERMISSION, "The directory names no domain: enter user names as DNs.")
        plain = re.split(r"[\\]", name)[-1].partition("@")[0]
        where = (("userPrincipalName", name), ("sAMAccountName", plain))
        reply, found = session.search(contexts[0].decode(), attributes=("distinguishedName",), where=where)
        if len(found) != 1:
            why = "There is no" if reply.code == SUCCESS and not found else "The directory does not find the one"
            raise TargetError(FailureKind.PERMISSION, f"{why} entry of {self.username}. Enter its DN as the user name.")
        return found[0].name

    @property
    def _target(self) -> LdapSettings:
        return LdapSettings.model_validate(self.settings)

    @property
    def _is_ad(self) -> bool:
        return self._target.directory == "active_directory"

    def _session(self) -> Session:
        target = self._target
        return Session(Server(target.host, target.port, target.tls), Deadline(self.timeout))


class _Used(TargetError):
    """The directory keeps a history and found the password in it. It may be the one in force."""


_LIVE_ON: Final = (
    "Connections bound as {} live on until they are closed: restart what may hold one, or the directory, if whoever"
    " knew the password could have one open."
)
_TICKETS: Final = (
    "Kerberos tickets stay valid until they expire (10 hours in most domains), and domain controllers take the old"
    " password over NTLM for up to an hour.",
)


def _quoted(password: str) -> bytes:
    return f'"{password}"'.encode("utf-16-le")


def _escaped(text: str) -> str:
    """A value as it stands in a DN."""
    return _SPECIAL_IN_DN.sub(lambda found: f"\\{found[0]}", text)
