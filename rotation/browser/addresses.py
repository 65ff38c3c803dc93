"""Comparing addresses as browsers do."""

from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"https": 443, "http": 80}


def origin(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS.get(parts.scheme)}"


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
