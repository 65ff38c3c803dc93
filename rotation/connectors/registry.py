"""The connectors there are: our own, and those that other Python packages bring by an entry point.

A package names its connector's class in the group `cerby.connectors`, under the connector's key:

    [project.entry-points."cerby.connectors"]
    lockbox = "cerby_lockbox:Lockbox"

It is imported when it is first asked for. One that cannot be imported or is no connector is left out and named in the
log and in `manage.py connectors`; nothing else is troubled by it. A key that two packages claim is nobody's: whichever
came first would otherwise be given the passwords meant for the other.
"""

import inspect
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from rotation.connectors.base import Capabilities, Connector, TargetSettings

logger = logging.getLogger(__name__)

GROUP: Final = "cerby.connectors"
_KEY: Final = re.compile(r"[a-z](?:_?[a-z0-9])*")
KEY_LENGTH: Final = 40


@dataclass(frozen=True)
class Broken:
    """A package's connector that cannot be used: the key it claims, whose it is, and why."""

    key: str
    package: str
    reason: str

    def __str__(self) -> str:
        return f"The connector “{self.key}” of {self.package} cannot be used: {self.reason}."


class Registry(MutableMapping[str, type[Connector]]):
    """Connectors by key. `discover` gives the entry points; it is called once, when the first stranger is sought."""

    def __init__(
        self, own: Iterable[type[Connector]], *, discover: Callable[[], Iterable[EntryPoint]] | None = None
    ) -> None:
        self._own = {kind.key: kind for kind in own}
        self._discover = discover or (lambda: entry_points(group=GROUP))
        self._waiting: dict[str, EntryPoint] | None = None
        self._broken: dict[str, Broken] = {}
        self._packages: dict[str, str] = {}
        self._loading = threading.RLock()  # a second thread waits for the import, and finds what the first one found

    def __getitem__(self, key: str) -> type[Connector]:
        if key not in self._own:
            self._load(key)
        return self._own[key]

    def __setitem__(self, key: str, kind: type[Connector]) -> None:
        self._own[key] = kind

    def __delitem__(self, key: str) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[str]:
        with self._loading:
            for key in list(self._entries()):
                self._load(key)
            return iter(list(self._own))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def broken(self) -> list[Broken]:
        """What packages brought that cannot be used, in the order of the keys. Imports whatever was not yet."""
        list(self)
        return [self._broken[key] for key in sorted(self._broken)]

    def why_not(self, key: str) -> Broken | None:
        """What is wrong with a package's connector of that key, if there is one."""
        self._load(key)
        return self._broken.get(key)

    def package(self, key: str) -> str:
        """The package that brought a connector, with its version; "" for our own."""
        return self._packages.get(key, "")

    def _entries(self) -> dict[str, EntryPoint]:
        if self._waiting is None:
            self._waiting = {}
            claims: dict[str, list[EntryPoint]] = {}
            for entry in self._discover():
                claims.setdefault(entry.name, []).append(entry)
            for key, claimed in claims.items():
                self._admit(key, claimed)
        return self._waiting

    def _admit(self, key: str, claimed: list[EntryPoint]) -> None:
        packages = ", ".join(sorted(map(_package, claimed)))
        if key in self._own:
            self._refuse(Broken(key, packages, "Cerby has a connector of that key itself"))
        elif len(claimed) > 1:
            self._refuse(Broken(key, packages, "more than one package claims this key, so that none gets it"))
        elif self._waiting is not None:
            self._waiting[key] = claimed[0]

    def _load(self, key: str) -> None:
        with self._loading:
            entry = self._entries().pop(key, None)
            if entry is not None:
                self._take(key, entry)

    def _take(self, key: str, entry: EntryPoint) -> None:
        try:
            kind = entry.load()
        except (Exception, SystemExit) as error:  # a stranger's module may do anything while it is imported
            logger.exception("Importing %s failed", entry.value)
            raised = f"importing {entry.value} raises {type(error).__name__}: {error}"
            self._refuse(Broken(key, _package(entry), raised))
            return
        if reason := unfit(key, kind):
            self._refuse(Broken(key, _package(entry), f"{entry.value} {reason}"))
            return
        self._own[key], self._packages[key] = kind, _package(entry)

    def _refuse(self, broken: Broken) -> None:
        self._broken[broken.key] = broken
        logger.error("%s", broken)


def unfit(key: str, kind: Any) -> str:
    """Why this cannot be the connector of that key, as the end of a sentence; empty for one that can."""
    if not (isinstance(kind, type) and issubclass(kind, Connector)):
        return "is no subclass of rotation.connectors.base.Connector"
    if inspect.isabstract(kind):
        return f"does not define {', '.join(sorted(kind.__abstractmethods__))}"
    able, settings = getattr(kind, "capabilities", None), getattr(kind, "Settings", None)
    wrong = {
        f"has the key {getattr(kind, 'key', None)!r}, but is announced as {key!r}": getattr(kind, "key", None) != key,
        f"needs a key of at most {KEY_LENGTH} lower-case letters, digits and single underscores": (
            not _KEY.fullmatch(key) or len(key) > KEY_LENGTH
        ),
        "has no label": not isinstance(getattr(kind, "label", None), str) or not kind.label.strip(),
        "has no capabilities": not isinstance(able, Capabilities),
        "changes passwords that it cannot verify": isinstance(able, Capabilities)
        and (able.self_change or able.admin_reset) and not able.can_verify,
        "has Settings that are no subclass of TargetSettings": not (
            isinstance(settings, type) and issubclass(settings, TargetSettings)
        ),
    }  # fmt: skip
    return next((reason for reason, applies in wrong.items() if applies), "")


def _package(entry: EntryPoint) -> str:
    """Name and version of the package behind an entry point."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value.partition(":")[0]
