"""What a server says of one of its users, and the statements that give it another password."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from rotation.connectors.mariadb_hashes import HASHES, NATIVE

DUAL_PASSWORDS_SINCE: Final = (8, 0, 14)
# Global privileges by what they are good for. SUPER does in older servers what the others do in newer ones.
KILLS: Final = frozenset({"CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER", "ALL PRIVILEGES"})
SEES: Final = frozenset({"PROCESS", "ALL PRIVILEGES"})
RULES: Final = frozenset({"ALL PRIVILEGES", "SUPER", "SYSTEM_USER", "SET USER", "SET_USER_ID"})
CREATES: Final = frozenset({"CREATE USER", "ALL PRIVILEGES"})
REPLICATES: Final = frozenset({"REPLICATION SLAVE", "ALL PRIVILEGES"})

_WHO: Final = r"CREATE USER (?:`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*')@(?:`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*')"
_TEXT: Final = r"'((?:[^'\\]|''|\\.)*)'"
_HEAD: Final = re.compile(_WHO)
_NATIVE: Final = re.compile(rf" IDENTIFIED BY PASSWORD {_TEXT}")
_WITH: Final = re.compile(rf" IDENTIFIED WITH '?(\w+)'?(?: AS (?:{_TEXT}|0x\w+))?", re.DOTALL)
_VIA: Final = re.compile(r" IDENTIFIED VIA ")
_GLOBAL: Final = re.compile(r"GRANT (.+?) ON \*\.\* TO ")
_METHOD: Final = re.compile(rf"(?: OR )?(\w+)(?: USING {_TEXT})?")


@dataclass(frozen=True)
class Version:
    """Which server it is; Percona's and others of that family count as MySQL."""

    is_mariadb: bool
    number: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        return cls("mariadb" in text.lower(), tuple(int(part) for part in re.findall(r"\d+", text)[:3]))

    @property
    def has_dual_passwords(self) -> bool:
        return not self.is_mariadb and self.number >= DUAL_PASSWORDS_SINCE


@dataclass(frozen=True)
class Method:
    """One way to log in: a plugin, and what the server keeps for it."""

    plugin: str
    value: str | None = None

    @property
    def is_hashable(self) -> bool:
        return self.plugin in HASHES


@dataclass(frozen=True)
class UserAccount:
    """A user at a host. Any one of the `methods` lets it in; `factors` are what is asked for beside (MySQL 8.0.27)."""

    methods: tuple[Method, ...]
    is_locked: bool = False
    has_factors: bool = False

    @classmethod
    def parsed(cls, statement: str) -> Self:
        """From the answer to SHOW CREATE USER. Raises ValueError for what is none."""
        head = _HEAD.match(statement)
        if head is None:
            raise ValueError("not a CREATE USER statement")
        rest = statement[head.end() :]
        methods: tuple[Method, ...]
        if native := _NATIVE.match(rest):
            methods, end = (Method(NATIVE, native[1]),), native.end()
        elif only := _WITH.match(rest):
            methods, end = (Method(only[1], only[2]),), only.end()
        elif via := _VIA.match(rest):
            methods, end = _alternatives(rest, via.end())
        else:
            methods, end = (Method(NATIVE),), 0
        options = re.sub(_TEXT, "''", rest[end:])
        return cls(methods, " ACCOUNT LOCK" in options, " AND IDENTIFIED " in options)

    @property
    def hashable(self) -> tuple[Method, ...]:
        return tuple(method for method in self.methods if method.is_hashable)

    @property
    def others(self) -> tuple[str, ...]:
        """Plugins by which it may log in without a password that can be set here."""
        return tuple(method.plugin for method in self.methods if not method.is_hashable)


def _alternatives(text: str, start: int) -> tuple[tuple[Method, ...], int]:
    methods: list[Method] = []
    while (found := _METHOD.match(text, start)) and (not methods or found[0].startswith(" OR ")):
        methods.append(Method(found[1], found[2]))
        start = found.end()
    return tuple(methods), start


def granted(lines: Iterable[str]) -> frozenset[str]:
    """The global privileges in the answer to SHOW GRANTS."""
    found = (match[1].split(",") for line in lines if (match := _GLOBAL.match(line)))
    return frozenset(privilege.strip().upper() for privileges in found for privilege in privileges)


@dataclass(frozen=True)
class Change:
    """A statement with the values that stand for its `%s`, and which of them nobody may be shown."""

    statement: str
    values: tuple[str, ...]
    secrets: tuple[str, ...]


def change_of(account: UserAccount, who: tuple[str, str], password: str, version: Version, *, retain: bool) -> Change:
    """`ALTER USER` with a fresh value for each way to log in by password; the other ways stay as they are."""
    made = {method: HASHES[method.plugin](password) for method in account.hashable}
    if version.is_mariadb:
        statement, values = _via(account, made)
    else:
        method, value = next(iter(made.items()))
        statement, values = "ALTER USER %s@%s IDENTIFIED WITH %s AS %s", (method.plugin, value)
        statement += " RETAIN CURRENT PASSWORD" if retain else ""
    return Change(statement, (*who, *values), (password, *made.values()))


def own_change(method: Method, password: str) -> Change:
    """MariaDB's `SET PASSWORD`, which everybody may use for themselves, and which takes a hash."""
    value = HASHES[method.plugin](password)
    return Change("SET PASSWORD = %s", (value,), (password, value))


def _via(account: UserAccount, made: Mapping[Method, str]) -> tuple[str, tuple[str, ...]]:
    ways, values = [], []
    for method in account.methods:
        value = made.get(method, method.value)
        ways.append(method.plugin if value is None else f"{method.plugin} USING %s")
        values += [] if value is None else [value]
    return f"ALTER USER %s@%s IDENTIFIED VIA {' OR '.join(ways)}", tuple(values)
