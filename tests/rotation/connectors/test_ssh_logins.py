"""How an SSH login's end is read, for what OpenSSH here cannot be made to say: a server that follows a script."""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncssh
import pytest

from rotation.connectors.base import FailureKind, Login, TargetError, validated
from rotation.connectors.ssh import Ssh
from tests.rotation.connectors.ssh_proxy import Loop
from tests.waiting import PATIENCE
from workspace.crypto import Secret

PASSWORD = Secret("the-password")
ROOT = Login("root", Secret("roots-password"))
KEY = asyncssh.generate_private_key("ssh-ed25519")
ANA = "me: 0 root\nentry: ana:x:1004:1004::/home/ana:/bin/bash\nstate: ana P\n"

Process = asyncssh.SSHServerProcess[bytes]
Serve = Callable[[Process], Awaitable[None]]


class Dialogue(asyncssh.SSHServer):
    """Asks one question after another, and then lets in whoever knew the first answer."""

    def __init__(self, questions: Sequence[list[tuple[str, bool]]]) -> None:
        self._questions = list(questions)
        self._is_right = True

    def begin_auth(self, username: str) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return self._next()

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        if responses:
            self._is_right &= responses[0] == PASSWORD.reveal()
        return self._next() if self._questions else self._is_right

    def _next(self) -> tuple[str, str, str, list[tuple[str, bool]]]:
        return "", "", "", self._questions.pop(0)


@contextmanager
def server(*questions: list[tuple[str, bool]], serve: Serve | None = None, **options: Any) -> Iterator[Ssh]:
    """A connector to a server of this kind. Without questions it takes every password."""
    loop = Loop()

    class Open(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return True

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: Dialogue(questions) if questions else Open(),
            server_host_keys=[KEY], process_factory=serve, encoding=None, **options,
        )  # fmt: skip

    acceptor = loop.run(listen())
    try:
        yield connector(acceptor.get_port())
    finally:
        acceptor.close()
        loop.stop()


def connector(port: int) -> Ssh:
    target = {"host": "127.0.0.1", "port": port, "host_key": KEY.get_fingerprint()}
    return Ssh(validated(Ssh, target), "ana", timeout=PATIENCE)


@pytest.mark.parametrize("prompt", ["Password: ", "Пароль: ", "パスワード:", "ana's secret?"])
def test_one_hidden_question_is_the_one_for_the_password_in_every_language(prompt: str) -> None:
    with server([(prompt, False)]) as ssh:
        assert ssh.verify(PASSWORD)
        assert not ssh.verify(Secret("wrong"))


def test_messages_without_a_question_are_let_pass() -> None:
    with server([], [("Password: ", False)], []) as ssh:
        assert ssh.verify(PASSWORD)


@pytest.mark.parametrize(
    "questions",
    [
        ([("Password: ", False)], [("Verification code: ", False)]),
        ([("Password: ", False), ("Verification code: ", False)],),
        ([("Do you accept the terms (yes/no)? ", True)],),
        ([("Password: ", False)], [("New password: ", False), ("Retype: ", False)]),
    ],
)
def test_a_question_that_a_password_does_not_answer_is_for_a_person(questions: Any) -> None:
    with server(*questions) as ssh, pytest.raises(TargetError, match=questions[-1][-1][0][0][:6]) as failure:
        ssh.verify(PASSWORD)
    assert failure.value.kind is FailureKind.HUMAN


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n\0\0"])
def test_a_server_that_hangs_up_or_talks_nonsense_is_unreachable(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(answer)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(TargetError) as failure:
            connector(listener.getsockname()[1]).verify(PASSWORD)
        thread.join(PATIENCE)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_nothing_is_unpacked() -> None:
    with server(compression_algs=["none", "zlib@openssh.com"]) as ssh:
        assert ssh.verify(PASSWORD)
    with server(compression_algs=["zlib@openssh.com"]) as ssh, pytest.raises(TargetError) as failure:
        ssh.verify(PASSWORD)
    assert failure.value.kind is FailureKind.UNREACHABLE


# What commands end with


async def _answer(process: Process) -> None:
    """A machine whose commands do as their names in the test below say."""
    command = process.command or ""
    if "getent" in command:
        process.stdout.write(ANA.encode())
        process.exit(0)
    elif "chpasswd" in command:
        await process.stdin.read()
        process.exit_with_signal("KILL")
    else:
        process.exit(0)


def test_a_command_that_was_killed_may_have_done_its_work() -> None:
    with server(serve=_answer) as ssh, pytest.raises(TargetError, match="did not say") as failure:
        ssh.change(Secret("new"), current=None, admin=ROOT)
    assert failure.value.kind is FailureKind.UNREACHABLE


def test_a_machine_that_lists_no_processes_has_not_ended_any() -> None:
    with server(serve=_answer) as ssh, pytest.raises(TargetError, match="procps") as failure:
        ssh.close_sessions(new=Secret("new"), admin=ROOT)
    assert failure.value.kind is FailureKind.PERMISSION


async def _babble(process: Process) -> None:
    while True:
        process.stdout.write(b"x" * 65536)
        await process.stdout.drain()


def test_a_machine_that_never_stops_talking_is_listened_to_only_so_long() -> None:
    with server(serve=_babble) as ssh, pytest.raises(TargetError) as failure:
        ssh.change(Secret("new"), current=None, admin=ROOT)
    assert failure.value.kind is FailureKind.PERMISSION
    assert len(failure.value.detail) < 500
