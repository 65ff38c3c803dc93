"""What a running demo tells others: `demo.json` in its home, there exactly while the demo answers."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Self

from cerby.engines.files import write_private

FILE: Final = "demo.json"
STORY_LOG: Final = "story-demo.log"


@dataclass(frozen=True)
class Facts:
    """Where the demo answers and what opens it. URLs end with a slash."""

    admin_url: str
    owner_email: str
    owner_password: str = field(repr=False)
    scim_base_url: str = ""
    scim_token: str = field(default="", repr=False)
    workspace: str = ""

    @property
    def base_url(self) -> str:
        """The address of the web app, without a slash at its end."""
        return self.admin_url.removesuffix("/admin/")

    @classmethod
    def read(cls, home: Path) -> Self | None:
        """Those of the running demo, or None."""
        try:
            return cls(**json.loads((home / FILE).read_text()))
        except FileNotFoundError:
            return None

    def write(self, home: Path) -> None:
        write_private(home / FILE, json.dumps(asdict(self), indent=1) + "\n")


def remove(home: Path) -> None:
    (home / FILE).unlink(missing_ok=True)
