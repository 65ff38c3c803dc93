"""`proxy.Proxy` for SSH, where nobody in between sees which request sets a password.

It ends SSH itself, with the target's own host key, and goes on to the target as a client with the password it was
given. In front of it stands a `Proxy`, for what bad networks do to connections that nobody understands.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import asyncssh

from rotation.connectors.contract.proxy import Mode, Proxy
from tests.waiting import PATIENCE

_OF_REQUESTS: Final = (Mode.DROP_REPLY, Mode.DROP_REQUEST, Mode.STALL_REPLY)
_CHUNK: Final = 65536

Outcome = TypeVar("Outcome")


class Loop:
    """An event loop in a thread of its own, for tests that are not written for one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def stop(self) -> None:
        self.run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class SshProxy:
    """See `Proxy`. `host_key` is the target's."""

    def __init__(self, target_host: str, target_port: int, host_key: asyncssh.SSHKey) -> None:
        self._target, self._host_key = (target_host, target_port), host_key
        self._mode = Mode.PASS
        self._loop = Loop()
        self.marked = 0

    def __enter__(self) -> Self:
        self._acceptor = self._loop.run(self._listen())
        self._front = Proxy("127.0.0.1", self._acceptor.get_port()).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._front.__exit__(kind, error, trace)
        self._acceptor.close()
        self._loop.stop()

    @property
    def port(self) -> int:
        return self._front.port

    def treat(self, mode: Mode, marker: bytes = b"") -> None:
        """From the next connection on. What sets a password is known here without a marker."""
        self._mode = mode if mode in _OF_REQUESTS else Mode.PASS
        self._front.treat(Mode.PASS if mode in _OF_REQUESTS else mode)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _Server(self._target), server_host_keys=[self._host_key],
            process_factory=self._serve, encoding=None,
        )  # fmt: skip

    async def _serve(self, client: "asyncssh.SSHServerProcess[bytes]") -> None:
        server = client.get_extra_info("connection").get_owner().upstream
        process = await server.create_process(
            client.command, term_type=client.term_type, env=client.env, stderr=asyncssh.STDOUT, encoding=None
        )
        pair = _Pair(client, process, self._mode)
        await asyncio.gather(self._forward_requests(pair), pair.forward_replies())

    async def _forward_requests(self, pair: "_Pair") -> None:
        while data := await pair.client.stdin.read(_CHUNK):
            if pair.sets_password(data):
                self.marked += 1
                if pair.mode is Mode.DROP_REQUEST:
                    pair.abort()
                    return
                pair.is_lost = pair.mode is not Mode.PASS
            pair.give(data)
        pair.give(b"")


class _Server(asyncssh.SSHServer):
    """Takes the passwords that the target takes."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.upstream: asyncssh.SSHClientConnection | None = None

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        host, port = self._target
        try:
            self.upstream = await asyncssh.connect(
                host, port, username=username, password=password, known_hosts=None, config=None, client_keys=None,
                agent_path=None, preferred_auth="password",
            )  # fmt: skip
        except asyncssh.PermissionDenied:
            return False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.upstream:
            self.upstream.abort()


class _Pair:
    def __init__(
        self, client: "asyncssh.SSHServerProcess[bytes]", server: "asyncssh.SSHClientProcess[bytes]", mode: Mode
    ) -> None:
        self.client, self.server, self.mode = client, server, mode
        self.is_lost = False
        self._last = b""

    def sets_password(self, data: bytes) -> bool:
        """What `chpasswd` reads, and what `passwd` reads for the second time, which is when it acts on it."""
        command = self.client.command or ""
        is_repeated, self._last = data == self._last, data
        return "chpasswd" in command or (command.endswith("passwd") and is_repeated)

    def give(self, data: bytes) -> None:
        """To the target's command, which may have ended; nothing is the end of the input."""
        with suppress(BrokenPipeError):
            if data:
                self.server.stdin.write(data)
            else:
                self.server.stdin.write_eof()

    async def forward_replies(self) -> None:
        while data := await self.server.stdout.read(_CHUNK):
            if not self.is_lost:
                self.client.stdout.write(data)
        await self.server.wait_closed()
        if not self.is_lost:
            self.client.exit(self.server.exit_status or 0)
        elif self.mode is Mode.DROP_REPLY:
            self.abort()

    def abort(self) -> None:
        self.client.get_extra_info("connection").abort()
