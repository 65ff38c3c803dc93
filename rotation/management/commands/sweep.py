"""`manage.py sweep`: the process that keeps everything moving."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from rotation import courier, errands, sweep
from workspace import heartbeats

logger = logging.getLogger(__name__)

ERRANDS_SECONDS: Final = 60
HEARD_SECONDS: Final = 30


class Command(BaseCommand):
    help = "Announce due rotations, chain the audit trail and deliver notices, every few seconds, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Look once and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweep.once()
            errands.once()
            courier.once()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        logger.info("Sweeping every %s s.", settings.SWEEP_SECONDS)
        messages = threading.Thread(target=self._carry, args=[stop], name="courier")
        messages.start()
        while not stop.wait(settings.SWEEP_SECONDS):
            self._look(sweep.once)
            heartbeats.beat(heartbeats.Process.SCHEDULER, max(HEARD_SECONDS, 5 * settings.SWEEP_SECONDS))
        messages.join()

    def _carry(self, stop: threading.Event) -> None:
        """Notices, in a thread of their own: a receiver that answers slowly delays no rotation."""
        last = -float("inf")
        while not stop.wait(settings.SWEEP_SECONDS):
            if time.monotonic() - last >= ERRANDS_SECONDS:
                last = time.monotonic()
                self._look(errands.once)
            self._look(courier.once)
        connection.close()

    def _look(self, do: Callable[[], object]) -> None:
        """Neither a database that is away nor a row that nobody foresaw is a reason to end: the next turn is near."""
        try:
            close_old_connections()
            do()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            logger.warning("The database did not answer: %s", type(error).__name__)
        except Exception as error:
            logger.error("Not everything could be done (%s); the next turn tries again.", type(error).__name__)  # noqa: TRY400  # `each` logged it
