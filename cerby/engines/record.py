"""What a home remembers: ports, passwords, where its data lies. And the addresses made from it."""

import json
import os
import pwd
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cerby.engines.errors import EngineError
from cerby.engines.files import write_private

HOST = "127.0.0.1"
FILE = "engines.json"


@dataclass(frozen=True)
class Addresses:
    """Where the engines answer. The URLs carry passwords and are left out of the repr."""

    database_url: str = field(repr=False)
    postgres_admin_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    postgres_host: str
    postgres_port: int
    valkey_host: str
    valkey_port: int


@dataclass(frozen=True)
class Record:
    """The contents of `engines.json`. A port of 0 is not chosen yet.

    `apart` is empty where the data lies in the home, else the name of its folder below `places.APART`. It is
    kept, not worked out anew: a parent folder that is closed one day must not make the data seem lost.
    """

    apart: str
    admin_password: str = field(repr=False)
    cerby_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    postgres_port: int = 0
    valkey_port: int = 0

    def with_ports(self, *, postgres: int, valkey: int) -> "Record":
        return replace(self, postgres_port=postgres, valkey_port=valkey)

    def addresses(self) -> Addresses:
        server = f"{HOST}:{self.postgres_port}"
        return Addresses(
            database_url=f"postgresql://cerby:{self.cerby_password}@{server}/cerby",
            postgres_admin_url=f"postgresql://postgres:{self.admin_password}@{server}/postgres",
            redis_url=f"redis://default:{self.valkey_password}@{HOST}:{self.valkey_port}/0",
            postgres_host=HOST,
            postgres_port=self.postgres_port,
            valkey_host=HOST,
            valkey_port=self.valkey_port,
        )


def new_record(apart: str) -> Record:
    """Fresh passwords of 256 bits each, made of characters that need no quoting in a URL."""
    return Record(apart, secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(32))


def load(home: Path) -> Record | None:
    """The record of `home`, or None where it has none. Raises EngineError for one that cannot be used."""
    path = home / FILE
    try:
        _check_owner(home, path)
        return Record(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise EngineError(
            f"{path}, which holds the passwords, is damaged. Restore it, or delete it and wipe the engines."
        ) from None


def save(home: Path, record: Record) -> None:
    write_private(home / FILE, json.dumps(asdict(record), indent=1) + "\n")


def _check_owner(home: Path, path: Path) -> None:
    owner = path.lstat().st_uid
    if owner == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    raise EngineError(
        f"The engines in {home} belong to the account {name}: run as that account or use another home."
    )
