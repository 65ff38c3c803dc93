"""Commands for support staff, one module each."""
