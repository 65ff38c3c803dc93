"""`make story`: plays Okta against the running demo, or against one it starts for the time being."""

import time
from pathlib import Path
from typing import Final

import httpx
import psycopg
import redis

from cerby.engines import Addresses, record
from demo.browser import Unexpected
from demo.facts import Facts
from demo.narrator import BrokenPromise, Narrator
from demo.okta import Style
from demo.running import running
from demo.scenes import play
from demo.scim_client import OktaError
from demo.start import DemoError, configure
from demo.terminal import bold, complain, say

_TITLES: Final = {
    Style.CUSTOM: "A custom app (App Integration Wizard): PUT of whole resources",
    Style.CATALOGUE: "A catalogue app (Okta Integration Network): PATCH",
}


def main() -> int:
    """Returns an exit status: 0 when every promise held. Raises DemoError, EngineError or Misconfigured."""
    home = configure(8000).home
    with running(home) as facts:
        addresses = _addresses(home)
        tell, started = Narrator(), time.monotonic()
        for style in Style:
            tell.act(_TITLES[style])
            if not _held(tell, facts, addresses, style):
                return 1
    say(f"\n{bold('Every promise held.')} It took {time.monotonic() - started:.0f} s.")
    return 0


def _held(tell: Narrator, facts: Facts, addresses: Addresses, style: Style) -> bool:
    """Play it; whatever goes wrong is told as the broken promise of the present step."""
    try:
        play(tell, facts, addresses, style)
    except BrokenPromise as error:
        complain(f"\n{error}")
    except (OktaError, Unexpected, LookupError, httpx.HTTPError, psycopg.Error, redis.RedisError) as error:
        complain(f"\n{tell.broken(str(error))}")
    else:
        return True
    return False


def _addresses(home: Path) -> Addresses:
    """Where the targets are: the engines of the demo's home."""
    found = record.load(home)
    if found is None:
        raise DemoError(f"There are no engines in {home}, though a demo answers.")
    return found.addresses()
