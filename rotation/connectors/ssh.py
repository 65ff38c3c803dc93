"""Logins of Linux machines, over SSH. The new password goes to `chpasswd` or `passwd` on their input, never as an
argument, so that no process list and no log of commands has it.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, Field

from rotation.connectors import ssh_passwd, ssh_processes
from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Deadline, Host, Port
from rotation.connectors.secrecy import text_of
from rotation.connectors.ssh_account import LinuxAccount, left_behind, look
from rotation.connectors.ssh_session import Server, Session, fingerprint, in_time, logged_in
from workspace.crypto import Secret
from workspace.errors import Invalid

_NAME: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@\\$+-]*")
Outcome = TypeVar("Outcome")


def _keys(text: str) -> str:
    if not text.strip():
        return ""
    return ", ".join(fingerprint(each) for each in text.split(","))


HostKeys = Annotated[
    str,
    Field(
        max_length=4000,
        description="The server's own key: its fingerprint (SHA256:…) or its public line; several with commas between"
        " them. Without it no password is sent, and the first attempt says which one the server shows.",
    ),
    AfterValidator(_keys),
]
EndProcesses = Annotated[
    Literal["sessions", "all"],
    Field(description="What ends after a change: the login's sessions, or every process of it, services included."),
]


class SshSettings(TargetSettings):
    """`host_key` pins the server. `end_processes` says how much of the login is ended after a change."""

    host: Host
    port: Port = 22
    host_key: HostKeys = ""
    end_processes: EndProcesses = "sessions"


class Ssh(Connector):
    """A login of a Linux machine. An admin is root, or may use `sudo -n` for chpasswd, passwd -S and pkill."""

    key = "ssh"
    label = "Linux over SSH"
    capabilities = Capabilities(
        self_change=True, admin_reset=True, closes_sessions=True, can_verify=True,
        failed_logins=2,  # pam_faillock locks at the third where nobody says otherwise
    )  # fmt: skip
    Settings = SshSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """`chpasswd` as the admin, `passwd` as the login itself. Raises TargetError.

        PERMISSION for a login that takes no password at all: to set one would let in who was locked out.
        """
        self._refuse_unusable_name()
        text, deadline = _typed(new), Deadline(self.timeout)
        if admin is None:
            self._change_own(text, self.itself(current), deadline)
            return
        try:
            self._as(admin, lambda session: self._reset(session, text), deadline)
        except ssh_passwd.AlreadyUsed:
            if not self.verify(new):  # else it is what an earlier attempt set
                raise

    def verify(self, password: Secret) -> bool:
        """The server's answer to a fresh login by this password alone. Whether a shell follows does not matter.

        Locked and expired logins, and those whose shell is missing, are rejected like a wrong password.
        """
        self._refuse_unusable_name()
        try:
            self._as(Login(self.username, password), _nothing, Deadline(self.timeout))
        except TargetError as error:
            if error.kind is FailureKind.AUTHENTICATION:
                return False
            raise
        return True

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """End the login's connections and terminals, our own apart, and see them gone. Raises TargetError.

        An admin may reset passwords and still not be allowed to end processes; the login itself always is.
        """
        deadline, itself = Deadline(self.timeout), Login(self.username, new)
        self._refuse_unusable_name()
        try:
            closed = self._as(admin or itself, lambda session: self._close(session, deadline), deadline)
        except TargetError as error:
            if admin is None or error.kind is not FailureKind.PERMISSION:
                raise
            closed = self._as(itself, lambda session: self._close(session, deadline), deadline)
        return Closed(closed.sessions, (*closed.follow_ups, *self._left_behind(itself, admin, deadline)))

    # The change

    def _change_own(self, text: str, itself: Login, deadline: Deadline) -> None:
        current = _typed(itself.password)
        if text == current:  # set by an earlier attempt; Linux refuses to set the same again
            self._as(itself, _nothing, deadline)
            return
        self._as(itself, lambda session: ssh_passwd.change_own(session, current, text), deadline)

    async def _reset(self, session: Session, text: str) -> None:
        """Not where no password is accepted: it could not be proved, and would unlock what somebody locked."""
        seen = await look(session, self.username, state=True)
        if seen.unusable:
            raise TargetError(
                FailureKind.PERMISSION,
                f"{seen.unusable}, so that the server accepts no password of {self.username} at all. Mend that, then"
                " go on.",
            )
        _refuse_missing_right(seen.denied)
        answer = await session.run(f"env LC_ALL=C {seen.sudo}chpasswd", f"{self.username}:{text}\n", secrets=(text,))
        if answer.status != 0:
            _refuse_missing_right(answer.words)
            raise ssh_passwd.refusal(answer.words)

    # The sessions

    async def _close(self, session: Session, deadline: Deadline) -> Closed:
        seen = await look(session, self.username)
        is_all = self._target.end_processes == "all" and seen.uid != 0
        before = left = await self._running(session, seen.uid)
        if is_all and not seen.is_its_own:
            await session.run(f"env LC_ALL=C {seen.sudo}loginctl terminate-user {self.username}")  # if there is logind
        while ending := (left.everywhere if is_all else left.in_sessions):
            deadline.left()
            await self._kill(session, seen, ending)
            left = await self._running(session, seen.uid)
        return Closed(before.connections, tuple(_still_there(seen, left)))

    async def _kill(self, session: Session, seen: LinuxAccount, sessions: Iterable[int]) -> None:
        """By user and kernel session, so that a number that was given anew meets nobody else's process."""
        numbers = ",".join(map(str, sorted(sessions)))
        answer = await session.run(f"env LC_ALL=C {seen.sudo}pkill -KILL -u {seen.uid} -s {numbers}")
        if answer.status > 1:
            _refuse_missing_right(answer.words)
            raise TargetError(FailureKind.PERMISSION, f"The sessions could not be ended: {answer.words}")
        if answer.status == 1 and answer.words:  # 1 alone is: none is left
            _refuse_missing_right(answer.words)

    async def _running(self, session: Session, uid: int) -> ssh_processes.Running:
        try:
            own, table = ssh_processes.parse(await session.lines(ssh_processes.COMMAND))
        except ValueError:
            raise TargetError(
                FailureKind.PERMISSION, "The server did not list its processes; `ps` of procps is needed."
            ) from None
        return ssh_processes.running(own, table, uid)

    # What a password change does not end

    def _left_behind(self, itself: Login, admin: Login | None, deadline: Deadline) -> list[str]:
        """Keys and timed jobs. Root sees them; of other admins that is not asked, so the login itself looks."""
        for login in (admin, itself) if admin else (itself,):
            try:
                found = self._as(login, lambda session: left_behind(session, self.username), deadline)
            except TargetError:
                continue
            if found is not None:
                return found
        return [f"Does {self.username} have keys in authorized_keys, or timed jobs? They could not be seen."]

    # Ways in

    def _as(self, login: Login, act: Callable[[Session], Awaitable[Outcome]], deadline: Deadline) -> Outcome:
        async def work() -> Outcome:
            async with logged_in(self._server(), login, deadline=deadline) as session:
                return await act(session)

        return in_time(work(), deadline)

    def _refuse_unusable_name(self) -> None:
        """The name stands in commands and in chpasswd's lines."""
        if not _NAME.fullmatch(self.username):
            raise Invalid(f"username: {self.username} cannot be a login of a Linux machine.", field="username")

    @property
    def _target(self) -> SshSettings:
        return SshSettings.model_validate(self.settings)

    def _server(self) -> Server:
        target = self._target
        return Server(target.host, target.port, tuple(filter(None, target.host_key.split(", "))))


async def _nothing(session: Session) -> None:
    return


def _typed(password: Secret) -> str:
    """A password as it can be typed into a terminal, or stand on a line. Raises Invalid for any other."""
    text = text_of(password)
    if not text.isprintable():
        raise Invalid("A password for a Linux login must not contain control characters.", field="password")
    return text


def _refuse_missing_right(words: str) -> None:
    if words.startswith("sudo:") or "command not found" in words or "Permission denied" in words:
        raise TargetError(FailureKind.PERMISSION, f"The admin lacks a right on the server: {words}")


def _still_there(seen: LinuxAccount, left: ssh_processes.Running) -> list[str]:
    found = []
    if seen.is_mighty:
        found.append(
            f"{seen.name} may become root: look for logins, keys, services and programs left by whoever knew its"
            " password."
        )
    if left.others and seen.uid != 0:
        found.append(
            f"{left.others} process(es) of {seen.name} run on outside of any session: services, or what somebody left"
            " there. Look at them."
        )
    return found
