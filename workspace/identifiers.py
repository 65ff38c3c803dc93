"""Ids as texts: out of an address, a command's argument, a form or a provider's request."""

import re
from typing import Final
from uuid import UUID

_WRITTEN: Final = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def parse_uuid(value: object) -> UUID | None:
    """The UUID that a text is (RFC 9562 section 4, hyphens or none); None for what is none of these."""
    return UUID(value) if isinstance(value, str) and _WRITTEN.fullmatch(value) else None
