"""What the console shows of the door: its tokens, and the log of what the identity provider did."""

from scim.admin import connect, events, home, switch_off, tokens

__all__ = ["connect", "events", "home", "switch_off", "tokens"]
