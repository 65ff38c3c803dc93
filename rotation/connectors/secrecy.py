"""What a connector may send and what it may tell: no empty password goes out, no secret comes back in a message."""

import re
from typing import Final

from workspace.crypto import Secret
from workspace.errors import Invalid

MESSAGE_LENGTH: Final = 300
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")


def text_of(password: Secret) -> str:
    """The password's text, for the target alone. Raises Invalid for one that is empty or contains a NUL.

    Many targets take an empty password as "no login wanted" and answer with success.
    """
    text = password.reveal()
    if not text or "\x00" in text:
        raise Invalid("A password must not be empty or contain a NUL character.", field="password")
    return text


def clean(message: str, *secrets: str) -> str:
    """A target's own words for a person: one line, of limited length, each secret in them as ***."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        message = message.replace(secret, "***")
    return _CONTROLS.sub(" ", message).strip()[:MESSAGE_LENGTH]
