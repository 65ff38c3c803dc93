"""OpenSSH servers on a Linux machine of the tests' own, with what a test needs to prepare and see there."""

import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncssh

from rotation.connectors.base import Login, validated
from rotation.connectors.contract import random_password, until
from rotation.connectors.ssh import Ssh
from tests.rotation.connectors import documented, needs
from tests.rotation.connectors.linux_machine import LinuxMachine
from tests.rotation.connectors.ssh_proxy import Loop
from tests.waiting import PATIENCE
from workspace.crypto import Secret

TIMEOUT: Final = PATIENCE
ADMIN: Final = "cerby-admin"


class SshSession:
    """A person's connection with a shell on a terminal."""

    def __init__(
        self, loop: Loop, connection: asyncssh.SSHClientConnection, shell: "asyncssh.SSHClientProcess[str] | None"
    ) -> None:
        self._loop, self._connection, self._shell = loop, connection, shell

    def type(self, line: str) -> None:
        """Into the shell."""
        self._loop.run(self._type(line))

    async def _type(self, line: str) -> None:
        assert self._shell
        self._shell.stdin.write(f"{line}\n")

    def execute(self, command: str) -> None:
        """Beside the shell, to its end."""
        self._loop.run(self._execute(command))

    async def _execute(self, command: str) -> None:
        await self._connection.run(command)

    def is_alive(self) -> bool:
        return not self._connection.is_closed()

    def close(self) -> None:
        self._loop.run(self._end())

    async def _end(self) -> None:
        self._connection.abort()
        await self._connection.wait_closed()


@dataclass
class SshTarget:
    """See `contract.Target`. The admin is no root: it has sudo for what the documentation says."""

    machine: LinuxMachine
    loop: Loop
    host_key: asyncssh.SSHKey
    admin: Login
    root: Login
    port: int = 0
    host: str = "127.0.0.1"
    kind = Ssh
    change_marker = b"chpasswd"
    wrong_settings: dict[str, Any] = field(
        default_factory=lambda: {"host": "ssh://x", "port": 0, "host_key": "SHA256:short", "end_processes": "some"}
    )
    made: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return self.host_key.get_fingerprint()

    def settings(self, host: str, port: int) -> dict[str, Any]:
        return {"host": host, "port": port, "host_key": self.fingerprint}

    def connector(self, username: str, *, timeout: float = TIMEOUT, **settings: Any) -> Ssh:
        given = {**self.settings(self.host, self.port), **settings}
        return Ssh(validated(Ssh, given), username, timeout=timeout)

    def make_login(self, password: Secret, *options: str) -> str:
        name = f"cerby-test-{secrets.token_hex(4)}"
        self.machine.run("useradd", "--create-home", "--shell", "/bin/bash", *options, name)
        self.set_password(name, password)
        self.made.append(name)
        return name

    def set_password(self, username: str, password: Secret) -> None:
        self.machine.run("chpasswd", stdin=f"{username}:{password.reveal()}\n")

    def write(self, username: str, name: str, text: str) -> None:
        """A file in the login's home."""
        home = self.machine.run("getent", "passwd", username).split(":")[5]
        words = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chown -R "$2" "$(dirname "$1")"'
        self.machine.run("sh", "-c", words, "sh", f"{home}/{name}", username, stdin=text)

    def drop_logins(self) -> None:
        while self.made:
            self.machine.run("pkill", "-KILL", "-u", name := self.made.pop(), check=False)
            self.machine.run("userdel", "--force", "--remove", name, check=False)

    def running(self, username: str, command: str) -> bool:
        """Whether the login has such a command running."""
        return bool(self.machine.run("pgrep", "-u", username, "-fx", command, check=False))

    def serve(self, username: str, command: str) -> None:
        """Start a command as the login and outside of any session, as a service manager does."""
        drop = f"exec setpriv --reuid {username} --regid {username} --clear-groups {command}"
        self.machine.run("setsid", "--fork", "sh", "-c", f"exec > /dev/null 2>&1; {drop}")
        assert until(lambda: self.running(username, command))

    @contextmanager
    def stand_in(self, path: str, script: str) -> Iterator[None]:
        """While in here, the machine has a script at the place of a program."""
        program = self.machine.home / Path(path).name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        is_there = bool(self.machine.run("sh", "-c", f"ls {path}", check=False))
        self.machine.run("sh", "-c", f"[ -e {path} ] || touch {path}; mount --bind {program} {path}")
        try:
            yield
        finally:
            self.machine.run("umount", path)
            if not is_there:
                self.machine.run("rm", path)

    def open_session(self, username: str, password: Secret, *, shell: bool = True) -> SshSession:
        return self.loop.run(self._connected(username, password, shell))

    async def _connected(self, username: str, password: Secret, shell: bool) -> SshSession:
        trusted: Any = ([self.host_key.convert_to_public()], [], [])
        connection = await asyncssh.connect(
            self.host, self.port, username=username, password=password.reveal(), known_hosts=trusted, config=None,
            client_keys=None, agent_path=None,
        )  # fmt: skip
        process = await connection.create_process(term_type="xterm") if shell else None
        return SshSession(self.loop, connection, process)

    def recorded(self, act: Callable[[], None]) -> str:
        """sshd's log, sudo's, and the command lines and environments of all processes meanwhile."""
        logs = [self.machine.home / "sshd.log", self.machine.home / "sudo.log"]
        starts = [log.stat().st_size if log.exists() else 0 for log in logs]
        with _processes_seen() as seen:
            act()
        texts = [log.read_bytes()[start:].decode(errors="replace") for log, start in zip(logs, starts, strict=True)]
        return "\n".join([*texts, *seen])

    @contextmanager
    def server(self, *options: str) -> Iterator["SshTarget"]:
        """Another sshd on the same machine, with other options."""
        with _sshd(self.machine, options) as port:
            yield SshTarget(self.machine, self.loop, self.host_key, self.admin, self.root, port, made=self.made)


@contextmanager
def servers(machine: LinuxMachine, loop: Loop) -> Iterator[SshTarget]:
    """A machine that is ready to be a target, with an sshd that judges passwords itself (UsePAM no)."""
    needs.program("sshd", package="openssh-server")
    needs.program("sudo", package="sudo")
    needs.program("pkill", package="procps")
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(machine.home / "host_key")
    (machine.home / "host_key").chmod(0o600)
    (machine.home / "sudo.log").touch()
    defaults = f"Defaults logfile={machine.home}/sudo.log\n"
    machine.etc("sudoers.d/cerby").write_text(defaults + "\n".join(documented.block("ssh")) + "\n")
    machine.etc("sudoers.d/cerby").chmod(0o440)
    machine.edit("pam.d/sshd", r"^(session\s+)required(\s+pam_loginuid.so)", r"\1optional\2")  # not in containers
    admin, root = Login(ADMIN, random_password()), Login("root", random_password())
    machine.run("useradd", "--create-home", "--shell", "/bin/bash", ADMIN)
    target = SshTarget(machine, loop, key, admin, root)
    for login in (admin, root):
        target.set_password(login.username, login.password)
    with _sshd(machine, ("UsePAM no",)) as target.port:
        yield target


@contextmanager
def _sshd(machine: LinuxMachine, options: tuple[str, ...]) -> Iterator[int]:
    port = needs.free_port()
    config = machine.home / f"sshd-{port}.conf"
    own = (f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {machine.home}/host_key", "PermitRootLogin yes",
           "PidFile none", "LogLevel DEBUG3", "MaxStartups 100", "AcceptEnv LANG LC_*")  # fmt: skip
    config.write_text("\n".join((*options, *own)))  # sshd takes the first of two
    command = machine.inside(needs.program("sshd", package="openssh-server"), "-D", "-f", str(config))
    process = subprocess.Popen([*command, "-E", str(machine.home / "sshd.log")], stdin=subprocess.DEVNULL)
    try:
        assert until(lambda: _answers(port)), (machine.home / "sshd.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
        return client.recv(4) == b"SSH-"
    return False


@contextmanager
def _processes_seen() -> Iterator[set[str]]:
    """What any user of the machine could read of its processes: /proc/*/cmdline, and for their own, environ."""
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for path in (*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")):
                with suppress(OSError):
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
