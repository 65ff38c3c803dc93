"""What opens the demo: generated at its first start, kept in the home (mode 0600), printed at every start."""

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from cerby.engines.files import write_private

FILE: Final = "demo-credentials.json"


@dataclass(frozen=True)
class Credentials:
    """The Owner's password and the SCIM token; the token is empty until the workspace exists."""

    owner_password: str = field(repr=False)
    scim_token: str = field(default="", repr=False)

    @classmethod
    def load(cls, home: Path) -> Self:
        """Those of the start before, or new ones, which are kept before anything is made with them."""
        try:
            return cls(**json.loads((home / FILE).read_text()))
        except FileNotFoundError:
            new = cls(owner_password=secrets.token_urlsafe(15))
            new.save(home)
            return new

    def save(self, home: Path) -> None:
        write_private(home / FILE, json.dumps(asdict(self), indent=1) + "\n")

    def with_token(self, token: str) -> Self:
        return replace(self, scim_token=token)
