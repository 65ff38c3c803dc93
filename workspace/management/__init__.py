"""Commands for support staff."""
