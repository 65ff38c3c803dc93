"""Versions of resources (RFC 7644 section 3.14): weak, made of the time of the last change."""

from datetime import datetime

from scim.errors import ScimError


def of(changed_at: datetime) -> str:
    """`W/"…"`: the microsecond of the last change, which is unique for a row that is locked while it changes."""
    return f'W/"{int(changed_at.timestamp() * 1_000_000):x}"'


def matches(version: str, header: str) -> bool:
    """Weak comparison (RFC 9110 section 8.8.3.2) with a list of entity tags, or with `*`."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return header.strip() == "*" or version.removeprefix("W/") in tags


def require(version: str, if_match: str) -> None:
    """Raises 412 unless the header is absent or names this version."""
    if if_match and not matches(version, if_match):
        detail = "The resource was changed by somebody else since it was read. Read it again and repeat the change."
        raise ScimError(detail, status=412)
