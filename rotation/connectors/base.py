"""The contract between the rotation engine and whatever changes a password on a target.

A connector is made for one login on one target and speaks to it once per call: no transaction is open, each call ends
within `timeout` seconds. Every `verify` logs in afresh; the session of a `change` may be kept for `close_sessions`.
`rotation.connectors.contract` is this page as tests.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from workspace.crypto import Secret
from workspace.errors import CerbyError, Invalid


class FailureKind(StrEnum):
    """Why a target could not be changed or asked; each kind is handled in its own way (`rotation.engine`)."""

    UNREACHABLE = "unreachable"
    AUTHENTICATION = "authentication"
    POLICY = "policy"
    PERMISSION = "permission"
    LOCKED = "locked"
    HUMAN = "human"


class TargetError(CerbyError):
    """A call to a target that did not do what was asked. `detail` never contains a secret.

    `kind` UNREACHABLE: no answer, or none that means anything (a 5xx, a 429); whether the call took effect is not
    known. `retry_after` in seconds is what the target asks for.
    `kind` AUTHENTICATION, POLICY, PERMISSION: the target said no, and nothing was changed.
    `kind` LOCKED: the target says that for now it takes no password for this login. `retry_after` if it says how long.
    `kind` HUMAN: only a person can go on (a captcha, a second factor, a login done by hand).
    `rules`, with POLICY: what the target says that passwords must fit, in Apple's passwordrules syntax.
    """

    def __init__(self, kind: FailureKind, detail: str, *, retry_after: float | None = None, rules: str = "") -> None:
        super().__init__(detail)
        self.code = kind.value
        self.kind = kind
        self.retry_after = retry_after
        self.rules = rules


def unforeseen(error: Exception) -> str:
    """What people are told of an exception that is no TargetError: a defect of ours, of a library or of a connector.

    Its own words are for the log, since nobody knows what they repeat.
    """
    return f"Cerby met something unforeseen ({type(error).__name__}). Its log says what."


class TargetSettings(BaseModel):
    """Base of a connector's settings: what stands in `Account.target`. Never a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Login:
    """A user name on the target with its password."""

    username: str
    password: Secret


@dataclass(frozen=True)
class Capabilities:
    """What a connector can do; the engine asks for nothing else."""

    self_change: bool = False
    """The login may change its own password."""
    admin_reset: bool = False
    """Another login may set it, without knowing the present one."""
    two_passwords: bool = False
    """Old and new are valid beside each other until `retire`."""
    closes_sessions: bool = False
    can_verify: bool = False
    failed_logins: int | None = 4
    """How many wrong logins running are harmless before the target may lock the login; None: it never does.

    Successful ones start the count anew. 4 keeps below the commonest limit, 5.
    """
    may_truncate: bool = True
    """Whether the target could keep only the beginning of a password. Not where it is given a digest made here."""
    password_rules: str = ""
    """What every password of such a target must fit, in Apple's passwordrules syntax, as in "maxlength: 72"."""


@dataclass(frozen=True)
class Closed:
    """What came of closing sessions: how many ended, and what a person still has to see to."""

    sessions: int = 0
    follow_ups: tuple[str, ...] = field(default=())


class Codes(Protocol):
    """Where the login's one-time codes come from (RFC 6238), for connectors that say `takes_codes`."""

    def are_known(self) -> bool:
        """Whether an authenticator secret is stored."""

    def next(self, *, within: float) -> Secret:
        """A code that was never handed out before, waited for up to `within` seconds. Raises TargetError: LOCKED with
        `retry_after` where there is none in time, HUMAN where no secret is stored."""


class Connector(ABC):
    """One login on one target. Subclasses say what they are in class attributes.

    Where what a connector can do depends on its settings, each instance has `capabilities` of its own.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    capabilities: Capabilities
    Settings: ClassVar[type[TargetSettings]]
    takes_codes: ClassVar[bool] = False
    """Whether the target may ask for one-time codes; then an authenticator secret can be stored with the account."""
    codes: Codes | None = None
    allowed_hosts: tuple[str, ...] = ()
    """The workspace's list of hosts that targets may be on (`workspace.hosts`); empty: any. For connectors that find
    out only on the way where they have to go; for the others `hosts` is judged beforehand."""

    def __init__(self, settings: TargetSettings, username: str, *, timeout: float) -> None:
        """`timeout` in seconds bounds each call as a whole."""
        self.settings = settings
        self.username = username
        self.timeout = timeout

    @classmethod
    def time_limit(cls, timeout: float) -> float:
        """Seconds that a call may take where `timeout` is what the operator gives to an ordinary one."""
        return timeout

    def close(self) -> None:
        """Let go of whatever is held open between calls; the last call."""
        return

    @classmethod
    def address_of(cls, target: Mapping[str, Any]) -> str:
        """Where a login with these settings lives, the same for every login on one target: calls to it are limited
        together. `target` is what stands in `Account.target`, not validated."""
        fields = cls.Settings.model_fields
        parts = {name: target.get(name, fields[name].default) for name in ("host", "port") if name in fields}
        return ":".join(str(part).lower() for part in parts.values()) or json.dumps(target, sort_keys=True, default=str)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The machines it connects to, by name or address: a workspace may say which ones are allowed."""
        host = getattr(self.settings, "host", None)
        return (host,) if isinstance(host, str) else ()

    def itself(self, current: Secret | None) -> Login:
        """The login, to change its own password. Raises TargetError AUTHENTICATION where the present one is unknown."""
        if current is None:
            raise TargetError(FailureKind.AUTHENTICATION, f"The present password of {self.username} is not known.")
        return Login(self.username, current)

    @abstractmethod
    def change(self, new: Secret, *, current: Secret | None, admin: Login | None) -> None:
        """Set `new` as a password of the login; with `admin` if given, else as the login itself with `current`.

        Setting the same value twice ends like once. Raises TargetError.
        """

    @abstractmethod
    def verify(self, password: Secret) -> bool:
        """A fresh login with this password: True accepted, False rejected.

        Raises TargetError for every answer that means neither, UNREACHABLE above all.
        """

    def retire(self, old: Secret, *, new: Secret, admin: Login | None) -> None:
        """Where two passwords are valid beside each other: end the old one. Elsewhere nothing is to be done."""
        return

    def close_sessions(self, *, new: Secret, admin: Login | None) -> Closed:
        """End the login's open sessions, as `admin` or as the login with its `new` password. Raises TargetError.

        A connector that cannot (`closes_sessions`) makes no call and names what lives on.
        """
        return Closed(follow_ups=(f"Sessions of {self.username} may be open still: end them where it is used.",))


class WrongSettings(Invalid):
    """Settings that a connector cannot use. `problems` are (field, what is wrong); "" for several fields."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        detail = "; ".join(": ".join(filter(None, problem)) for problem in problems)
        super().__init__(f"Connection settings: {detail}.", field="target")


def validated(connector: type[Connector], target: Mapping[str, Any]) -> TargetSettings:
    """`Account.target` as the connector's settings. Raises WrongSettings, which names each wrong field."""
    try:
        return connector.Settings.model_validate(dict(target))
    except ValidationError as error:
        problems = [_problem(connector, found["loc"], found["type"], found["msg"]) for found in error.errors()]
    raise WrongSettings(problems)


_WORDS: Final = {
    "missing": "is needed", "extra_forbidden": "is not a setting of this connector",
    "string_pattern_mismatch": "has characters that cannot stand here",
}  # fmt: skip
"""Instead of pydantic's own words, where those are for programmers."""


def _problem(connector: type[Connector], place: tuple[int | str, ...], kind: str, words: str) -> tuple[str, str]:
    """The field and what is wrong with it; a check of several fields together names its field itself."""
    words, name = _WORDS.get(kind, words).removeprefix("Value error, "), ".".join(map(str, place))
    before, colon, after = words.partition(": ")
    return (before, after) if not name and colon and before in connector.Settings.model_fields else (name, words)
