"""Comparing names and addresses of machines with a list of those allowed. Needs no tables: connectors use it."""

import ipaddress
from collections.abc import Sequence


def permits(allowed: Sequence[str], host: str) -> bool:
    """Whether a target may be on this host, by the name or address that its settings give."""
    name = plain(host)
    below = (pattern[1:] for pattern in allowed if pattern.startswith("*."))
    return not allowed or name in allowed or any(name.endswith(end) and name != end for end in below)


def plain(text: str) -> str:
    """The one spelling of a name or address: lower case, without the root's dot, IPv6 in its short form."""
    name = text.strip().lower().rstrip(".")
    return str(ipaddress.ip_address(name)) if is_address(name) else name


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
