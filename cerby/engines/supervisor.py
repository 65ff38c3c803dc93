"""Both servers of a home: started together, restarted when one ends by itself, stopped together."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import redis

from cerby.engines import ports, postgres, record
from cerby.engines.errors import EngineError, PortTakenError, explain, log_tail
from cerby.engines.processes import Server
from cerby.engines.record import Record
from cerby.engines.site import Site

READY_SECONDS = 120.0  # recovery after a crash replays up to max_wal_size
PORT_ATTEMPTS = 3
RESTARTS = 5
RESTART_WINDOW_SECONDS = 300.0
# Times the restarts so far: the children of a killed postmaster need a moment to go.
RESTART_DELAY_SECONDS = 0.2

_NOT_READY = (psycopg.OperationalError, redis.RedisError, OSError)
_logger = logging.getLogger("cerby.engines.keeper")


class Engine(Protocol):
    """What the supervisor needs of a server; `name` is the prefix of its port's argument."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> Path: ...
    def launch(self, port: int) -> Server: ...
    def log_in(self, record: Record) -> None: ...
    def stop(self, server: Server) -> None: ...


@dataclass
class Child:
    """A launched server, and how long its log was before."""

    engine: Engine
    server: Server
    log_start: int


class Supervisor:
    """Runs the servers of `site`; a given port is None where any free one will do."""

    def __init__(self, site: Site, *, postgres_port: int | None, valkey_port: int | None) -> None:
        self.site = site
        self.record = site.record
        self.given = {site.postgres.name: postgres_port, site.valkey.name: valkey_port}
        self.children: dict[str, Child] = {}
        self.restarted_at: list[float] = []

    def start(self) -> None:
        """Launch what does not run; return when both servers have let us log in. Raises EngineError."""
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._launch_missing()
                break
            except PortTakenError as error:  # between our look and the server's
                _logger.warning("%s", error)
                if attempt == PORT_ATTEMPTS:
                    raise
        postgres.prepare(self.record)

    def fallen(self) -> list[Child]:
        """The servers that ended though nobody asked them to."""
        return [child for child in self.children.values() if child.server.poll() is not None]

    def recover(self) -> None:
        """Start again what has fallen. Raises EngineError where that happens or fails too often."""
        for child in self.fallen():
            _logger.error("%s ended by itself with status %s", child.engine.name, child.server.returncode)
            del self.children[child.engine.name]
        cause = ""
        while self._may_restart():
            time.sleep(RESTART_DELAY_SECONDS * len(self.restarted_at))
            try:
                return self.start()
            except EngineError as error:
                cause = str(error)
                _logger.error("%s", cause)  # noqa: TRY400 (a trace tells nothing here)
        raise EngineError(
            f"The engines ended by themselves {RESTARTS} times within five minutes. {cause}".strip()
        )

    def _may_restart(self) -> bool:
        """Count one more restart of the last five minutes, if there may be one."""
        now = time.monotonic()
        self.restarted_at = [at for at in self.restarted_at if now - at < RESTART_WINDOW_SECONDS]
        if len(self.restarted_at) >= RESTARTS:
            return False
        self.restarted_at.append(now)
        return True

    def stop(self) -> None:
        """Stop both cleanly; nothing happens where they are stopped already."""
        while self.children:
            name, child = self.children.popitem()
            child.engine.stop(child.server)
            _logger.info("%s stopped with status %s", name, child.server.returncode)

    def _launch_missing(self) -> None:
        engines: tuple[Engine, ...] = (self.site.postgres, self.site.valkey)
        missing = [engine for engine in engines if engine.name not in self.children]
        self._choose_ports({engine.name for engine in missing})
        for engine in missing:
            log_start = engine.log.stat().st_size if engine.log.exists() else 0
            self.children[engine.name] = Child(engine, engine.launch(self._port(engine.name)), log_start)
        for engine in missing:
            self._await(self.children[engine.name])

    def _choose_ports(self, names: set[str]) -> None:
        """Choose and remember the ports of the servers `names`, which do not run."""
        chosen = {"postgres": self.record.postgres_port, "valkey": self.record.valkey_port}
        for name in sorted(names):
            other = next(port for key, port in chosen.items() if key != name)
            chosen[name] = ports.choose(name, given=self.given[name], remembered=chosen[name], avoid=other)
        changed = self.record.with_ports(**chosen)
        if changed != self.record:
            record.save(self.site.home, changed)
            self.record = changed

    def _port(self, name: str) -> int:
        return self.record.postgres_port if name == "postgres" else self.record.valkey_port

    def _await(self, child: Child) -> None:
        """Return when the server lets us log in. Raises EngineError where it ends or stays silent."""
        engine = child.engine
        deadline = time.monotonic() + READY_SECONDS
        while child.server.poll() is None:
            try:
                return engine.log_in(self.record)
            except _NOT_READY:
                if time.monotonic() > deadline:
                    tail = log_tail(engine.log, child.log_start)
                    raise EngineError(
                        f"{engine.name} was not ready in time. Its log ends with:\n{tail}"
                    ) from None
            time.sleep(0.03)
        del self.children[engine.name]
        error = explain(engine.name, "did not start", engine.log, child.log_start)
        if isinstance(error, PortTakenError) and self.given[engine.name] is not None:
            raise ports.taken(engine.name, self._port(engine.name))
        raise error
