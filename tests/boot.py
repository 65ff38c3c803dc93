"""Starts the embedded engines before Django reads its settings; loaded with `-p tests.boot`.

Each run has engines and data of its own in a temporary folder, so that runs beside each other, or beside a demo,
never meet. `DATABASE_URL` and `REDIS_URL` in the environment are used instead when they are set. With `-n` each of
pytest-xdist's workers is a run of its own.
"""

import os
import shutil
import tempfile
from pathlib import Path

from cerby import boot

HOME = Path(tempfile.mkdtemp(prefix="cerby-test-"))
HOME.chmod(0o711)  # as root the engines run as another account, which must reach its folder in here

if "PYTEST_XDIST_WORKER" in os.environ and os.environ.get("CERBY_TEST_ENGINES") == "own":
    del os.environ["DATABASE_URL"], os.environ["REDIS_URL"]  # inherited from the process that hands out the tests
os.environ.update(CERBY_MODE="test", CERBY_HOME=str(HOME))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cerby.settings")
ENGINES = boot.provide()
if ENGINES is not None:
    os.environ["CERBY_TEST_ENGINES"] = "own"


def pytest_unconfigure() -> None:
    if ENGINES is not None:
        ENGINES.release()
        ENGINES.wipe()
    shutil.rmtree(HOME, ignore_errors=True)
