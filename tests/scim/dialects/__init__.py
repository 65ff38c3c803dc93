"""One module per identity provider, with the requests it really sends: bodies, headers, order."""
