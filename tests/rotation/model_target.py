"""A target in memory that can do everything real ones do badly: lose replies, refuse, lag, lock, accept anything."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

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

PLAIN = Capabilities(
    self_change=True, admin_reset=True, closes_sessions=True, can_verify=True, failed_logins=None, may_truncate=False
)
LIMITED = Capabilities(self_change=True, admin_reset=True, closes_sessions=True, can_verify=True)


def unreachable() -> TargetError:
    return TargetError(FailureKind.UNREACHABLE, "The model target does not answer.")


@dataclass
class Server:
    """The target's own state: which passwords it takes, and what goes wrong next.

    `faults` are consumed one per change: "before" (lost before it took effect), "after" (took effect, reply lost),
    "policy", "permission", "human", "busy" (429), "" (works). `login_faults` one per login: "lost" (judged, the answer
    lost), "". `script`, while there is any, is consumed one per call of whatever kind in their place: "before",
    "after", a kind of failure, "accept" or "reject" (a login's answer, whatever is true), "". `lagging` logins are
    answered by a replica that still has `replica`'s passwords.
    """

    accepted: set[str] = field(default_factory=set)
    admin_password: str | None = None
    faults: deque[str] = field(default_factory=deque)
    login_faults: deque[str] = field(default_factory=deque)
    script: deque[str] = field(default_factory=deque)
    down: bool = False
    retry_after: float | None = None
    takes_anything: bool = False
    keeps_old: bool = False
    refused: set[str] = field(default_factory=set)
    two_passwords: bool = False
    truncates_to: int | None = None
    lagging: int = 0
    replica: set[str] = field(default_factory=set)
    locks_after: int | None = None
    says_locked: bool = False
    failed: int = 0
    admin_failed: int = 0
    locked: bool = False
    sessions: int = 0
    changes: list[str] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)

    def kept(self, password: str) -> str:
        """What the target keeps of a password."""
        return password if self.truncates_to is None else password[: self.truncates_to]

    def set(self, password: str) -> None:
        self.replica = set(self.accepted)
        self.changes.append(password)
        self.accepted = {self.kept(password)} | (self.accepted if self.keeps_old or self.two_passwords else set())

    def judge(self, password: str) -> bool:
        """A login: counted, and locked after too many wrong ones."""
        if self.locked:
            self.logins.append(False)
            if self.says_locked:
                raise TargetError(FailureKind.LOCKED, "The model target has locked this login.")
            return False
        known = self.accepted
        if self.lagging:
            self.lagging, known = self.lagging - 1, self.replica
        good = self.takes_anything or self.kept(password) in known
        self.logins.append(good)
        self.failed = 0 if good else self.failed + 1
        self.locked = self.locks_after is not None and self.failed >= self.locks_after
        return good


class ModelConnector(Connector):
    """Speaks to the `Server` of the running test: the one named in the settings of an account, or `server`."""

    class Settings(TargetSettings):
        name: str = ""

    key = "model"
    label = "Model target"
    capabilities = PLAIN
    server: ClassVar[Server]
    servers: ClassVar[dict[str, Server]] = {}

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        return str(target.get("name", "")) or "model"

    @property
    def mine(self) -> Server:
        return self.servers.get(getattr(self.settings, "name", ""), self.server)

    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        server = self.mine
        scripted = bool(server.script)
        fault = self._scripted() or ("" if scripted or not server.faults else server.faults.popleft())
        if fault == "busy":
            raise TargetError(FailureKind.UNREACHABLE, "Too many requests.", retry_after=server.retry_after)
        if server.down or fault == "before":
            raise unreachable()
        self._let_in(current, admin)
        if fault == "policy":
            server.refused.add(new.reveal())
        if new.reveal() in server.refused:
            raise TargetError(FailureKind.POLICY, "The model target says no: policy.")
        if fault in {"permission", "human"}:
            raise TargetError(FailureKind(fault), f"The model target says no: {fault}.")
        server.set(new.reveal())
        if fault == "after":
            raise unreachable()

    def verify(self, password: Secret) -> bool:
        server = self.mine
        if server.down:
            raise TargetError(
                FailureKind.UNREACHABLE, "The model target does not answer.", retry_after=server.retry_after
            )
        answer = self._scripted()
        if answer == "before":
            raise unreachable()
        good = {"accept": True, "reject": False}.get(answer, server.judge(password.reveal()))
        if answer == "after":
            raise unreachable()
        if server.login_faults and server.login_faults.popleft() == "lost":
            raise unreachable()
        return good

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        if self.mine.down or self._scripted() == "before":
            raise unreachable()
        ended, self.mine.sessions = self.mine.sessions, 0
        return Closed(ended, ("API keys of the login live on.",))

    def retire(self, old: Secret, *, new: Secret, admin: Login | None) -> None:
        if self.capabilities.two_passwords:
            if self.mine.down or self._scripted() == "before":
                raise unreachable()
            self.mine.accepted = {self.mine.kept(new.reveal())}

    def _scripted(self) -> str:
        """What the script has for this call. Raises TargetError where it says so."""
        wanted = self.mine.script.popleft() if self.mine.script else ""
        if wanted in set(FailureKind) - {FailureKind.POLICY}:
            raise TargetError(FailureKind(wanted), f"The model target says no: {wanted}.")
        return wanted

    def _let_in(self, current: Secret | None, admin: Login | None) -> None:
        if admin is not None:
            good = admin.password.reveal() == self.mine.admin_password
            self.mine.admin_failed = 0 if good else self.mine.admin_failed + 1
        else:
            good = current is not None and self.mine.judge(current.reveal())
        if not good:
            raise TargetError(FailureKind.AUTHENTICATION, "The model target rejected the login.")
