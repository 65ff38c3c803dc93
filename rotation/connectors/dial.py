"""The one way from a connector to its target: a name resolved once, every address judged, one of them pinned.

Whoever may enter a target could otherwise point this server at itself or at a cloud's metadata service (SSRF).
Connectors connect to the pinned address, never to the name again, and keep the name for TLS alone.
"""

import ipaddress
import queue
import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

from django.conf import settings
from pydantic import AfterValidator, Field

from rotation.connectors.base import FailureKind, TargetError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata and platform services that lie outside the link-local ranges: Azure's host agent, Alibaba Cloud, Oracle
# Cloud; over IPv6 Amazon's (metadata, credentials of pods), Google, Oracle, Scaleway, Akamai and Alibaba.
METADATA: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254", "fd00:c1::a9fe:a9fe",
        "fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200",
    )
)  # fmt: skip
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""What is listened to on one connection: who enters a target may enter a server that never stops talking."""
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")


def host_name(text: str) -> str:
    """The text, if it is a host name or an IP address (IPv6 without brackets). Raises ValueError."""
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an IP address, without scheme, port or path")
    return text


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(host_name)]
Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True)
class Address:
    """One address that was judged and may be connected to. `ip` is numeric."""

    ip: str
    port: int


class Deadline:
    """When a call to a target has to be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left, more than 0. Raises TargetError UNREACHABLE when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TargetError(FailureKind.UNREACHABLE, f"The target did not answer within {self._seconds:g} s.")
        return left


class Allowance:
    """How much of a connection is listened to yet."""

    def __init__(self) -> None:
        self._left = MAX_ANSWER_BYTES

    def take(self, number: int) -> None:
        """Count bytes that came, or are about to. Raises TargetError UNREACHABLE when they are too many."""
        self._left -= number
        if self._left < 0:
            raise TargetError(FailureKind.UNREACHABLE, f"The target sends more than {MAX_ANSWER_BYTES} bytes.")


def resolve(host: str, port: int, *, deadline: Deadline) -> Address:
    """The address to connect to: the resolver's first choice, once all its answers were found harmless.

    Raises TargetError: UNREACHABLE for a name that does not resolve in time, PERMISSION for a forbidden address.
    """
    found = _look_up(host, port, deadline)
    for ip in found:
        if reason := forbidden(ip):
            raise TargetError(
                FailureKind.PERMISSION, f"{host} leads to {ip}, {reason}. No connection is made to such an address."
            )
    return Address(str(_unmapped(found[0])), port)


def forbidden(ip: IPAddress) -> str | None:
    """Why no connection is made to this address, or None. Private networks are where targets are."""
    for judged in (_unmapped(ip), *_embedded(ip)):
        if reason := _reason(judged):
            return reason
    return None


def _reason(ip: IPAddress) -> str | None:
    if ip.is_loopback:
        return None if settings.ALLOW_LOOPBACK_TARGETS else "this very machine (a loopback address)"
    reasons = {
        "a cloud platform's metadata service": any(ip in network for network in METADATA),
        "a link-local address, where cloud metadata services lie": ip.is_link_local,
        "a multicast address": ip.is_multicast,
        "the unspecified address": ip.is_unspecified or (ip.version == 4 and ip in _THIS_NETWORK),
        "a reserved address": ip.is_reserved and ip not in _NAT64,
    }
    if reason := next((reason for reason, applies in reasons.items() if applies), None):
        return reason
    return "this very machine (an address of its own)" if not settings.ALLOW_LOOPBACK_TARGETS and _is_ours(ip) else None


def _is_ours(ip: IPAddress) -> bool:
    """Whether this machine answers to the address: what listens on all of them is reached by it as by loopback.

    The kernel goes to an address of its own from that address, and from another one to every other. Nothing is sent;
    binding it would tell as well, but not where `ip_nonlocal_bind` is on.
    """
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.connect((str(ip), 9))
            return ipaddress.ip_address(trial.getsockname()[0]) == ip
    except OSError:
        return False


def _unmapped(ip: IPAddress) -> IPAddress:
    """An IPv4-mapped IPv6 address reaches the IPv4 address, so it is judged and used as that."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _embedded(ip: IPAddress) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a gateway may send this IPv6 address on to: NAT64, 6to4, Teredo."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return []
    nat64 = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    teredo = ip.teredo[1] if ip.teredo else None
    return [found for found in (nat64, ip.sixtofour, teredo) if found is not None]


def _look_up(host: str, port: int, deadline: Deadline) -> list[IPAddress]:
    """The resolver's answer, waited for no longer than the call lasts: getaddrinfo knows no time limit itself."""
    with suppress(ValueError):
        return [ipaddress.ip_address(host)]
    answers: queue.SimpleQueue[list[IPAddress] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([ipaddress.ip_address(entry[4][0]) for entry in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty:
        raise TargetError(FailureKind.UNREACHABLE, f"The name {host} was not resolved in time.") from None
    if isinstance(answer, Exception) or not answer:
        raise TargetError(FailureKind.UNREACHABLE, f"The name {host} does not resolve.")
    return answer
