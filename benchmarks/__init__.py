"""Measures Cerby's SCIM beside its peers: `make bench-scim`, explained in README.md."""
