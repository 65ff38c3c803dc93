"""The embedded Valkey: its folder, its settings, its users."""

import hashlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cerby.engines.binaries import Binaries
from cerby.engines.errors import EngineError
from cerby.engines.processes import Runner, Server, stop
from cerby.engines.record import HOST, Record

LOGIN_SECONDS = 30
_STOP = ((signal.SIGTERM, 40.0),)

# everysec and not always: the broker may lose everything (the tables are the queue, a sweep finds every due
# job), so a power cut costing the last second does no harm, while always would charge an fsync to each
# wake-up. A killed server loses next to nothing either way: the file is written with the answer, only the
# fsync waits.
_SETTINGS = """\
bind {host}
port {port}
protected-mode yes
daemonize no
logfile ""
dir {folder}
aclfile {acl}
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


@dataclass(frozen=True)
class Valkey:
    """The server of one home. `data` is its folder, `log` the file for all it says."""

    binaries: Binaries
    data: Path
    log: Path
    runner: Runner
    name: ClassVar[str] = "valkey"

    def launch(self, port: int) -> Server:
        """Start the server; it reads its settings from a pipe, so that its arguments tell nothing."""
        settings = _SETTINGS.format(
            host=HOST, port=port, folder=_quoted(self.data), acl=_quoted(self.data / "users.acl")
        )
        stdin = self.runner.pipe(settings)
        try:
            command = [str(self.binaries.valkey), "-"]
            return self.runner.spawn(command, log=self.log, death_signal=signal.SIGTERM, stdin=stdin)
        finally:
            os.close(stdin)

    def log_in(self, record: Record) -> None:
        log_in(record)

    def stop(self, server: Server) -> None:
        stop(server, _STOP)


def log_in(record: Record) -> None:
    """A real login as the default user.

    Raises redis.RedisError while the server is not ready, EngineError where it refuses the password.
    """
    client = redis.Redis.from_url(
        record.addresses().redis_url,
        socket_timeout=LOGIN_SECONDS,
        socket_connect_timeout=LOGIN_SECONDS,
        retry=Retry(
            NoBackoff(), 0
        ),  # the default would sleep for seconds; who waits for the server asks again
    )
    try:
        client.ping()
    except redis.AuthenticationError:
        raise EngineError(
            "Valkey refuses the password in engines.json: restore the file that belongs to this data."
        ) from None
    finally:
        client.close()


def first_users(password: str) -> str:
    """The first ACL file: the default user, who may do everything, with the password's digest.

    `ACL SAVE` rewrites the file, so it is written once and then belongs to the server.
    """
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"user default on sanitize-payload #{digest} ~* &* +@all\n"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
