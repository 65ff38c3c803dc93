"""Commands for support staff and the sweep, one module each."""
