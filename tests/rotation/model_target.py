"""A target in memory that can do everything real ones do badly: lose replies, refuse, lag, accept anything."""

from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar

from rotation.connectors.base import (
    Capabilities,
    Closed,
    Connector,
    FailureKind,
    Login,
    TargetError,
    TargetSettings,
)
from workspace.crypto import Secret

UNREACHABLE = TargetError(FailureKind.UNREACHABLE, "The model target does not answer.")


@dataclass
class Server:
    """The target's own state: which passwords it takes, and what goes wrong next.

    `faults` are consumed one per change: "before" (lost before it took effect), "after" (took effect, reply lost),
    "policy", "permission", "" (works).
    """

    accepted: set[str] = field(default_factory=set)
    admin_password: str | None = None
    faults: deque[str] = field(default_factory=deque)
    down: bool = False
    takes_anything: bool = False
    keeps_old: bool = False
    sessions: int = 0
    changes: list[str] = field(default_factory=list)


class ModelConnector(Connector):
    """Speaks to the `Server` of the running test."""

    key = "model"
    label = "Model target"
    capabilities = Capabilities(self_change=True, admin_reset=True, closes_sessions=True, can_verify=True)
    Settings = TargetSettings
    server: ClassVar[Server]

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        fault = self.server.faults.popleft() if self.server.faults else ""
        if self.server.down or fault == "before":
            raise UNREACHABLE
        self._let_in(current, admin)
        if fault in {"policy", "permission"}:
            raise TargetError(FailureKind(fault), f"The model target says no: {fault}.")
        self.server.changes.append(new.reveal())
        self.server.accepted = {new.reveal()} | (self.server.accepted if self.server.keeps_old else set())
        if fault == "after":
            raise UNREACHABLE

    def verify(self, password: Secret) -> bool:
        if self.server.down:
            raise UNREACHABLE
        return self.server.takes_anything or password.reveal() in self.server.accepted

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        ended, self.server.sessions = self.server.sessions, 0
        return Closed(ended, ("API keys of the login live on.",))

    def _let_in(self, current: Secret | None, admin: Login | None) -> None:
        password = admin.password if admin else current
        wanted = {self.server.admin_password} if admin else self.server.accepted
        if password is None or password.reveal() not in wanted:
            raise TargetError(FailureKind.AUTHENTICATION, "The model target rejected the login.")
