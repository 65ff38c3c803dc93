"""Commands for support staff on the SCIM door."""
