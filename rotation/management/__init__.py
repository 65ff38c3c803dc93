"""Commands for support staff and the sweep."""
