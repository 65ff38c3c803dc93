"""Waking the workers. A message carries a job's id and only says that there is something to do; rows are the queue.

The worker is woken by task *name*, so that tasks → engine → jobs is no circle.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final
from uuid import UUID

from celery import current_app
from kombu.exceptions import KombuError

from workspace.db import unit_of_work

logger = logging.getLogger(__name__)

ROTATE: Final = "rotation.rotate"
VERIFY: Final = "rotation.verify"
AT_ONCE: Final = 32
"""Messages for one occasion: whoever is woken takes one job after the other, so that none is needed for each job."""


def on_commit(ids: Iterable[UUID], *, task: str = ROTATE) -> None:
    """Tell the workers once the transaction is through. What is not told here, the sweep tells."""
    first = list(ids)[:AT_ONCE]
    if first:
        unit_of_work.on_commit(lambda: _messenger().submit(now, first, task=task), robust=True)


def now(ids: Iterable[UUID], *, task: str = ROTATE) -> None:
    """Tell the workers, if the broker can be reached."""
    try:
        for each in ids:
            current_app.send_task(task, args=[str(each)], retry=False)
    except (KombuError, OSError) as error:
        logger.warning("The broker did not take a wake-up; the sweep will repeat it: %s", type(error).__name__)


@cache
def _messenger() -> ThreadPoolExecutor:
    """One thread beside the request, so that a broker that is slow or gone delays no answer."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="wake")
