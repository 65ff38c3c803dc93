"""HTTP to an address that was judged once and is not looked up again, within one deadline for the whole call.

httpcore does the protocol. Its way to the network is replaced: the socket goes to the pinned address, while the
name stays in the URL, for the Host header, the server name of TLS (RFC 6066) and the check of the certificate.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from rotation.connectors import dial
from rotation.connectors.base import FailureKind, TargetError
from rotation.connectors.dial import Deadline

PORTS: Final = {"https": 443, "http": 80}


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float) -> int:
    """The status of the answer; its body is not read, and a redirect is an answer like any other.

    Raises TargetError: UNREACHABLE without an answer in time, PERMISSION for an address that is not connected to.
    """
    deadline = Deadline(seconds)
    parts = urlsplit(url)
    address = dial.resolve(parts.hostname or "", parts.port or PORTS[parts.scheme], deadline=deadline)
    backend = _Pinned(address, deadline)
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    try:
        with (
            httpcore.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=backend) as pool,
            pool.stream("POST", url, headers=[(b"Connection", b"close"), *sent], content=body) as answer,
        ):
            return int(answer.status)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise TargetError(FailureKind.UNREACHABLE, _words(error)) from None


class _Pinned(httpcore.NetworkBackend):
    """Connects to one address, whatever it is asked for."""

    def __init__(self, address: dial.Address, deadline: Deadline) -> None:
        self._address, self._deadline = address, deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:  # fmt: skip
        stream = self._sockets.connect_tcp(self._address.ip, self._address.port, timeout=self._deadline.left())
        return _Timed(stream, self._deadline)


class _Timed(httpcore.NetworkStream):
    """A stream each of whose calls ends with the deadline: a receiver that drips bytes gains no time by it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout=self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _words(error: Exception) -> str:
    """What went wrong, without what the other side said."""
    if isinstance(error, httpcore.TimeoutException):
        return "The receiver did not answer in time."
    if isinstance(error, httpcore.ConnectError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "The receiver's certificate could not be verified."
    if isinstance(error, httpcore.ConnectError):
        return "No connection could be made to the receiver."
    return "The receiver's answer broke off or is not HTTP."
