"""How long all threads that answer requests have been busy without one of them becoming free."""

import threading
import time


class RequestThreads:
    """Counts the threads of this process that are at work; 0 of 0 where none serves requests."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._all = self._busy = 0
        self._full_since: float | None = None

    def begin(self, threads: int) -> None:
        """A server starts to answer with that many threads."""
        self._all = threads

    def enter(self) -> None:
        with self._mutex:
            self._busy += 1
            if self._busy == self._all:
                self._full_since = time.monotonic()

    def leave(self) -> None:
        with self._mutex:
            self._busy -= 1
            self._full_since = None

    def stuck_seconds(self) -> float:
        """0 while one is free, or became free just now."""
        since = self._full_since
        return 0 if since is None else time.monotonic() - since


REQUEST_THREADS = RequestThreads()
