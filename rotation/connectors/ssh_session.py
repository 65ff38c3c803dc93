"""One login on an SSH server by password alone, to a pinned address and a pinned host key, with a deadline.

asyncssh speaks the protocol. Nothing of this machine goes along: no configuration file, no agent, no key, no Kerberos
ticket, or a login could succeed without the password that was to be proved. What a refusal means is told by which
method the server asks for next (RFC 4252, section 5.1), and a password is offered once, for the sake of lock-outs.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncssh

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, Login, TargetError
from rotation.connectors.secrecy import clean, text_of

OUTPUT_LIMIT: Final = 1 << 20
"""Bytes of a command's output that are listened to."""
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_LAST_TRY: Final = "Too many authentication failures"  # where MaxAuthTries is 1, sshd hangs up instead of refusing
# Only what has the password typed: a server that lets somebody in by anything else has proved nothing.
_NOTHING_OF_OURS: Final[dict[str, Any]] = {
    "config": None, "client_keys": None, "client_host_keys": None, "agent_path": None, "agent_forwarding": False,
    "gss_host": None, "gss_kex": False, "gss_auth": False, "host_based_auth": False, "public_key_auth": False,
    "preferred_auth": "password,keyboard-interactive", "known_hosts": ([], [], []), "x509_trusted_certs": None,
    "compression_algs": ["none"],  # a server's few bytes could become as many as it likes
}  # fmt: skip

Outcome = TypeVar("Outcome")

asyncssh.set_log_level("WARNING")  # a line for each step of each connection is nobody's wish


class WrongPassword(TargetError):
    """The server compared the password and rejected it. A login that is locked or kept out gets the same answer."""

    def __init__(self, username: str) -> None:
        super().__init__(FailureKind.AUTHENTICATION, f"The server rejected the password of {username}.")


@dataclass(frozen=True)
class Server:
    """Where an SSH server answers, and the fingerprints (SHA256:…) of the host keys it may show."""

    host: str
    port: int
    fingerprints: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """What became of a command: its exit status, and what it wrote."""

    status: int
    words: str


def fingerprint(text: str) -> str:
    """SHA256:… of a host key that is given as its fingerprint, its public line, or its line in known_hosts.

    Raises ValueError with a sentence.
    """
    text = text.strip()
    if _FINGERPRINT.fullmatch(text):
        return text.rstrip("=")
    for line in (text, text.partition(" ")[2]):  # a line of known_hosts begins with the host's name
        try:
            return asyncssh.import_public_key(line).get_fingerprint()
        except (asyncssh.KeyImportError, ValueError):
            continue
    raise ValueError("must be a fingerprint (SHA256:…) or a line such as “ssh-ed25519 AAAA…”")


class _Client(asyncssh.SSHClient):
    """What the server learns of us during a login, and what we learn of it."""

    def __init__(self, server: Server, password: str) -> None:
        self._server, self._password = server, password
        self.offered = ""
        """The method by which the password was given to the server, once it was."""
        self.is_rejected = False
        self._is_begun = False
        self.shown = ""
        """The fingerprint of the host key that the server showed."""
        self.asked_for = ""
        """The prompt of a question that a password does not answer."""
        self.banner = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.shown = f"{key.get_fingerprint()} ({key.get_algorithm()})"
        return key.get_fingerprint() in self._server.fingerprints

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner = msg if self.offered else ""  # what is said before the password is for everybody

    def password_auth_requested(self) -> str | None:
        return self._password if self._is_first("password") else None

    def kbdint_auth_requested(self) -> str | None:
        """An empty list of submethods begins it; None passes on. Begun again it would count as another attempt."""
        self.is_rejected |= self.offered == "keyboard-interactive"
        if self.offered or self._is_begun:
            return None
        self._is_begun = True
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """One hidden question is the one for the password, whatever language it is in (RFC 4256)."""
        if not prompts:
            return []
        if len(prompts) == 1 and not prompts[0][1] and self._is_first("keyboard-interactive"):
            return [self._password]
        self.asked_for = " ".join(prompt for prompt, _ in prompts)
        return None

    def _is_first(self, method: str) -> bool:
        """Whether the password may be given now. Asked again by the same method means: it was rejected."""
        self.is_rejected |= self.offered == method
        first, self.offered = not self.offered, self.offered or method
        return first


class Session:
    """An authenticated connection."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    async def run(self, command: str, stdin: str = "", *, secrets: tuple[str, ...] = ()) -> Answer:
        """Run a command to its end, `stdin` given to it; its two outputs come as one.

        Raises TargetError UNREACHABLE when no exit status comes back: it may have been done or not.
        """
        try:
            process = await self._connection.create_process(command, stderr=asyncssh.STDOUT, encoding=None)
            _give(process, stdin)
            words = await _read(process)
            await process.wait_closed()
        except (asyncssh.Error, OSError) as error:
            raise unreachable(error, *secrets) from None
        return Answer(exit_status(process), clean(words, *secrets))

    async def lines(self, command: str) -> list[str]:
        """The lines that a command wrote, whatever its exit status. Raises TargetError UNREACHABLE."""
        try:
            process = await self._connection.create_process(command, stderr=asyncssh.DEVNULL, encoding=None)
            _give(process, "")
            return (await _read(process)).splitlines()
        except (asyncssh.Error, OSError) as error:
            raise unreachable(error) from None

    async def terminal(self, command: str) -> "asyncssh.SSHClientProcess[bytes]":
        """A command on a terminal, without colours and in English where the server lets us ask for it."""
        try:
            return await self._connection.create_process(
                command, term_type="dumb", term_size=(500, 24), env={"LC_ALL": "C"}, encoding=None
            )
        except (asyncssh.Error, OSError) as error:
            raise unreachable(error) from None


def in_time(work: Coroutine[Any, Any, Outcome], deadline: dial.Deadline) -> Outcome:
    """The outcome of `work`, which is broken off at the deadline. Raises TargetError UNREACHABLE then."""

    async def bounded() -> Outcome:
        async with asyncio.timeout(deadline.left()):
            return await work

    try:
        with asyncio.Runner() as runner:
            return runner.run(bounded())
    except TimeoutError:
        raise TargetError(FailureKind.UNREACHABLE, "The server did not answer in time.") from None
    finally:
        work.close()


@asynccontextmanager
async def logged_in(server: Server, login: Login, *, deadline: dial.Deadline) -> AsyncIterator[Session]:
    """A fresh login. Without a pinned host key no password is sent.

    Raises WrongPassword, or TargetError: UNREACHABLE when nobody judged the password, PERMISSION for a host key that
    is not pinned or a login that takes no password, HUMAN when something is asked for beside the password. Invalid for
    an empty password.
    """
    client = _Client(server, text_of(login.password))
    address = dial.resolve(server.host, server.port, deadline=deadline)
    with closing(await _connected(address)) as plain:
        connection = await _authenticated(client, server, login, plain)
        try:
            if not client.offered:
                raise TargetError(
                    FailureKind.PERMISSION, f"The server lets {login.username} in without asking for a password."
                )
            yield Session(connection)
        finally:
            connection.abort()


async def _connected(address: dial.Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    plain.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plain, (address.ip, address.port))
    except BaseException as error:
        plain.close()
        if isinstance(error, OSError):
            raise unreachable(error) from None
        raise
    return plain


async def _authenticated(
    client: _Client, server: Server, login: Login, plain: socket.socket
) -> asyncssh.SSHClientConnection:
    try:
        connection, _ = await asyncssh.create_connection(
            lambda: client, server.host, server.port, sock=plain, username=login.username, **_NOTHING_OF_OURS
        )
    except asyncssh.HostKeyNotVerifiable:
        raise _unknown_host_key(client, server) from None
    except asyncssh.PermissionDenied:
        raise _denied(client, login.username) from None
    except (asyncssh.Error, OSError, ValueError) as error:
        raise _hung_up(client, error, login) from None
    return connection


def _unknown_host_key(client: _Client, server: Server) -> TargetError:
    """Whoever answers for the server could keep the password, so a person compares the key before it is sent."""
    if not client.shown:
        return TargetError(FailureKind.PERMISSION, "The server showed a host key that cannot be read.")
    seen = f"The server shows the host key {client.shown}"
    compare = "Compare it with “ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub” on the server itself"
    if not server.fingerprints:
        return TargetError(FailureKind.PERMISSION, f"{seen}, and none is entered. {compare}, and enter it.")
    return TargetError(
        FailureKind.PERMISSION,
        f"{seen}, which is not the one entered. No password was sent. {compare}: if it is right, the server was set up"
        " anew or shows another of its keys; if not, somebody else answers for it.",
    )


def _denied(client: _Client, username: str) -> TargetError:
    """The server was asked to the end and said no."""
    if client.asked_for:
        prompt = clean(client.asked_for)
        return TargetError(FailureKind.HUMAN, f"The server asks {username} for more than a password: {prompt}")
    if client.is_rejected:
        return WrongPassword(username)
    if client.offered:  # and accepted, or the same method would have been offered again
        return TargetError(FailureKind.HUMAN, f"The server asks {username} for a second factor after the password.")
    return TargetError(
        FailureKind.PERMISSION,
        f"The server takes no password from {username}. See PasswordAuthentication, KbdInteractiveAuthentication and"
        " PermitRootLogin in its sshd_config.",
    )


def _hung_up(client: _Client, error: Exception, login: Login) -> TargetError:
    if client.offered and _LAST_TRY in str(error):
        return WrongPassword(login.username)
    if client.banner:  # sshd with PAM: the password was right, and the account is not let in
        banner = clean(client.banner, login.password.reveal())
        return TargetError(FailureKind.PERMISSION, f"The server does not let {login.username} in: {banner}")
    return unreachable(error, login.password.reveal())


def exit_status(process: "asyncssh.SSHClientProcess[bytes]") -> int:
    """Raises TargetError UNREACHABLE for a command that was killed, or of which nothing more was heard."""
    if process.exit_status is None or process.exit_status < 0:
        raise TargetError(FailureKind.UNREACHABLE, "The server did not say how a command ended.")
    return process.exit_status


def unreachable(error: Exception, *secrets: str) -> TargetError:
    """A connection that failed or broke."""
    words = clean(str(error), *secrets) or type(error).__name__
    return TargetError(FailureKind.UNREACHABLE, f"The server could not be asked: {words}")


def _give(process: "asyncssh.SSHClientProcess[bytes]", stdin: str) -> None:
    """A command that has ended already takes nothing more; its exit status says what that means."""
    with suppress(BrokenPipeError):
        process.stdin.write(stdin.encode())
        process.stdin.write_eof()


async def _read(process: "asyncssh.SSHClientProcess[bytes]") -> str:
    """All that a command writes, up to a limit."""
    found = b""
    while len(found) < OUTPUT_LIMIT and (more := await process.stdout.read(OUTPUT_LIMIT - len(found))):
        found += more
    return found.decode(errors="replace")
