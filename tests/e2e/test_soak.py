"""Workers, sweep and broker die at random while hundreds of passwords are changed, and nothing is lost.

Its seed is the run's, or SOAK_SEED; SOAK_SECONDS and SOAK_ACCOUNTS make it longer and larger.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from benchmarks.report import say
from cerby.engines import Addresses
from tests import generators
from tests.companies import Company
from tests.e2e.soak import SETTLE_SECONDS, Figures, Soak

SECONDS: Final = float(os.environ.get("SOAK_SECONDS") or 40 * generators.EFFORT)
ACCOUNTS: Final = int(os.environ.get("SOAK_ACCOUNTS") or 40)


@pytest.mark.generated
@pytest.mark.timeout(4 * SECONDS + SETTLE_SECONDS + 10 * ACCOUNTS)
def test_whatever_dies_each_rotation_is_done_once_and_no_password_is_lost_or_left_alive(
    acme: Company, rival: Company, addresses: Addresses, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = Figures(int(os.environ.get("SOAK_SEED") or generators.SEED), ACCOUNTS)
    with capsys.disabled():
        say(f"\nsoak: seed {figures.seed}, {ACCOUNTS} accounts, {SECONDS:g} s")
    Soak(acme, addresses, log, figures).run(SECONDS)
    with capsys.disabled():
        say(str(figures))
    assert figures.rotations > 0
    assert figures.workers_killed + figures.broker_emptied > 0
