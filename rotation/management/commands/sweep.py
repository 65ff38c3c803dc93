"""`manage.py sweep`: the process that keeps everything moving."""

import logging
import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from rotation import sweep

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Announce due rotations and chain the audit trail, every few seconds, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="Look once and end.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            sweep.once()
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        logger.info("Sweeping every %s s.", settings.SWEEP_SECONDS)
        while not stop.wait(settings.SWEEP_SECONDS):
            self._look()

    def _look(self) -> None:
        """A database that is away is no reason to end: it is looked for again at the next turn."""
        try:
            close_old_connections()
            sweep.once()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            logger.warning("The database did not answer: %s", type(error).__name__)
