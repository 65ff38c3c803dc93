"""What the console shows of the door: its tokens, and the log of what the identity provider did."""

from scim.admin import events, tokens

__all__ = ["events", "tokens"]
