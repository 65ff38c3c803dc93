"""Named places where a test can make a rotation die. Silent unless `settings.FAILPOINTS` is set (test mode only).

`CERBY_FAILPOINTS="after:applying,target:changed"`: the process ends with SIGKILL there, as bad luck would have it.
The engine passes `before:<state>` and `after:<state>` around each step, and `target:changed` once a target took
the new password and nobody wrote that down yet.
"""

import os
import signal

from django.conf import settings


def reach(name: str) -> None:
    """Die here if the tests say so."""
    if settings.FAILPOINTS and name in settings.FAILPOINTS.split(","):
        os.kill(os.getpid(), signal.SIGKILL)
