"""gunicorn's threaded worker, with threads of their own for the health probes.

However many requests hang on a database that is away, and however many connections send nothing, a probe of
`/health/live` is answered while the process lives. It is asked at the same address and port as everything else.
"""

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from cerby.request_threads import REQUEST_THREADS

_PEEKED_BYTES: Final = 4096
# Only a head that is whole and has no body: nobody holds such a thread by sending slowly.
_END_OF_HEAD: Final = b"\r\n\r\n"
_BODIES: Final = (b"\ncontent-length:", b"\ntransfer-encoding:")


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """Named by `worker_class`. The main thread looks at what arrived before it hands a connection to a thread."""

    def init_process(self) -> None:
        REQUEST_THREADS.begin(self.cfg.threads)
        # Readiness looks at things that may be slow, so it has another thread than liveness.
        self._probes: dict[bytes, ThreadPoolExecutor] = {}
        for name in ("live", "ready"):
            threads = ThreadPoolExecutor(1, thread_name_prefix=f"health-{name}")
            self._probes |= {f"{method} /health/{name} ".encode(): threads for method in ("GET", "HEAD")}
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        """Give a connection to a thread, once something was sent; a probe to its own."""
        if _has_unread(conn):
            super().enqueue_req(conn)
            return
        try:
            head = conn.sock.recv(_PEEKED_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._wait(conn)
        except OSError:  # the thread finds out the same and closes it
            super().enqueue_req(conn)
        else:
            conn.data_ready = True
            self._hand_over(conn, head)

    def handle(self, conn: TConn) -> Any:
        """Answer an ordinary request, in one of the threads."""
        REQUEST_THREADS.enter()
        try:
            return super().handle(conn)
        finally:
            REQUEST_THREADS.leave()

    def _hand_over(self, conn: TConn, head: bytes) -> None:
        threads = next((threads for start, threads in self._probes.items() if head.startswith(start)), None)
        if threads is None or not _is_whole(head):
            super().enqueue_req(conn)
        else:
            answer = threads.submit(super().handle, conn)
            answer.add_done_callback(partial(self._finish, conn))

    def _finish(self, conn: TConn, answer: "Future[Any]") -> None:
        self.method_queue.defer(self.finish_request, conn, answer)

    def _wait(self, conn: TConn) -> None:
        """Nothing was sent yet: the poller waits for it, no thread does."""
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def _cap_keepalive(self, deadline: float) -> None:
        """A stopping worker waits no longer for connections on which nothing was ever sent than for kept ones."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)


def _has_unread(conn: TConn) -> bool:
    """Whether a former request's reading took bytes of the next one."""
    return conn.parser is not None and bool(conn.parser.unreader.buf.getvalue())


def _is_whole(head: bytes) -> bool:
    end = head.find(_END_OF_HEAD)
    return end != -1 and not any(name in head[:end].lower() for name in _BODIES)
