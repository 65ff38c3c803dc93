"""The seed that every generated case comes of, and how far the generators look.

`TEST_SEED` is 1 unless it is set, so that two runs of one revision try the same cases. `TEST_EFFORT` multiplies the
number of cases. `make test SEED=7` sets the one; `make drill` draws a seed and sets the effort
to 10. The run prints
both in its header. A test that chooses with dice takes them from `dice`; hypothesis has its profile and its seed from
here. Tests outside of hypothesis, and those with a `@given` inside, are marked with `generated`, so that the drill
finds them.
"""

import os
import secrets
from random import Random
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

DRAWN: Final = "random"
"""The value of `TEST_SEED` that asks for a seed that nobody has chosen."""


def _seed() -> int:
    """The seed of this run. The processes that pytest-xdist starts inherit it."""
    given = os.environ.get("TEST_SEED") or "1"
    os.environ["TEST_SEED"] = str(secrets.randbelow(2**32)) if given == DRAWN else given
    return int(os.environ["TEST_SEED"])


SEED: Final = _seed()
EFFORT: Final = int(os.environ.get("TEST_EFFORT") or 1)
_REPEATED: Final = f"make test SEED={SEED}" if EFFORT == 1 else f"make drill SEED={SEED} EFFORT={EFFORT}"
HEADER: Final = f"generated cases: seed {SEED}, effort {EFFORT} ({_REPEATED} repeats them)"

# No limit and no health check by the clock, which a busy machine would miss; no examples kept from earlier runs.
settings.register_profile(
    "tests",
    max_examples=100 * EFFORT,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")


def examples(number: int) -> settings:
    """So many examples, and more in a drill."""
    return settings(max_examples=number * EFFORT)


def dice(name: object = "") -> Random:
    """Dice that fall alike in every run with this seed."""
    return Random(f"{SEED} {name}")  # noqa: S311  # cases, no secrets


def timeout(seconds: float) -> pytest.MarkDecorator:
    """The longest that a generated test may take on a busy machine, drills included."""
    return pytest.mark.timeout(seconds * EFFORT)
