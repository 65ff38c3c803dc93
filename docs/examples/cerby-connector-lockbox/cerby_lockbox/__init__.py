"""Logins of a Lockbox server, a target made up for this example.

Lockbox speaks lines over TCP: `LOGIN name digest`, `SET name digest`, `KILL name`, answered by `OK …`, `DENIED`,
`WEAK …` or `FORBIDDEN …`. A digest is the SHA-256 of a password, so that the server's log never holds one.
"""

import hashlib
import socket
from typing import Final, Self

from rotation.connectors.base import Capabilities, Closed, Connector, FailureKind, Login, TargetError, TargetSettings
from rotation.connectors.dial import Allowance, Deadline, Host, Port, resolve
from rotation.connectors.secrecy import clean, text_of
from workspace.crypto import Secret

KINDS: Final = {"WEAK": FailureKind.POLICY, "FORBIDDEN": FailureKind.PERMISSION}


class LockboxSettings(TargetSettings):
    """What an account's page asks for, beside the user name. A secret never stands here."""

    host: Host
    port: Port = 7070


class Lockbox(Connector):
    """A login. Its own password suffices to change it; the login `keeper` may set any."""

    key = "lockbox"
    label = "Lockbox"
    capabilities = Capabilities(
        self_change=True, admin_reset=True, closes_sessions=True, can_verify=True,
        failed_logins=None, may_truncate=False,
    )  # fmt: skip
    Settings = LockboxSettings

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        wanted = digest(new)
        with self._logged_in(admin or self.itself(current)) as line:
            line.ask(f"SET {self.username} {wanted}")

    def verify(self, password: Secret) -> bool:
        text_of(password)
        with Line(self._target, Deadline(self.timeout)) as line:
            return line.accepts(Login(self.username, password))

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        with self._logged_in(admin or self.itself(new)) as line:
            return Closed(int(line.ask(f"KILL {self.username}").removeprefix("OK ")))

    def _logged_in(self, login: Login) -> "Line":
        line = Line(self._target, Deadline(self.timeout))
        try:
            line.log_in(login)
        except BaseException:
            line.close()
            raise
        return line

    @property
    def _target(self) -> LockboxSettings:
        return LockboxSettings.model_validate(self.settings)


class Line:
    """A connection to an address that Cerby's dialler judged. Every failure of it is UNREACHABLE."""

    def __init__(self, target: LockboxSettings, deadline: Deadline) -> None:
        self._deadline, self._allowance = deadline, Allowance()
        address = resolve(target.host, target.port, deadline=deadline)
        try:
            self._socket = socket.create_connection((address.ip, address.port), timeout=deadline.left())
        except OSError as error:
            raise TargetError(FailureKind.UNREACHABLE, f"The server could not be reached: {error}.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def log_in(self, login: Login) -> None:
        if not self.accepts(login):
            raise TargetError(FailureKind.AUTHENTICATION, f"The server rejected the password of {login.username}.")

    def accepts(self, login: Login) -> bool:
        return self.say(f"LOGIN {login.username} {digest(login.password)}") != "DENIED"

    def ask(self, words: str) -> str:
        """The server's answer to a command that it has to carry out."""
        answer = self.say(words)
        if kind := KINDS.get(answer.partition(" ")[0]):
            raise TargetError(kind, f"The server refused: {clean(answer)}")
        return answer

    def say(self, words: str) -> str:
        """The server's answer, whatever it is; nothing that means nothing."""
        try:
            self._socket.settimeout(self._deadline.left())
            self._socket.sendall(f"{words}\n".encode())
            answer = self._read().decode()
        except (OSError, UnicodeDecodeError) as error:
            detail = f"The server could not be asked: {type(error).__name__}."
            raise TargetError(FailureKind.UNREACHABLE, detail) from None
        if answer.partition(" ")[0] not in {"OK", "DENIED", *KINDS}:
            raise TargetError(FailureKind.UNREACHABLE, "The server's answer means nothing.")
        return answer

    def _read(self) -> bytes:
        """One line. Asked again and again how much time is left and how much was said: a server may do so for ever."""
        received = b""
        while not received.endswith(b"\n"):
            self._socket.settimeout(self._deadline.left())
            more = self._socket.recv(1024)
            if not more:
                raise ConnectionResetError
            self._allowance.take(len(more))
            received += more
        return received.strip()


def digest(password: Secret) -> str:
    """`text_of` refuses what must never be sent: an empty password, or one with a NUL."""
    return hashlib.sha256(text_of(password).encode()).hexdigest()
