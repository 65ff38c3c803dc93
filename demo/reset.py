"""`make demo-reset`: throw the demo's data away."""

from typing import Final

from cerby.engines import Engines
from demo import facts
from demo.credentials import FILE as CREDENTIALS
from demo.start import configure, only_one
from demo.terminal import say

# Beside the engines' data: what opened it, and the keys it was sealed with.
_KEPT: Final = (facts.FILE, CREDENTIALS, facts.STORY_LOG, "keys.json")


def reset() -> int:
    """Returns an exit status. Raises DemoError or EngineError while anybody uses the data."""
    found = configure(8000)
    with only_one(found.home):
        Engines(found.home).wipe()
        for name in _KEPT:
            (found.home / name).unlink(missing_ok=True)
    say("The demo's data is gone. make demo begins anew.")
    return 0
