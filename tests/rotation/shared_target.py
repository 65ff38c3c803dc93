"""The model target kept in a file, so that it outlives the process that spoke to it. One file a login."""

import fcntl
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from rotation.connectors.base import Closed, Login, TargetSettings
from tests.rotation.model_target import PLAIN, ModelConnector, Server
from workspace.crypto import Secret


class SharedConnector(ModelConnector):
    """Each call reads the server's state from its file and writes it back, alone."""

    class Settings(TargetSettings):
        name: str
        two_passwords: bool = False

    key = "shared"
    label = "Shared model target"
    folder: ClassVar[Path]

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        super().__init__(settings, username, timeout=timeout)
        self.capabilities = replace(PLAIN, two_passwords=getattr(settings, "two_passwords", False))

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        return str(target["name"])

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        with self._opened():
            super().change(new, current=current, admin=admin)

    def verify(self, password: Secret) -> bool:
        with self._opened():
            return super().verify(password)

    def retire(self, old: Secret, *, new: Secret, admin: Login | None) -> None:
        with self._opened():
            super().retire(old, new=new, admin=admin)

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        with self._opened():
            return super().close_sessions(new=new, admin=admin)

    @property
    def mine(self) -> Server:
        return self._server

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with shared(self.folder / self.address_of(self.settings.model_dump())) as self._server:
            yield


@contextmanager
def shared(path: Path) -> Iterator[Server]:
    """The server's state, written back whatever happens. The lock ends with the process that holds it."""
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        server: Server = pickle.load(file)  # noqa: S301  # written by this test run
        try:
            yield server
        finally:
            content = pickle.dumps(server)
            file.seek(0)
            file.write(content)
            file.truncate()


def save(path: Path, server: Server) -> None:
    path.write_bytes(pickle.dumps(server))
